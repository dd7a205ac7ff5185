//! Opens files that are files.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a regular file. A pipe, socket or device is refused, and not waited for.
///
/// # Errors
/// There is no such file, it cannot be opened, or it is no regular file.
pub fn regular(path: &Path) -> io::Result<File> {
    expect_regular(path.metadata()?.is_file())?;
    let mut options = OpenOptions::new();
    options.read(true);
    // Between the question and the opening the file may have been replaced by a pipe.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(path)?;
    expect_regular(file.metadata()?.is_file())?;
    Ok(file)
}

fn expect_regular(is_file: bool) -> io::Result<()> {
    let problem = "not a regular file; folders, pipes, sockets and devices are not read";
    if is_file { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, problem)) }
}
