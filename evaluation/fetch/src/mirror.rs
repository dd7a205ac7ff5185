//! A folder that holds published files under the names of their addresses.

use std::path::{Path, PathBuf};

use fmr_core::registry::RemoteFile;

use crate::error::FetchError;

/// The mirror's copy of a file: `HOST/PATH` of the address below the folder, as `wget -x` lays files out, or the file's name
/// alone. An address that ends in `/` takes the name of the destination.
pub(crate) fn find(folder: &Path, file: &RemoteFile, to: &Path) -> Result<PathBuf, FetchError> {
    let own = to.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let last = if file.file_name().is_empty() { own.as_str() } else { file.file_name() };
    let place = place(folder, file, last);
    let candidates = [place.clone(), folder.join(last), folder.join(&own)];
    // Nobody may make a pipe be waited for.
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| FetchError::NotInMirror {
        mirror: folder.to_owned(),
        name: last.to_owned(),
        place,
    })
}

fn place(folder: &Path, file: &RemoteFile, last: &str) -> PathBuf {
    let address = file.url.split(['?', '#']).next().unwrap_or_default();
    let path = address.split_once("://").map_or(address, |(_, path)| path);
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    let inside = folders.split('/').filter(|part| !part.is_empty() && *part != "." && *part != "..");
    inside.fold(folder.to_owned(), |path, part| path.join(part)).join(last)
}
