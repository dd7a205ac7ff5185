//! A folder of pictures.

use std::fs;
use std::path::{Path, PathBuf};

use super::DataError;
use super::contents::Contents;
use super::picture::Place;

pub(super) fn read(path: &Path, prefix: &str) -> Result<Contents, DataError> {
    let root = path.join(prefix.trim_start_matches('/'));
    let mut walk = Walk { contents: Contents::default(), within: Vec::new() };
    walk.folder(&root, "")?;
    Ok(walk.contents)
}

struct Walk {
    contents: Contents,
    /// The folders around the present one, as they are without links: a link back to one of them would never end.
    within: Vec<PathBuf>,
}

impl Walk {
    fn folder(&mut self, folder: &Path, below: &str) -> Result<(), DataError> {
        let whole = folder.canonicalize().map_err(DataError::io(folder))?;
        if self.within.contains(&whole) {
            return Err(DataError::format(folder, "is a link to a folder around it; remove the link"));
        }
        self.within.push(whole);
        for entry in fs::read_dir(folder).map_err(DataError::io(folder))? {
            let entry = entry.map_err(DataError::io(folder))?.path();
            self.entry(&entry, below)?;
        }
        self.within.pop();
        Ok(())
    }

    fn entry(&mut self, entry: &Path, below: &str) -> Result<(), DataError> {
        let name = entry.file_name().unwrap_or_default();
        let Some(name) = name.to_str() else {
            return Err(DataError::format(entry, "has a name that is not UTF-8; rename it"));
        };
        let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        // Links are followed, as ImageFolder follows them.
        match fs::metadata(entry) {
            Ok(found) if found.is_dir() => {
                if self.contents.add_folder(&path) {
                    self.folder(entry, &path)?;
                }
            }
            Ok(found) if found.is_file() => self.contents.add_file(path, Place::File(entry.to_owned())),
            Ok(_) => self.contents.add_other(path, "a pipe, socket or device"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.contents.add_other(path, "a link to nothing");
            }
            Err(error) => return Err(DataError::io(entry)(error)),
        }
        Ok(())
    }
}
