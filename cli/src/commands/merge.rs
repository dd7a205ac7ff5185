//! `fmr merge PART…`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::shared::{experiment_of, print_finished};
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folders of all parts of the run (`fmr run --part`)
    #[arg(required = true)]
    parts: Vec<PathBuf>,
    /// Folder for the whole run
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let store = fmr::merge(&arguments.parts, &arguments.out)?;
    print_finished(&experiment_of(&store)?, &store, out)
}
