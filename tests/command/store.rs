//! What a run leaves behind, and folders that cannot be written.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Lab, records};

#[test]
fn a_run_leaves_its_results_and_prints_its_folder_last() {
    let lab = Lab::new();
    let printed = lab.succeed(&["run", "lab.toml"]);
    let dir = lab.path("runs/lab-001");
    assert_eq!(printed.lines().last(), dir.canonicalize().unwrap().to_str());
    for file in [
        "experiment.toml",
        "run.sqlite",
        "table.txt",
        "table.md",
        "table.tex",
        "table.csv",
        "table.json",
        "report.html",
        "sheet-digits-lenet.png",
        "images",
    ] {
        assert!(dir.join(file).exists(), "{file}");
    }
    let table = std::fs::read_to_string(dir.join("table.txt")).unwrap();
    assert!(printed.starts_with(table.trim_end()), "{printed}");
    // The report can be made anew from the store alone, wherever the experiment file is.
    std::fs::remove_file(lab.path("lab.toml")).unwrap();
    assert_eq!(lab.succeed(&["report", "runs/lab-001"]), printed);
    let exported = lab.succeed(&["export", "runs/lab-001"]);
    assert!(exported.contains("samples.jsonl"), "{exported}");
    // A second run gets a folder of its own; a finished one resumes to the same.
    assert_eq!(lab.succeed(&["resume", "runs/lab-001"]), printed);
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    let lab = Lab::new();
    lab.write("file", "");
    let said = lab.refuse(&["run", "lab.toml", "--out", "file/run"]);
    assert!(said.contains("file"), "{said}");
    lab.refuse(&["resume", "file"]);
    lab.refuse(&["report", "absent"]);
}

/// Folders in which nobody may write, as long as this lives.
struct Locked(Vec<PathBuf>);

impl Locked {
    /// None where this user may write everywhere (root, on a file system without immutable folders).
    fn new(folders: &[PathBuf]) -> Option<Self> {
        let locked = Self(folders.to_vec());
        locked.each("chmod", "a-w");
        if folders.iter().any(|folder| writable(folder)) {
            locked.each("chattr", "+i");
        }
        if folders.iter().any(|folder| writable(folder)) {
            fmr_golden::skip("read-only", "this user may write to every folder here");
            return None;
        }
        Some(locked)
    }

    fn each(&self, command: &str, change: &str) {
        for folder in &self.0 {
            // A missing command or right shows in what can be written afterwards.
            let _ = Command::new(command).arg(change).arg(folder).output();
        }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.each("chattr", "-i");
        self.each("chmod", "u+w");
    }
}

fn writable(folder: &Path) -> bool {
    let probe = folder.join("probe");
    std::fs::write(&probe, "").is_ok() && std::fs::remove_file(probe).is_ok()
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_an_error_and_holds_nothing() {
    let lab = Lab::new();
    let folder = lab.path("closed");
    std::fs::create_dir(&folder).unwrap();
    let Some(locked) = Locked::new(std::slice::from_ref(&folder)) else { return };
    let said = lab.refuse(&["run", "lab.toml", "--out", "closed/run"]);
    assert!(said.contains("closed/run") && said.contains("read-only"), "{said}");
    drop(locked);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "something was left behind");
}

#[cfg(unix)]
#[test]
fn a_run_whose_folder_became_read_only_is_whole_again_afterwards() {
    let lab = Lab::new();
    lab.succeed(&["run", "lab.toml", "--out", "whole"]);
    // Ends in the midst, as in `a_disk_that_fills_up_is_an_error_and_the_run_resumes`.
    let script = "trap '' XFSZ; ulimit -f 160; exec \"$0\" run lab.toml --out part";
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_fmr-under-test")])
        .current_dir(lab.path(""))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let part = lab.path("part");
    let Some(locked) = Locked::new(&[part.clone(), part.join("images")]) else { return };
    let said = lab.refuse(&["resume", "part"]);
    assert!(said.contains("read-only"), "{said}");
    drop(locked);
    lab.succeed(&["resume", "part"]);
    assert_eq!(records(&part), records(&lab.path("whole")));
}

/// A limit on the size of files stands for a full disk: writing fails in the midst of the run.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_is_an_error_and_the_run_resumes() {
    let lab = Lab::new();
    lab.succeed(&["run", "lab.toml", "--out", "whole"]);
    let script = "trap '' XFSZ; ulimit -f 160; exec \"$0\" run lab.toml --out full";
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_fmr-under-test")])
        .current_dir(lab.path(""))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("full"), "{said}");
    lab.succeed(&["resume", "full"]);
    assert_eq!(records(&lab.path("full")), records(&lab.path("whole")));
}
