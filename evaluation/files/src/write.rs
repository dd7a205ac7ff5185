//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

/// Writes a file whole or not at all, in the place of one that was there. A file that holds these bytes already is left
/// alone.
///
/// # Errors
/// The folder is absent or cannot be written, `path` is a folder, or the disk is full.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if holds(path, bytes) {
        return Ok(());
    }
    replace_with(path, |out| out.write_all(bytes))
}

/// As [`replace`], without waiting for the disk: for many files that can be made again. After a loss of power one of them
/// may be empty; after the death of a process none is.
///
/// # Errors
/// As [`replace`].
pub fn replace_soon(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if holds(path, bytes) {
        return Ok(());
    }
    let file = beside(folder_of(path))?;
    file.as_file().write_all(bytes)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// A path of one name has an empty parent.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// As [`replace`], with a function that writes the content. After its error nothing has changed.
///
/// # Errors
/// As [`replace`], and those of `write`.
pub fn replace_with<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), E> {
    let folder = folder_of(path);
    let mut out = BufWriter::new(beside(folder)?);
    write(&mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // The name is durable only once its folder is. Not every system opens folders; the file is whole in any case.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Beginning and end of temporary names.
pub(crate) const PARTIAL: [&str; 2] = [".fmr-", ".partial"];

/// Whether a file name is that of a file which a process left that died while it wrote.
pub fn is_partial(name: &str) -> bool {
    name.starts_with(PARTIAL[0]) && name.ends_with(PARTIAL[1])
}

/// Removes the temporary files that dead processes left in a folder, but not those in folders below it. No process may be
/// writing there.
///
/// # Errors
/// The folder cannot be read, or a file cannot be removed.
pub fn remove_partials(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && is_partial(&entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn beside(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(PARTIAL[0]).suffix(PARTIAL[1]);
    // Temporary files are private by default, results are not.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

fn holds(path: &Path, bytes: &[u8]) -> bool {
    let same_size = fs::symlink_metadata(path).is_ok_and(|m| m.is_file() && m.len() == bytes.len() as u64);
    same_size && fs::read(path).is_ok_and(|found| found == bytes)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_error_half_way_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        replace(&path, b"old").unwrap();
        let failed = replace_with(&path, |out| {
            out.write_all(&[7; 100_000])?;
            Err(io::Error::other("no more"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        replace(&path, b"new").unwrap();
        assert_eq!(
            (fs::read(&path).unwrap().as_slice(), names(folder.path())),
            (b"new".as_slice(), vec!["a.txt".into()])
        );
    }

    #[test]
    fn a_file_of_the_same_content_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        replace(&path, b"same").unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        let touch = || File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        touch();
        replace(&path, b"same").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), long_ago);
        replace(&path, b"some").unwrap();
        assert_ne!(fs::metadata(&path).unwrap().modified().unwrap(), long_ago);
    }

    #[test]
    fn what_cannot_be_replaced_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("taken/by a folder")).unwrap();
        replace(&folder.path().join("taken"), b"x").unwrap_err();
        replace(&folder.path().join("absent/a.txt"), b"x").unwrap_err();
        assert_eq!(names(folder.path()), ["taken"]);
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_what_is_written() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let [ours, usual] = ["ours", "usual"].map(|name| folder.path().join(name));
        replace(&ours, b"x").unwrap();
        fs::write(&usual, b"x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&usual));
    }

    #[test]
    fn what_dead_processes_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".fmr-a1.partial", "image.png", ".fmr-kept", "b.partial"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        remove_partials(folder.path()).unwrap();
        assert_eq!(names(folder.path()), [".fmr-kept", "b.partial", "image.png"]);
    }
}
