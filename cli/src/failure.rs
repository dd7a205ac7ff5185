//! Errors of the command, as people read them.

use std::process::ExitCode;

use fmr::Error;
use fmr::experiment::ConfigError;
use fmr::store::StoreError;
use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, miette};

/// Why a command did not do what it was asked.
pub(crate) enum Failure {
    /// An error of the library.
    Error(Error),
    /// One in a sentence.
    Text(String),
    /// Too many samples of a finished run failed; in a sentence.
    Samples(String),
    /// Standard output cannot be written.
    Output(std::io::Error),
    /// The user stopped a command that leaves nothing behind.
    Stopped,
}

macro_rules! from {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Error(error.into())
            }
        })*
    };
}

from!(Error, ConfigError, StoreError);

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

/// Shows an error and gives the exit code: 130 where the user stopped the command, 3 where too many
/// samples failed, else 1.
///
/// A reader that closed the pipe (`fmr report RUN | head`) has what it wanted: that is no error, and nothing is shown.
pub(crate) fn show(failure: Failure) -> ExitCode {
    let (report, code) = match failure {
        Failure::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Failure::Output(error) => (miette!("standard output cannot be written: {error}"), 1),
        Failure::Error(error @ Error::Interrupted { .. }) => (miette::Report::new(Shown::of(error)), 130),
        Failure::Error(error) => (miette::Report::new(Shown::of(error)), 1),
        Failure::Text(text) => (miette!("{text}"), 1),
        Failure::Samples(text) => (miette!("{text}"), 3),
        Failure::Stopped => (miette!("stopped"), 130),
    };
    eprintln!("{report:?}");
    ExitCode::from(code)
}

/// An error with what is needed to show it in its file.
#[derive(Debug)]
struct Shown {
    error: Error,
    source: Option<NamedSource<String>>,
}

impl Shown {
    fn of(error: Error) -> Self {
        let source = match &error {
            Error::Config(wrong) if wrong.span.is_some() => {
                Some(NamedSource::new(wrong.file.display().to_string(), wrong.text.to_string()))
            }
            _ => None,
        };
        Self { error, source }
    }

    fn config(&self) -> Option<&ConfigError> {
        match &self.error {
            Error::Config(wrong) => Some(wrong),
            _ => None,
        }
    }
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(wrong) = self.config() else { return self.error.fmt(f) };
        write!(f, "{}", wrong.file.display())?;
        if let Some((line, column)) = wrong.line_and_column() {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", wrong.problem)
    }
}

impl std::error::Error for Shown {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl Diagnostic for Shown {
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        Some(Box::new(self.config()?.help.as_ref()?))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.config()?.span.clone()?;
        Some(Box::new(std::iter::once(LabeledSpan::underline(span))))
    }
}
