//! `fmr train RECIPE`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Recipe (TOML); training resumes from its last checkpoint
    recipe: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let figures = fmr_train::train(&arguments.recipe).map_err(|error| Failure::Text(error.to_string()))?;
    for (name, value) in figures {
        writeln!(out, "{name} {value:.4}")?;
    }
    Ok(())
}
