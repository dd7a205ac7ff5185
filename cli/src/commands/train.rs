//! `fmr train RECIPE`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use fmr::data::DataError;
use fmr_train::TrainError;

use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Recipe (TOML); training resumes from its last checkpoint
    recipe: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let figures = fmr_train::train(&arguments.recipe).map_err(|error| Failure::Text(sentence(&error)))?;
    for (name, value) in figures {
        writeln!(out, "{name} {value:.4}")?;
    }
    Ok(())
}

/// The error, and how to get data that is not there.
fn sentence(error: &TrainError) -> String {
    let is_absent = |error: &DataError| matches!(error, DataError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound);
    match error {
        TrainError::Data(data) if is_absent(data) => {
            format!("{error}; `fmr fetch mnist --to DIR` and `fmr fetch cifar10 --to DIR` download data sets")
        }
        _ => error.to_string(),
    }
}
