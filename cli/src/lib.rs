//! The command `fmr` as a library: its subcommands, what a terminal shows of a run, and the examples' common part.

mod commands;
mod failure;
mod signals;
mod terminal;

use std::process::ExitCode;

pub use commands::main;
pub use terminal::Terminal;

/// Runs a table of the paper as its example does: `experiments/NAME.toml` of the repository, with the profile that the
/// first argument names (`--quick`, `--full`, …). Prints the table and, on the last line, the run's folder.
pub fn table(name: &str) -> ExitCode {
    let profile = std::env::args().nth(1).map(|argument| argument.trim_start_matches("--").to_owned());
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments").join(format!("{name}.toml"));
    commands::run_file(&file, profile)
}
