#![doc = include_str!("../README.md")]

mod commands;
mod failure;
mod signals;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use commands::{main, main_of};
pub use terminal::Terminal;

/// Runs an experiment file as the examples do, with the profile that the first argument names (`--quick`, `--full`, …).
/// Prints the table and, on the last line, the run's folder.
pub fn table(file: &Path) -> ExitCode {
    let profile = std::env::args().nth(1).map(|argument| argument.trim_start_matches("--").to_owned());
    commands::run_file(&from_here(file), profile)
}

/// The path as a person would write it in the present folder, for the commands that messages tell to run.
fn from_here(file: &Path) -> PathBuf {
    let Ok(whole) = file.canonicalize() else { return file.to_owned() };
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    match here.map(|here| whole.strip_prefix(here).map(Path::to_owned)) {
        Ok(Ok(below)) => below,
        _ => whole,
    }
}
