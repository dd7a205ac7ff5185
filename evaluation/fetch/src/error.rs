//! Why a file was not obtained.

use std::io;
use std::path::{Path, PathBuf};

/// Why a file was not obtained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The server refuses, or cannot be reached.
    #[error("{url}: {problem}")]
    Server {
        /// Address.
        url: String,
        /// What is wrong.
        problem: String,
    },
    /// The server sends a web page in place of the file.
    #[error(
        "{url} gives a web page, not the file: the file may have moved, or the page asks to accept terms or to log in; \
         open the address in a browser and put the file at {}", to.display()
    )]
    WebPage {
        /// Address.
        url: String,
        /// Where the file belongs.
        to: PathBuf,
    },
    /// The file is not as long as the published one.
    #[error("{from} gives {found} bytes, the published file has {wanted}")]
    Size {
        /// Address, or the mirror's file.
        from: String,
        /// Bytes that came or were announced.
        found: u64,
        /// Bytes of the published file.
        wanted: u64,
    },
    /// The bytes are not those of the published file.
    #[error("{from} has sha256 {found}, the published file {wanted}; it is not used")]
    Hash {
        /// Address, or the mirror's file.
        from: String,
        /// Hash of what came.
        found: String,
        /// Hash of the published file, or its first digits.
        wanted: String,
    },
    /// A file stands in its place that is not the published one.
    #[error("{} has sha256 {found}, the published file {wanted}; move it away to download the published file", path.display())]
    Other {
        /// The file on this machine.
        path: PathBuf,
        /// Its hash.
        found: String,
        /// Hash of the published file, or its first digits.
        wanted: String,
    },
    /// The mirror folder does not hold the file.
    #[error("the mirror {} does not hold {name}; it belongs at {}", mirror.display(), place.display())]
    NotInMirror {
        /// The folder.
        mirror: PathBuf,
        /// Name of the file.
        name: String,
        /// Where the mirror should hold it.
        place: PathBuf,
    },
    /// What came is an archive that cannot be unpacked as `member` and `names` say.
    #[error("{from}: {problem}")]
    Archive {
        /// Address, or the mirror's file.
        from: String,
        /// What is wrong.
        problem: String,
    },
    /// Another process downloads the same file.
    #[error("another process downloads {}", path.display())]
    Busy {
        /// Where the file belongs.
        path: PathBuf,
    },
    /// A file on this machine cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl FetchError {
    pub(crate) fn file(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        |error| Self::File { path: path.to_owned(), error }
    }
}
