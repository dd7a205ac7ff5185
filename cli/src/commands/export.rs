//! `fmr export RUN`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use fmr::report::{EXPORT, IMAGES};
use fmr::store::RunStore;

use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of the run
    run: PathBuf,
    /// Folder for `samples.jsonl`, `samples.csv`, `steps.csv` and the images [default: `export` in the run]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let store = RunStore::read(&arguments.run)?;
    let folder = arguments.out.clone().unwrap_or_else(|| arguments.run.join(EXPORT));
    let results = store.results()?;
    let mut written = store.export_tables(&results, &folder)?;
    written.extend(store.export_images(&results, &folder.join(IMAGES))?);
    for path in written {
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}
