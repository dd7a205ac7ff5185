//! What can go wrong with a run's folder.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

use super::DATABASE_FILE;

/// A run that could not be begun, resumed, read or added to. Each text names the folder, what is wrong and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder holds no run.
    #[error("{} is not a run: {problem}", dir.display())]
    NotARun {
        /// The folder.
        dir: PathBuf,
        /// What is missing, and what to do.
        problem: String,
    },
    /// A new run was asked for where there is one.
    #[error("{} already holds a {DATABASE_FILE}: resume that run, or choose another folder", dir.display())]
    Exists {
        /// The folder.
        dir: PathBuf,
    },
    /// A new run was asked for in a folder with other files.
    #[error("{} holds other files ({example}): choose a new or empty folder", dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
        /// One of the files.
        example: String,
    },
    /// Another process writes to the run.
    #[error("{} is being written by {holder}: wait until it ends, or stop it", dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The process, as far as it is known.
        holder: String,
    },
    /// The run was begun with other settings, weights or data.
    #[error(
        "{} cannot be resumed{}: {field} was {} when it began and is {} now. Restore it, or begin a new run",
        dir.display(), of_cell(cell.as_deref()), or_absent(then.as_deref()), or_absent(now.as_deref())
    )]
    Fingerprint {
        /// The folder.
        dir: PathBuf,
        /// The cell that differs; absent where the list of cells does.
        cell: Option<String>,
        /// What differs.
        field: String,
        /// Its value when the run began; absent where there was none.
        then: Option<String>,
        /// Its value now; absent where there is none.
        now: Option<String>,
    },
    /// A plugin's file is another than the run was begun with.
    #[error(
        "{} cannot be resumed (cell {cell:?}): {field} was {then:?} when it began and is {now:?} now, though no sample \
         failed on it. Restore that file; or, if it was mended, resume with --mended: what the old file finished stays, \
         and the report says so",
        dir.display()
    )]
    Plugin {
        /// The folder.
        dir: PathBuf,
        /// The cell that differs.
        cell: String,
        /// Which plugin.
        field: String,
        /// Hash of its file when the run began.
        then: String,
        /// Its hash now.
        now: String,
    },
    /// A plan that no run can follow.
    #[error("the plan of {} cannot be kept: {problem}", dir.display())]
    Plan {
        /// The folder.
        dir: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The database was written by another version of this program.
    #[error(
        "{} has layout {found}, this program reads layout {readable}: use the version that began the run",
        path.display()
    )]
    Layout {
        /// The database.
        path: PathBuf,
        /// Its layout.
        found: i64,
        /// The layout of this program.
        readable: i64,
    },
    /// The database is damaged.
    #[error(
        "{} is damaged ({problem}): restore the file from a copy, or delete the folder and run again",
        path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// No space is left.
    #[error(
        "cannot {asked} in {}: the disk is full. What was committed before is safe: free some space and resume",
        path.display()
    )]
    DiskFull {
        /// The file or folder.
        path: PathBuf,
        /// What was asked.
        asked: String,
    },
    /// The folder or database may not be written.
    #[error("cannot {asked} in {}: it is read-only or not a folder this user may write to ({problem})", path.display())]
    NotWritable {
        /// The file or folder.
        path: PathBuf,
        /// What was asked.
        asked: String,
        /// What the system said.
        problem: String,
    },
    /// The store was opened to read and asked to write.
    #[error("{} was opened to read: open it with resume to add to it", dir.display())]
    OpenedToRead {
        /// The folder.
        dir: PathBuf,
    },
    /// A cell that is not of this run.
    #[error("{} has no cell {cell:?}: its cells are {known}", dir.display())]
    UnknownCell {
        /// The folder.
        dir: PathBuf,
        /// The cell asked for.
        cell: String,
        /// All cells of the run.
        known: String,
    },
    /// A sample that cannot be added or read.
    #[error("sample {index} of cell {cell:?} in {} {problem}", dir.display())]
    Sample {
        /// The folder.
        dir: PathBuf,
        /// The cell.
        cell: String,
        /// The sample's index.
        index: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A file could not be read or written.
    #[error("cannot {asked} {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was asked.
        asked: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database refused for another reason.
    #[error("cannot {asked} in {}: {source}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What was asked.
        asked: String,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

fn of_cell(cell: Option<&str>) -> String {
    cell.map(|cell| format!(" (cell {cell:?})")).unwrap_or_default()
}

fn or_absent(value: Option<&str>) -> String {
    value.map_or_else(|| "absent".to_owned(), |value| format!("{value:?}"))
}

/// Turns errors of files and of SQLite into a [`StoreError`] that says what was asked.
pub(super) trait Asking<T> {
    /// `path`: the file, or the run's folder for errors of its database.
    fn asking(self, path: &Path, asked: &str) -> Result<T, StoreError>;
}

impl<T> Asking<T> for Result<T, std::io::Error> {
    fn asking(self, path: &Path, asked: &str) -> Result<T, StoreError> {
        use std::io::ErrorKind::{NotADirectory, PermissionDenied, ReadOnlyFilesystem, StorageFull};
        self.map_err(|source| {
            let (path, asked) = (path.to_owned(), asked.to_owned());
            match source.kind() {
                StorageFull => StoreError::DiskFull { path, asked },
                PermissionDenied | ReadOnlyFilesystem | NotADirectory => {
                    StoreError::NotWritable { path, asked, problem: source.to_string() }
                }
                _ => StoreError::Io { path, asked, source },
            }
        })
    }
}

impl<T> Asking<T> for Result<T, rusqlite::Error> {
    fn asking(self, dir: &Path, asked: &str) -> Result<T, StoreError> {
        self.map_err(|source| {
            let (path, asked) = (dir.join(DATABASE_FILE), asked.to_owned());
            match source.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => StoreError::DiskFull { path, asked },
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                    StoreError::NotWritable { path, asked, problem: source.to_string() }
                }
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    StoreError::Damaged { path, problem: source.to_string() }
                }
                None if is_unreadable(&source) => StoreError::Damaged { path, problem: unreadable(&source) },
                _ => StoreError::Database { path, asked, source },
            }
        })
    }
}

/// What is wrong with a value, without SQLite's words around it.
fn unreadable(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::FromSqlConversionFailure(_, _, problem) => problem.to_string(),
        other => other.to_string(),
    }
}

/// Values that no writer of ours puts there.
fn is_unreadable(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, QueryReturnedNoRows};
    matches!(
        error,
        FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | QueryReturnedNoRows
    )
}
