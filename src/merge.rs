//! Parts of a run, done on several machines, become the run.

use std::path::{Path, PathBuf};

use fmr_store::{RunStore, StoreError};

use crate::error::Error;
use crate::masks::MASKS;

/// Makes one run of its parts ([`Runner::part`](crate::Runner::part)) in a new or empty folder. Its samples, images and
/// answers are those of a run that was never divided, bit for bit; seconds add up, and so do the samples that were done
/// twice.
///
/// Parts that learn masks learn the same ones, which is checked.
///
/// # Errors
/// A part is missing, given twice, unfinished, damaged or of another run, or the folder cannot be used.
pub fn merge(parts: &[PathBuf], dir: &Path) -> Result<RunStore, Error> {
    let store = RunStore::merge(parts, dir)?;
    for row in &store.plan().rows {
        if store.facts(&row.id)?.mask.is_none() {
            continue;
        }
        for extension in ["mask", "png"] {
            let name = format!("{}.{extension}", row.file_name());
            // Each part has the file; one that was lost there is learned again where it is needed.
            let found = parts.iter().map(|part| part.join(MASKS).join(&name)).find(|path| path.is_file());
            if let Some(from) = found {
                copy(&from, &dir.join(MASKS), &name)?;
            }
        }
    }
    Ok(store)
}

fn copy(from: &Path, folder: &Path, name: &str) -> Result<(), Error> {
    let to = folder.join(name);
    let copied = std::fs::read(from)
        .and_then(|bytes| std::fs::create_dir_all(folder).and_then(|()| fmr_files::replace(&to, &bytes)));
    copied.map_err(|source| StoreError::Io { path: to, asked: "copy a mask to".to_owned(), source }.into())
}
