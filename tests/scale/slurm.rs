//! The scripts that `fmr launch slurm` writes. `scripts/test-slurm.sh` runs them on a real Slurm.

use crate::support::Lab;

fn script(lab: &Lab, name: &str) -> String {
    let home = lab.path("").canonicalize().unwrap();
    let text = std::fs::read_to_string(lab.path("jobs").join(name)).unwrap();
    text.replace(&*home.to_string_lossy(), "HOME")
        .replace(&*lab.path("").to_string_lossy(), "HOME/")
        .replace("HOME//", "HOME/")
}

#[test]
fn the_jobs_of_an_experiment() {
    let lab = Lab::new();
    let options = ["--at-once", "16", "--option=--gres=gpu:1", "--command", "/opt/fmr/fmr", "--folder", "jobs"];
    let experiment = ["launch", "slurm", "lab.toml", "--limit", "8", "--set", "run.cache=my cache", "--shards", "64"];
    let printed = lab.succeed(&[&experiment[..], &options].concat());
    assert!(printed.trim_end().ends_with("jobs/submit.sh"), "{printed}");
    insta::assert_snapshot!("prepare.sh", script(&lab, "prepare.sh"));
    insta::assert_snapshot!("shards.sh", script(&lab, "shards.sh"));
    insta::assert_snapshot!("merge.sh", script(&lab, "merge.sh"));
    insta::assert_snapshot!("submit.sh", script(&lab, "submit.sh"));
}

#[test]
fn shells_accept_the_scripts() {
    let lab = Lab::new();
    lab.succeed(&["launch", "slurm", "lab.toml", "--shards", "2", "--folder", "jobs"]);
    // Nothing is shared where there is no cache.
    assert!(!lab.path("jobs/prepare.sh").exists());
    for name in ["shards.sh", "merge.sh", "submit.sh"] {
        let checked = std::process::Command::new("bash").arg("-n").arg(lab.path("jobs").join(name)).status().unwrap();
        assert!(checked.success(), "{name}");
    }
}

#[test]
fn jobs_that_cannot_be_are_refused() {
    let lab = Lab::new();
    let refused = lab.refuse(&["launch", "slurm", "lab.toml", "--shards", "2", "--folder", "my jobs"]);
    assert!(refused.contains("take no blanks"), "{refused}");
    assert_eq!(lab.fmr(&["launch", "slurm", "lab.toml", "--shards", "2000"]).status.code(), Some(2));
}
