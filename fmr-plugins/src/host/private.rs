//! The system's loader maps a library's file. Were that file written over or cut short while the run works, the next page
//! that is read from it would end the process (SIGBUS). On Linux a library is therefore loaded from a sealed copy in memory,
//! made of the very bytes that its hash was taken of.

use std::path::{Path, PathBuf};

/// Where a library is loaded from: its private copy, or the file itself where there can be none.
pub(super) fn source(file: &Path, bytes: &[u8]) -> PathBuf {
    // A library that looks for others beside its own file would not find them.
    if holds(bytes, b"$ORIGIN") {
        return file.to_owned();
    }
    match copy(file, bytes) {
        Ok(copy) => copy,
        Err(error) => {
            tracing::debug!("{}: loaded from its file, no private copy can be made: {error}", file.display());
            file.to_owned()
        }
    }
}

fn holds(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

#[cfg(target_os = "linux")]
fn copy(file: &Path, bytes: &[u8]) -> std::io::Result<PathBuf> {
    use std::ffi::CString;
    use std::fs::File;
    use std::io::{Error, Write as _};
    use std::os::fd::{AsRawFd as _, FromRawFd as _, IntoRawFd as _};

    let name = file.file_name().map(|name| name.to_string_lossy().replace('\0', "")).unwrap_or_default();
    // The kernel takes names up to 249 bytes; the name is for debuggers alone.
    let name = CString::new(name.chars().take(60).collect::<String>()).unwrap_or_default();
    // SAFETY: the name is a C string that outlives the call.
    let descriptor = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    if descriptor < 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: the descriptor is open and nobody else's.
    let mut copy = unsafe { File::from_raw_fd(descriptor) };
    copy.write_all(bytes)?;
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE | libc::F_SEAL_SEAL;
    // SAFETY: the descriptor is open; the call takes an integer.
    if unsafe { libc::fcntl(copy.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0 {
        return Err(Error::last_os_error());
    }
    // Never closed, as the library is not: the loader knows a library by this path, which must not come to name another.
    Ok(PathBuf::from(format!("/proc/self/fd/{}", copy.into_raw_fd())))
}

#[cfg(not(target_os = "linux"))]
fn copy(_: &Path, _: &[u8]) -> std::io::Result<PathBuf> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_its_bytes_whatever_becomes_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libmine.so");
        std::fs::write(&file, b"library").unwrap();
        let copy = source(&file, b"library");
        assert_ne!(copy, file);
        std::fs::write(&file, b"").unwrap();
        assert_eq!(std::fs::read(&copy).unwrap(), b"library");
        std::fs::write(&copy, b"other").unwrap_err();
        assert_eq!(std::fs::read(&copy).unwrap(), b"library");
        assert_eq!(source(&file, b"\0$ORIGIN/../lib\0"), file);
    }
}
