//! What can end a command early.

use std::path::PathBuf;

use fmr_core::config::ConfigError;
use fmr_core::data::DataError;
use fmr_core::mask::MaskError;
use fmr_core::perturb::PerturbError;
use fmr_core::report::ReportError;
use fmr_core::store::StoreError;
use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use crate::prepare::Cell;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The experiment file is wrong, or names something that is.
    #[error("{}{}: {}", .0.error.file.display(), place(&.0.error), .0.error.problem)]
    Config(Box<WrongFile>),
    /// The run's folder cannot be made, read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An image that was there when the run began cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A batch could not be perturbed.
    #[error(transparent)]
    Perturb(#[from] PerturbError),
    /// The report could not be made.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A file could not be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No row of the experiment can run on this machine.
    #[error("no row of {} can run here; what it lacks:\n{needs}", file.display())]
    NothingToRun {
        /// The experiment file.
        file: PathBuf,
        /// What to get, a line each.
        needs: String,
    },
    /// The mask of a row cannot be learned, or does not fit the row.
    #[error("{cell}: {problem}")]
    Mask {
        /// The row.
        cell: String,
        /// What is wrong.
        problem: MaskError,
    },
    /// A run's mask is gone, and learning it again gave another.
    #[error(
        "{cell}: {} is not the mask that the run began with, and learning it again gave another one: a component is not \
         deterministic; put the file back or begin a new run",
        path.display()
    )]
    MaskChanged {
        /// The row.
        cell: String,
        /// Where the mask belongs.
        path: PathBuf,
    },
    /// The user stopped the run.
    #[error("stopped; `fmr resume {}` goes on where it stopped", dir.display())]
    Interrupted {
        /// The run's folder.
        dir: PathBuf,
    },
}

/// An error of an experiment file, with the file as it is shown.
#[derive(Debug)]
pub struct WrongFile {
    /// What is wrong, and where.
    pub error: ConfigError,
    source: NamedSource<String>,
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        let source = NamedSource::new(error.file.display().to_string(), error.text.to_string());
        Self::Config(Box::new(WrongFile { error, source }))
    }
}

/// `:line:column`, where the error has a place.
fn place(error: &ConfigError) -> String {
    error.line_and_column().map_or_else(String::new, |(line, column)| format!(":{line}:{column}"))
}

impl Diagnostic for Error {
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        match self {
            Self::Config(wrong) => wrong.error.help.as_ref().map(|help| Box::new(help) as _),
            _ => None,
        }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        match self {
            Self::Config(wrong) if wrong.error.span.is_some() => Some(&wrong.source),
            _ => None,
        }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        match self {
            Self::Config(wrong) => {
                let span = wrong.error.span.clone()?;
                Some(Box::new(std::iter::once(LabeledSpan::underline(span))))
            }
            _ => None,
        }
    }
}

impl Error {
    /// An error about a cell's mask.
    pub(crate) fn mask(cell: &Cell, problem: MaskError) -> Self {
        Self::Mask { cell: cell.plan.id.clone(), problem }
    }

    /// An error of writing a file.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
