//! `fmr merge SHARD…`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use fmr::store::RunStore;

use super::shared::{experiment_of, print_finished};
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folders of all shards of the run (`fmr run --shard`)
    #[arg(required = true)]
    shards: Vec<PathBuf>,
    /// Folder for the whole run
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let (shards, to) = (&arguments.shards, &arguments.out);
    RunStore::expect_new(to)?;
    if fmr_files::network_file_system(to).is_none() {
        return merge(shards, to, to, out);
    }
    // No database is written on a file system that machines share.
    let work = tempfile::tempdir().map_err(|error| {
        Failure::Text(format!("there is no place for a temporary folder: {error} (TMPDIR names one)"))
    })?;
    merge(shards, &work.path().join("merged"), to, out)
}

/// Merges in `dir`, and puts the run into `to` where that is a different folder.
fn merge(shards: &[PathBuf], dir: &Path, to: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let store = fmr::merge(shards, dir)?;
    let printed = print_finished(&experiment_of(&store)?, &store, to, out);
    if dir != to {
        store.publish(to)?;
    }
    printed
}
