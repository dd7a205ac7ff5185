#![doc = include_str!("../README.md")]

mod commands;
mod failure;
mod signals;
mod terminal;

use std::path::Path;
use std::process::ExitCode;

pub use commands::main;
pub use terminal::Terminal;

/// Runs an experiment file as the examples do, with the profile that the first argument names (`--quick`, `--full`, …).
/// Prints the table and, on the last line, the run's folder.
pub fn table(file: &Path) -> ExitCode {
    let profile = std::env::args().nth(1).map(|argument| argument.trim_start_matches("--").to_owned());
    commands::run_file(file, profile)
}
