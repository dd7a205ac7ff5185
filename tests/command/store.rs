//! What a run leaves behind, and folders that cannot be written.

use crate::support::{Lab, records};

#[test]
fn a_run_leaves_its_results_and_prints_its_folder_last() {
    let lab = Lab::new();
    let printed = lab.succeed(&["run", "lab.toml"]);
    let dir = lab.path("runs/lab-001");
    assert_eq!(printed.lines().last(), dir.canonicalize().unwrap().to_str());
    for file in
        ["experiment.toml", "run.sqlite", "table.txt", "table.md", "report.html", "sheet-digits-lenet.png", "images"]
    {
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

/// A limit on the size of files stands for a full disk: writing fails in the midst of the run.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_is_an_error_and_the_run_resumes() {
    let lab = Lab::new();
    lab.succeed(&["run", "lab.toml", "--out", "whole"]);
    let script = "trap '' XFSZ; ulimit -f 160; exec \"$0\" run lab.toml --out full";
    let output = std::process::Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_fmr")])
        .current_dir(lab.path(""))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("full"), "{said}");
    lab.succeed(&["resume", "full"]);
    assert_eq!(records(&lab.path("full")), records(&lab.path("whole")));
}
