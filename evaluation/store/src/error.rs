//! What can go wrong with a run's folder.

use std::path::{Path, PathBuf};

use fmr_core::ImageHash;
use fmr_data::pixels::PixelError;
use rusqlite::ErrorCode;
use thiserror::Error;

use super::DATABASE_FILE;
use super::schema::LAYOUT;

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
    #[error("{} already holds a run: resume it with `fmr resume {}`, or choose a new folder", dir.display(), dir.display())]
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
        dir.display(), of_row(row.as_deref()), or_absent(then.as_deref()), or_absent(now.as_deref())
    )]
    Fingerprint {
        /// The folder.
        dir: PathBuf,
        /// The row that differs; absent where the list of rows does.
        row: Option<String>,
        /// What differs.
        field: String,
        /// Its value when the run began; absent where there was none.
        then: Option<String>,
        /// Its value now; absent where there is none.
        now: Option<String>,
    },
    /// A plugin's file is another than the run was begun with.
    #[error(
        "{} cannot be resumed (row {row:?}): {field} was {then:?} when it began and is {now:?} now, though no sample \
         failed on it. Restore that file; or, if it was mended, resume with --mended: what the old file finished stays, \
         and the report says so",
        dir.display()
    )]
    Plugin {
        /// The folder.
        dir: PathBuf,
        /// The row that differs.
        row: String,
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
        "{} has layout {found}, which {} reads, and this version reads layout {LAYOUT} alone: open the run with that \
         version, or run its experiment.toml again in a new folder",
        path.display(), reader(*found)
    )]
    Layout {
        /// The database.
        path: PathBuf,
        /// Its layout.
        found: i64,
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
    /// The folder or database may not be read.
    #[error("{} cannot be read: {problem}", path.display())]
    NotReadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// A row that is not of this run.
    #[error("{} has no row {row:?}: its rows are {known}", dir.display())]
    UnknownRow {
        /// The folder.
        dir: PathBuf,
        /// The row asked for.
        row: String,
        /// All rows of the run.
        known: String,
    },
    /// A sample that cannot be added or read.
    #[error("sample {index} of row {row:?} in {} {problem}", dir.display())]
    Sample {
        /// The folder.
        dir: PathBuf,
        /// The row.
        row: String,
        /// The sample's index.
        index: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// Parts that do not make a run.
    #[error("{} cannot be merged: {problem}", dir.display())]
    Merge {
        /// The part.
        dir: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// An image that cannot be a PNG.
    #[error("the image {image} of {} cannot be shown: {problem}", dir.display())]
    Picture {
        /// The folder.
        dir: PathBuf,
        /// The image.
        image: ImageHash,
        /// What is wrong.
        problem: PixelError,
    },
    /// An answer that does not fit its classes.
    #[error("{} takes no answer of {values} values about the image {image}: there are {classes} classes", dir.display())]
    Answer {
        /// The folder.
        dir: PathBuf,
        /// The image.
        image: ImageHash,
        /// Values of the answer.
        values: usize,
        /// Number of classes.
        classes: usize,
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
    /// The folder holds a different part of the run.
    #[error("{} holds {part} of the run, not {wanted}", dir.display())]
    OtherPart {
        /// The folder.
        dir: PathBuf,
        /// What it holds.
        part: super::Part,
        /// What was asked for.
        wanted: super::Part,
    },
    /// The folder holds the same work with other results.
    #[error(
        "{} holds different results of row {row:?} for the same work: a component is not deterministic, or the machines \
         compute differently",
        dir.display()
    )]
    OtherResults {
        /// The folder.
        dir: PathBuf,
        /// The first row that differs.
        row: String,
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

fn of_row(row: Option<&str>) -> String {
    row.map(|row| format!(" (row {row:?})")).unwrap_or_default()
}

/// The version that reads a layout.
fn reader(layout: i64) -> &'static str {
    match layout {
        1 | 2 => "fmr 0.1.0",
        3 => "a build of fmr 0.2.0 before its release",
        _ => "a later version of fmr",
    }
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
