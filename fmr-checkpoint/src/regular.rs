//! Opens regular files only: reading a named pipe waits for ever, and a device has no end.

use std::fs::{self, File, FileType};
use std::io::Read;
use std::path::Path;

use crate::error::CheckpointError;

/// Opens a regular file, or a link to one, and tells its length.
pub(crate) fn open(path: &Path) -> Result<(File, u64), CheckpointError> {
    let io = |source| CheckpointError::Io { path: path.to_owned(), source };
    let refuse = |found: &FileType| CheckpointError::NotAFile { path: path.to_owned(), found: name(found) };
    // Opening a pipe would already wait for a writer: the question comes first.
    let metadata = fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(refuse(&metadata.file_type()));
    }
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(refuse(&metadata.file_type()));
    }
    Ok((file, metadata.len()))
}

/// What stands in the place of a file, with its article.
fn name(found: &FileType) -> &'static str {
    if found.is_dir() {
        return "a folder";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if found.is_fifo() {
            return "a named pipe";
        }
        if found.is_socket() {
            return "a socket";
        }
        if found.is_char_device() || found.is_block_device() {
            return "a device";
        }
    }
    "something other than a file"
}

/// Reads a text file that accompanies a checkpoint: a configuration, a list of tokens.
///
/// # Errors
///
/// [`CheckpointError::NotAFile`] for a folder, a pipe or a device, [`CheckpointError::TooLong`] for more than `limit`
/// bytes, [`CheckpointError::Io`] if the file cannot be read or is not UTF-8.
pub fn read_text(path: impl AsRef<Path>, limit: u64) -> Result<String, CheckpointError> {
    let path = path.as_ref();
    let not_text = |e| std::io::Error::new(std::io::ErrorKind::InvalidData, e);
    String::from_utf8(read_bytes(path, limit)?)
        .map_err(|e| CheckpointError::Io { path: path.to_owned(), source: not_text(e) })
}

/// Reads a small file that accompanies a checkpoint: an array of statistics.
///
/// # Errors
///
/// [`CheckpointError::NotAFile`] for a folder, a pipe or a device, [`CheckpointError::TooLong`] for more than `limit`
/// bytes, [`CheckpointError::Io`] if the file cannot be read.
pub fn read_bytes(path: impl AsRef<Path>, limit: u64) -> Result<Vec<u8>, CheckpointError> {
    let path = path.as_ref();
    let (file, _) = open(path)?;
    let mut bytes = Vec::new();
    let mut file = file.take(limit.saturating_add(1));
    file.read_to_end(&mut bytes).map_err(|source| CheckpointError::Io { path: path.to_owned(), source })?;
    if bytes.len() as u64 > limit {
        return Err(CheckpointError::TooLong { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn text_is_read_up_to_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs::write(&path, "{}").unwrap();
        assert_eq!(read_text(&path, 2).unwrap(), "{}");
        assert!(read_text(&path, 1).unwrap_err().to_string().contains("longer than the 1 bytes"));
        assert!(read_text(folder.path(), 9).unwrap_err().to_string().contains("is a folder, not a file"));
        fs::write(&path, [0xff]).unwrap();
        assert!(read_text(&path, 9).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn pipes_sockets_and_devices_are_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket.pt");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(open(&socket).unwrap_err().to_string().contains("is a socket, not a file"));
        assert!(open(Path::new("/dev/null")).unwrap_err().to_string().contains("is a device, not a file"));
        let pipe = folder.path().join("pipe.pt");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        if made.is_ok_and(|status| status.success()) {
            assert!(open(&pipe).unwrap_err().to_string().contains("is a named pipe, not a file"));
        }
    }
}
