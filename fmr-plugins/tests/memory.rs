//! The border under a memory checker: valgrind runs the tests of both sides again, where it is installed.
//!
//! Where a handle were freed twice, used after its end, or never freed, or a byte read beyond a table, it would say so.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The newest build of another test of this package.
fn test(name: &str) -> Option<PathBuf> {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let builds = std::fs::read_dir(folder).unwrap().filter_map(|e| Some(e.ok()?.path()));
    let ours = builds.filter(|p| {
        let file = p.file_name().unwrap_or_default().to_string_lossy();
        p.extension().is_none() && file.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
    });
    ours.max_by_key(|p| p.metadata().and_then(|m| m.modified()).ok())
}

/// Runs those tests of a program whose names contain one of the words.
fn checked(program: &Path, leaks: bool, arguments: &[&str]) {
    let leaks = if leaks { "--leak-check=full" } else { "--leak-check=no" };
    let output = Command::new("valgrind")
        // Stacks of threads that wait for work count as possibly lost.
        .args(["-q", "--error-exitcode=9", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite", leaks])
        .arg(program)
        .args(arguments)
        .arg("--test-threads=1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}:\n{text}", program.display());
    assert!(!text.contains(" 0 passed"), "nothing ran:\n{text}");
    println!("{}: {}", program.display(), text.lines().find(|l| l.starts_with("test result")).unwrap_or_default());
}

#[test]
fn the_border_is_clean_under_valgrind() {
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|o| o.status.success()) {
        fmr_golden::skip("valgrind", "valgrind is not installed");
        return;
    }
    let [Some(sdk), Some(c), Some(added), Some(versions)] = ["sdk", "c_plugins", "c_added", "versions"].map(test)
    else {
        fmr_golden::skip("valgrind", "the tests of the border are not built; run the whole package's");
        return;
    };
    checked(&sdk, true, &["border", "settings", "threads"]);
    // The guard leaks a panic's payload that panics when it is dropped.
    checked(&sdk, false, &["panic"]);
    checked(&c, true, &["works", "broken", "built_in"]);
    checked(&added, true, &["works", "pictures", "looked_for"]);
    checked(&versions, false, &["host", "description", "pictures", "border"]);
}
