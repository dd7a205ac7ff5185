//! A run that is killed at any moment resumes to the same samples table.

use std::process::Stdio;
use std::time::{Duration, Instant};

use fmr::store::RunStore;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{EXPERIMENT, Lab, records};

/// Processes that are killed.
const KILLS: usize = 12;
const SAMPLES: usize = 40;

#[test]
fn a_killed_run_resumes_to_the_same_rows() {
    let lab = Lab::new();
    lab.write("lab.toml", &EXPERIMENT.replace("limit = 10", &format!("limit = {SAMPLES}")));
    lab.succeed(&["run", "lab.toml", "--out", "whole"]);
    let whole = records(&lab.path("whole"));
    assert_eq!(whole[0].1.len(), SAMPLES);

    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (mut kills, mut run) = (0, 0);
    let mut left = Vec::new();
    while kills < KILLS {
        run += 1;
        assert!(run < 3 * KILLS, "the kills come too late to test anything");
        let dir = format!("killed-{run}");
        let mut arguments = vec!["run", "lab.toml", "--out", &dir];
        // Every third run dies before its store is made, the others in the midst of the work, every second one twice.
        let mut wanted = if run % 3 == 0 { 0 } else { random.random_range(1..SAMPLES * 2 / 3) };
        for _ in 0..1 + run % 2 {
            let killed = kill_when(&lab, &arguments, &dir, wanted, random.random_range(0..40));
            kills += usize::from(killed);
            let done = finished(&lab, &dir);
            left.push(done.map_or_else(|| "nothing".to_owned(), |n| format!("{n} rows")));
            if let Some(done) = done {
                arguments = vec!["resume", &dir];
                wanted = done + 4;
            }
        }
        lab.succeed(&arguments);
        assert_eq!(records(&lab.path(&dir)), whole, "run {run}");
    }
    println!("{kills} processes killed in {run} runs; they left: {}", left.join(", "));
}

/// Starts a process and kills it some milliseconds after its run has `wanted` rows; `false` where it ended before.
fn kill_when(lab: &Lab, arguments: &[&str], dir: &str, wanted: usize, milliseconds: u64) -> bool {
    let mut process = lab.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let enough = || wanted == 0 || finished(lab, dir).is_some_and(|rows| rows >= wanted);
    while !enough() && process.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(milliseconds));
    // SIGKILL on Unix.
    process.kill().unwrap();
    !process.wait().unwrap().success()
}

/// Rows that a run has, where there is one.
fn finished(lab: &Lab, dir: &str) -> Option<usize> {
    RunStore::read(&lab.path(dir)).ok()?.count("digits/lenet").ok()
}

#[test]
fn two_processes_on_one_run_and_changed_settings_are_refused() {
    let lab = Lab::new();
    lab.write("lab.toml", &EXPERIMENT.replace("limit = 10", "limit = 200"));
    let mut first = lab.command(&["run", "lab.toml", "--out", "run"]).stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !lab.fmr(&["report", "--print", "run"]).status.success() {
        assert!(Instant::now() < deadline, "the run does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = lab.fmr(&["resume", "run"]);
    first.kill().unwrap();
    first.wait().unwrap();
    // The same command may succeed later.
    assert_eq!(second.status.code(), Some(75));
    let second = String::from_utf8(second.stderr).unwrap();
    assert!(second.contains("is being written by process"), "{second}");
    let again = lab.refuse(&["run", "lab.toml", "--out", "run"]);
    assert!(again.contains("fmr resume run"), "{again}");
    // Other weights under the old name.
    let mut changed = std::fs::read(lab.path("lenet.safetensors")).unwrap();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    std::fs::write(lab.path("lenet.safetensors"), changed).unwrap();
    let refused = lab.refuse(&["resume", "run"]);
    assert!(refused.contains("target.weights"), "{refused}");
}
