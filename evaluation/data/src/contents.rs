//! What a container of pictures holds, whatever container it is: paths and places, nothing judged yet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::DataError;
use super::picture::Place;

/// Files and folders below the root of a data set, by path with `/` between the parts.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Regular files, links to them included.
    pub(super) files: BTreeMap<String, Place>,
    /// Folders at the top, empty ones included.
    pub(super) folders: BTreeSet<String>,
    /// Hidden files and folders, each with what is in it as one.
    pub(super) hidden: BTreeSet<String>,
    /// What is neither file nor folder, with what it is: pipes, links to nothing.
    pub(super) others: BTreeMap<String, &'static str>,
}

impl Contents {
    pub(super) fn add_file(&mut self, path: String, place: Place) {
        if !self.hide(&path) {
            self.files.insert(path, place);
        }
    }

    /// Adds a folder; says whether what is in it counts.
    pub(super) fn add_folder(&mut self, path: &str) -> bool {
        let is_seen = !self.hide(path);
        if let (true, Some(top)) = (is_seen, path.split('/').next()) {
            self.folders.insert(top.to_owned());
        }
        is_seen
    }

    pub(super) fn add_other(&mut self, path: String, what: &'static str) {
        if !self.hide(&path) {
            self.others.insert(path, what);
        }
    }

    fn hide(&mut self, path: &str) -> bool {
        let hidden = hidden_part(path);
        self.hidden.extend(hidden.map(str::to_owned));
        hidden.is_some()
    }
}

/// Names of files and folders that systems and programs leave behind.
const LEFT_BEHIND: [&str; 8] = [
    "__macosx",
    "lost+found",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "$recycle.bin",
    "system volume information",
    "@eadir",
];

/// Whether a file or folder of that name is none of the data set's, together with everything in it.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || LEFT_BEHIND.contains(&name.to_lowercase().as_str())
}

/// The part of a path that ends with its first hidden name.
fn hidden_part(path: &str) -> Option<&str> {
    let mut end = 0;
    for name in path.split('/') {
        end += name.len();
        if is_hidden(name) {
            return Some(&path[..end]);
        }
        end += 1;
    }
    None
}

/// The parts of a path inside a container. `./` and doubled or leading slashes say nothing.
pub(super) fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

/// Reads what is below `prefix` in a folder or a tar.
///
/// # Errors
/// It cannot be read, is no tar, or holds names that cannot be told apart.
pub(super) fn read(path: &Path, prefix: &str) -> Result<Contents, DataError> {
    if path.is_dir() { super::folder::read(path, prefix) } else { super::archive::read(path, prefix) }
}
