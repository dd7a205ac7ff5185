//! The error type of the crate, and the internal fault that parsers raise before the file is known.

use std::path::{Path, PathBuf};

use crate::checkpoint::Container;
use crate::misfit::Misfit;
use crate::shown;

/// Why a checkpoint could not be opened, read, matched or written. Every variant names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The operating system refused to open, read or write the file.
    #[error("{}: {source}", shown::path(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Something other than a regular file stands under the name.
    #[error("{} is {found}, not a file", shown::path(path))]
    NotAFile {
        /// The name.
        path: PathBuf,
        /// What it is, with its article: "a named pipe".
        found: &'static str,
    },
    /// A text file is longer than any of its kind.
    #[error("{} is longer than the {limit} bytes that such a file may have", shown::path(path))]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A folder or an index does not lead to a checkpoint.
    #[error("{}: {problem}", shown::path(path))]
    Shards {
        /// The folder or the index.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The file is something other than a checkpoint.
    #[error(
        "{} is not a checkpoint: it is {looks_like}; expected safetensors or a PyTorch file (.pt, .pth, .ckpt, .bin, .pkl)",
        shown::path(path)
    )]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
        /// What the file is, with its article: "an HTML page".
        looks_like: String,
    },
    /// The file is a checkpoint, but damaged, truncated or hostile.
    #[error(
        "{} ({container}) is damaged or incomplete: {detail}; fetch the file again and compare its size and checksum",
        shown::path(path)
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The recognised container.
        container: Container,
        /// The first thing that is wrong.
        detail: String,
    },
    /// The file is a sound checkpoint of a kind that this crate does not read.
    #[error("{} ({container}) cannot be read: {detail}", shown::path(path))]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The recognised container.
        container: Container,
        /// What is not supported, and what to do instead.
        detail: String,
    },
    /// A tensor of this key was asked for, and the file holds none.
    #[error("{} holds no tensor {}{hint}", shown::path(path), shown::key(key))]
    NoTensor {
        /// The file.
        path: PathBuf,
        /// The key asked for.
        key: String,
        /// The nearest keys, as a clause that starts with a separator, or nothing.
        hint: String,
    },
    /// Averaged weights are asked for, and the file holds none.
    #[error(
        "{} holds no averaged weights (EMA); leave out ema = true to use the weights that it holds",
        shown::path(path)
    )]
    NoAverage {
        /// The file.
        path: PathBuf,
    },
    /// Loading the tensors takes more memory than a file of this length may ask for.
    #[error(
        "{} lists tensors of {bytes} bytes, far more than the {length} bytes of the file: they repeat the same values",
        shown::path(path)
    )]
    Repeats {
        /// The file.
        path: PathBuf,
        /// Memory that the loaded tensors would take, in bytes.
        bytes: u64,
        /// Length of all files of the checkpoint, in bytes.
        length: u64,
    },
    /// The weights in the file are not those of the model asked for.
    #[error("{0}")]
    Misfit(Box<Misfit>),
    /// Tensors passed to the writer do not form a file.
    #[error("{} cannot be written: {detail}", shown::path(path))]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What is wrong with the tensors.
        detail: String,
    },
}

impl CheckpointError {
    /// The file that the error is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::NotAFile { path, .. }
            | Self::TooLong { path, .. }
            | Self::Shards { path, .. }
            | Self::NotACheckpoint { path, .. }
            | Self::Corrupt { path, .. }
            | Self::Unsupported { path, .. }
            | Self::NoTensor { path, .. }
            | Self::NoAverage { path }
            | Self::Repeats { path, .. }
            | Self::Unwritable { path, .. } => path,
            Self::Misfit(misfit) => &misfit.path,
        }
    }
}

/// What went wrong inside a parser, before file and container are attached.
#[derive(Debug)]
pub(crate) enum Fault {
    Io(std::io::Error),
    Corrupt(String),
    Unsupported(String),
}

impl Fault {
    pub(crate) fn corrupt(detail: impl Into<String>) -> Self {
        Self::Corrupt(detail.into())
    }

    pub(crate) fn unsupported(detail: impl Into<String>) -> Self {
        Self::Unsupported(detail.into())
    }

    /// Attaches the file and the container.
    pub(crate) fn at(self, path: impl Into<PathBuf>, container: Container) -> CheckpointError {
        let path = path.into();
        match self {
            Self::Io(source) => CheckpointError::Io { path, source },
            Self::Corrupt(detail) => CheckpointError::Corrupt { path, container, detail },
            Self::Unsupported(detail) => CheckpointError::Unsupported { path, container, detail },
        }
    }
}
