//! A run that is killed at any moment resumes to the same samples table.

use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{EXPERIMENT, Lab, records};

/// Moments at which a process is killed.
const KILLS: usize = 8;

#[test]
fn a_killed_run_resumes_to_the_same_rows() {
    let lab = Lab::new();
    lab.write("lab.toml", &EXPERIMENT.replace("limit = 10", "limit = 40"));
    let begin = Instant::now();
    lab.succeed(&["run", "lab.toml", "--out", "whole"]);
    let whole_time = begin.elapsed();
    let whole = records(&lab.path("whole"));
    assert_eq!(whole[0].1.len(), 40);

    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (mut interrupted, mut resumed) = (0, 0);
    for kill in 0..KILLS {
        let dir = format!("killed-{kill}");
        let mut arguments = vec!["run", "lab.toml", "--out", &dir];
        // Several deaths of one run, too.
        for _ in 0..=kill % 2 {
            let mut process = lab.command(&arguments).spawn().unwrap();
            std::thread::sleep(whole_time.mul_f64(random.random_range(0.05..0.9)));
            // SIGKILL on Unix.
            process.kill().unwrap();
            interrupted += usize::from(!process.wait().unwrap().success());
            if lab.fmr(&["report", "--print", &dir]).status.success() {
                arguments = vec!["resume", &dir];
                resumed += 1;
            }
        }
        lab.succeed(&arguments);
        assert_eq!(records(&lab.path(&dir)), whole, "after kill {kill}");
    }
    println!("{interrupted} kills, {resumed} of them with a run to resume");
    assert!(interrupted > 0 && resumed > 0, "the kills came too late or too early to test anything");
}

#[test]
fn two_processes_on_one_run_and_changed_settings_are_refused() {
    let lab = Lab::new();
    lab.write("lab.toml", &EXPERIMENT.replace("limit = 10", "limit = 200"));
    let mut first = lab.command(&["run", "lab.toml", "--out", "run"]).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !lab.fmr(&["report", "--print", "run"]).status.success() {
        assert!(Instant::now() < deadline, "the run does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = lab.refuse(&["resume", "run"]);
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(second.contains("is being written by process"), "{second}");
    let again = lab.refuse(&["run", "lab.toml", "--out", "run"]);
    assert!(again.contains("resume that run"), "{again}");
    // Other weights under the old name.
    let mut changed = std::fs::read(lab.path("lenet.safetensors")).unwrap();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    std::fs::write(lab.path("lenet.safetensors"), changed).unwrap();
    let refused = lab.refuse(&["resume", "run"]);
    assert!(refused.contains("target.weights"), "{refused}");
}
