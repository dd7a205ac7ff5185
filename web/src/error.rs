//! What a request can meet.

use fmr_store::StoreError;
use thiserror::Error;

/// A page that could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WebError {
    /// There is nothing at the address.
    #[error("there is no {0}")]
    NotFound(String),
    /// The request makes no sense.
    #[error("{0}")]
    Request(String),
    /// A run cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The report of a run cannot be made.
    #[error("the tables cannot be made: {0}")]
    Report(String),
    /// The server cannot listen.
    #[error("cannot listen on {address}: {problem}")]
    Listen {
        /// Where.
        address: String,
        /// What the system says.
        problem: String,
    },
    /// A file of a site cannot be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file.
        path: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

impl WebError {
    /// The status of its page.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotFound(_) => 404,
            Self::Request(_) => 400,
            _ => 500,
        }
    }
}
