//! One writer a run.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use super::StoreError;
use super::error::Asking as _;

pub(super) const LOCK_FILE: &str = "run.lock";

/// A lock that the system releases when the process ends, however it ends. The file stays; an unlocked one means nothing.
#[derive(Debug)]
pub(super) struct RunLock {
    file: File,
}

impl RunLock {
    /// Takes the lock of a run's folder.
    pub(super) fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .asking(&path, "open the lock")?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // The number is a courtesy: where it cannot be read the refusal stands without it.
                let read = file.read_to_string(&mut pid);
                let known = read.is_ok() && !pid.trim().is_empty();
                let holder = if known { format!("process {}", pid.trim()) } else { "another process".to_owned() };
                return Err(StoreError::InUse { dir: dir.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(error).asking(&path, "lock the run with"),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .asking(&path, "write the lock")?;
        Ok(Self { file })
    }
}

impl Drop for RunLock {
    /// Closing the file would not do at once where another thread starts a process just now: until that executes its
    /// program it holds the file, too.
    fn drop(&mut self) {
        // The file is closed next, which unlocks it in any case but that one.
        let _ = self.file.unlock();
    }
}
