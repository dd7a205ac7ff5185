//! A download that is not complete yet: `NAME.part` beside the destination, and `NAME.part.from`, which says what the bytes
//! are of.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::FetchError;

/// The bytes that have come so far. No other process writes them meanwhile.
pub(crate) struct Partial {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    origin_path: PathBuf,
}

/// What the bytes are of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Origin {
    pub(crate) url: String,
    /// The server's name for this version of the file: its entity tag or the time of its last change.
    pub(crate) version: Option<String>,
}

impl Partial {
    /// Opens the download of `to`, or begins it.
    pub(crate) fn open(to: &Path) -> Result<Self, FetchError> {
        let beside = |ending: &str| {
            let mut path = to.as_os_str().to_owned();
            path.push(ending);
            PathBuf::from(path)
        };
        let (path, origin_path) = (beside(".part"), beside(".part.from"));
        if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(FetchError::file(folder))?;
        }
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(FetchError::file(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path, file, origin_path }),
            Err(TryLockError::WouldBlock) => Err(FetchError::Busy { path: to.to_owned() }),
            // Some file systems have no locks.
            Err(TryLockError::Error(_)) => Ok(Self { path, file, origin_path }),
        }
    }

    pub(crate) fn len(&self) -> Result<u64, FetchError> {
        Ok(self.file.metadata().map_err(FetchError::file(&self.path))?.len())
    }

    /// Drops what has come; what comes now is of that origin.
    pub(crate) fn begin(&mut self, origin: &Origin) -> Result<(), FetchError> {
        self.file.set_len(0).map_err(FetchError::file(&self.path))?;
        let text = format!("{}\n{}\n", origin.url, origin.version.as_deref().unwrap_or_default());
        fs::write(&self.origin_path, text).map_err(FetchError::file(&self.origin_path))
    }

    /// What the bytes are of, if that is known.
    pub(crate) fn origin(&self) -> Option<Origin> {
        let text = fs::read_to_string(&self.origin_path).ok()?;
        let mut lines = text.lines();
        let url = lines.next()?.to_owned();
        Some(Origin { url, version: lines.next().filter(|line| !line.is_empty()).map(str::to_owned) })
    }

    /// Puts the write position at the end.
    pub(crate) fn seek_to_end(&mut self) -> Result<u64, FetchError> {
        self.file.seek(SeekFrom::End(0)).map_err(FetchError::file(&self.path))
    }

    /// The first bytes, as many as there are up to 512.
    pub(crate) fn start(&mut self) -> Result<Vec<u8>, FetchError> {
        let mut start = Vec::new();
        let read = self.file.seek(SeekFrom::Start(0)).and_then(|_| (&self.file).take(512).read_to_end(&mut start));
        read.map_err(FetchError::file(&self.path))?;
        Ok(start)
    }

    /// SHA-256 of all bytes in hexadecimal.
    pub(crate) fn digest(&self) -> Result<String, FetchError> {
        digest(&self.path)
    }

    /// Waits until the disk has the bytes, and gives them their name.
    pub(crate) fn persist(self, to: &Path) -> Result<(), FetchError> {
        self.file.sync_all().map_err(FetchError::file(&self.path))?;
        fs::rename(&self.path, to).map_err(FetchError::file(to))?;
        let _ = fs::remove_file(&self.origin_path);
        Ok(())
    }

    /// Removes the bytes.
    pub(crate) fn remove(self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(&self.origin_path);
    }
}

/// SHA-256 of a file in hexadecimal.
pub(crate) fn digest(path: &Path) -> Result<String, FetchError> {
    let mut hash = Sha256::new();
    let mut file = File::open(path).map_err(FetchError::file(path))?;
    io::copy(&mut file, &mut hash).map_err(FetchError::file(path))?;
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
