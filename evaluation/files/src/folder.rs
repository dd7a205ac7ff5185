//! Folders that are there whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::write::PARTIAL;

/// Copies a folder's files to the new folder `to`: it is there whole, on the disk, or not at all. Files for which `skip` says
/// so by name stay behind.
///
/// The copy is made beside `to` under a temporary name and renamed, so that it does not matter on which file system `from` is,
/// nor who else publishes there.
///
/// # Errors
/// `to` holds files already ([`io::ErrorKind::DirectoryNotEmpty`] or `AlreadyExists`), or one of the folders cannot be read
/// or written. After an error nothing is there that was not before.
pub fn publish_folder(from: &Path, to: &Path, skip: impl Fn(&str) -> bool) -> io::Result<()> {
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    // Another process may publish the same folder: each has a name of its own. Dropping it removes it.
    let staging = tempfile::Builder::new().prefix(PARTIAL[0]).suffix(PARTIAL[1]).tempdir_in(parent)?;
    // The temporary folder is private, its contents have the permissions that the user asks for.
    let copy = staging.path().join("copy");
    copy_folder(from, &copy, &skip)?;
    fs::rename(&copy, to)?;
    sync_folder(parent);
    Ok(())
}

fn copy_folder(from: &Path, to: &Path, skip: &dyn Fn(&str) -> bool) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if skip(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if fs::metadata(&source)?.is_dir() {
            copy_folder(&source, &target, skip)?;
        } else {
            fs::copy(&source, &target)?;
            // A quota or a full disk on a network file system shows here.
            File::options().write(true).open(&target)?.sync_all()?;
        }
    }
    sync_folder(to);
    Ok(())
}

/// Makes the names in a folder durable. Not every system opens folders; the files are whole in any case.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_is_published_whole_and_once() {
        let home = tempfile::tempdir().unwrap();
        let from = home.path().join("from");
        fs::create_dir_all(from.join("inner")).unwrap();
        fs::write(from.join("a"), "1").unwrap();
        fs::write(from.join("inner/b"), "2").unwrap();
        fs::write(from.join("lock"), "").unwrap();
        let to = home.path().join("shared/to");
        publish_folder(&from, &to, |name| name == "lock").unwrap();
        assert_eq!(names(&to), ["a", "inner"]);
        assert_eq!(fs::read_to_string(to.join("inner/b")).unwrap(), "2");
        // What is there stays, and nothing is left beside it.
        fs::write(from.join("a"), "3").unwrap();
        let error = publish_folder(&from, &to, |_| false).unwrap_err();
        assert!(matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists), "{error}");
        assert_eq!(fs::read_to_string(to.join("a")).unwrap(), "1");
        assert_eq!(names(&home.path().join("shared")), ["to"]);
    }

    #[test]
    fn a_copy_that_fails_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let to = home.path().join("shared/to");
        assert!(publish_folder(&home.path().join("absent"), &to, |_| false).is_err());
        assert_eq!(names(&home.path().join("shared")), [""; 0]);
    }
}
