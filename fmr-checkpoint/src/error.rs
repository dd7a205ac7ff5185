//! The one error type of the crate, and the internal fault that parsers raise before the file is known.

use std::fmt;
use std::path::PathBuf;

use crate::checkpoint::Container;

/// Why a checkpoint could not be opened, read, matched or written. Every variant names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The operating system refused to open, read or write the file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is something else than a checkpoint.
    #[error(
        "{} is not a checkpoint: it is {looks_like}; expected safetensors or a PyTorch file (.pt, .pth, .ckpt, .bin, .pkl)",
        path.display()
    )]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
        /// What the file is, with its article: "an HTML page".
        looks_like: String,
    },
    /// The file is a checkpoint, but damaged, truncated or hostile.
    #[error("{} ({container}) is damaged or incomplete: {detail}; fetch the file again and compare its size and checksum", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The recognised container.
        container: Container,
        /// The first thing that is wrong.
        detail: String,
    },
    /// The file is a sound checkpoint of a kind that this crate does not read.
    #[error("{} ({container}) cannot be read: {detail}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The recognised container.
        container: Container,
        /// What is not supported, and what to do instead.
        detail: String,
    },
    /// A tensor of this key was asked for, and the file holds none.
    #[error("{} holds no tensor {key:?}{hint}", path.display())]
    NoTensor {
        /// The file.
        path: PathBuf,
        /// The key asked for.
        key: String,
        /// The nearest keys, as a clause that starts with a separator, or nothing.
        hint: String,
    },
    /// The weights in the file are not those of the model asked for.
    #[error("{0}")]
    Misfit(Box<Misfit>),
    /// Tensors passed to the writer do not form a file.
    #[error("{} cannot be written: {detail}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What is wrong with the tensors.
        detail: String,
    },
}

/// All differences between the weights of a file and those that a model needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The file.
    pub path: PathBuf,
    /// What the file looks like, with its article, when it is recognised: "an open_clip ViT-B/16".
    pub looks_like: Option<String>,
    /// What was asked for, with its article: "a CLIP ViT-B/32".
    pub wanted: String,
    /// Keys that the model needs and the file lacks, in the model's order.
    pub missing: Vec<String>,
    /// Keys that the file holds and the model does not know, in the file's order.
    pub unexpected: Vec<String>,
    /// Keys whose shape differs, in the model's order.
    pub misshapen: Vec<Misshapen>,
}

/// One tensor whose shape is not the one that the model needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misshapen {
    /// The parameter's name.
    pub key: String,
    /// Its shape in the file.
    pub found: Vec<usize>,
    /// The shape that the model needs.
    pub expected: Vec<usize>,
}

impl fmt::Display for Misshapen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {:?} instead of {:?}", self.key, self.found, self.expected)
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.looks_like {
            Some(found) => write!(f, "{} looks like {found}, but {} is asked for", self.path.display(), self.wanted)?,
            None => write!(f, "{} does not hold the weights of {}", self.path.display(), self.wanted)?,
        }
        first_few(f, "missing", &self.missing)?;
        first_few(f, "misshapen", &self.misshapen)?;
        first_few(f, "unexpected", &self.unexpected)
    }
}

/// Writes "; 7 missing: a, b, c, …", or nothing for an empty list.
fn first_few<T: fmt::Display>(f: &mut fmt::Formatter<'_>, label: &str, items: &[T]) -> fmt::Result {
    const SHOWN: usize = 3;
    if items.is_empty() {
        return Ok(());
    }
    write!(f, "; {} {label}: ", items.len())?;
    for (index, item) in items.iter().take(SHOWN).enumerate() {
        write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
    }
    f.write_str(if items.len() > SHOWN { ", …" } else { "" })
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
