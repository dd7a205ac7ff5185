//! A process that takes verdicts is killed at any moment: none that was acknowledged is lost, and none is doubled when
//! people send again what was not.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fmr_human::{Answer, EightBit, Question, Verdict, Verdicts};

const FILE: &str = "FMR_TEST_VERDICTS";
const FROM: &str = "FMR_TEST_FROM";
const KILLS: u64 = 12;

fn question() -> Question {
    Question::about(0, &["cat", "dog"].map(str::to_owned))
}

fn image(number: u64) -> EightBit {
    let mut name = [0; 32];
    name[..8].copy_from_slice(&number.to_le_bytes());
    EightBit(name)
}

/// Adds verdicts without end, and says so after each. Does nothing unless the other test starts it.
#[test]
fn child() {
    let Ok(file) = std::env::var(FILE) else { return };
    let from: u64 = std::env::var(FROM).unwrap().parse().unwrap();
    let mut verdicts = Verdicts::open(Path::new(&file)).unwrap();
    for number in from.. {
        let verdict = Verdict { annotator: "ann".to_owned(), answer: Answer::Class(0), seconds: 1.0 };
        verdicts.add(image(number), &question(), &verdict, &number.to_string()).unwrap();
        println!("\nkept {number}");
    }
}

fn start(file: &Path, from: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).env(FILE, file).env(FROM, from.to_string());
    command.stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
fn no_verdict_is_lost_or_doubled() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("verdicts.sqlite");
    let mut kept = 0;
    for round in 0..KILLS {
        // What may be on disk without a word about it is sent again.
        let mut child = start(&file, kept);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = 0;
        while told < 3 + 2 * round {
            let line = lines.next().unwrap().unwrap();
            if let Some(number) = line.strip_prefix("kept ") {
                kept = number.parse::<u64>().unwrap() + 1;
                told += 1;
            }
        }
        std::thread::sleep(Duration::from_micros(317 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        for number in lines.map_while(Result::ok).filter_map(|line| Some(line.strip_prefix("kept ")?.parse::<u64>())) {
            kept = number.unwrap() + 1;
        }
        let verdicts = Verdicts::open(&file).unwrap();
        for number in 0..kept {
            assert_eq!(verdicts.of(image(number), &question()).unwrap().len(), 1, "verdict {number} of {kept}");
        }
        let count = verdicts.count().unwrap() as u64;
        assert!(count == kept || count == kept + 1, "{count} verdicts, {kept} acknowledged");
    }
    assert!(kept >= KILLS);
}
