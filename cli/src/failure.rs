//! Errors of the command, as people read them.

use std::process::ExitCode;

use fmr::Error;
use fmr::core::shown;
use fmr::experiment::ConfigError;
use fmr::store::StoreError;
use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, miette};

/// Bytes of a line of an experiment file that is shown beside an error.
const LONGEST_LINE: usize = 500;

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

/// Exit code where the same command may succeed later, or on a different machine (`EX_TEMPFAIL`).
const TRY_AGAIN: u8 = 75;

/// Shows an error and gives the exit code: 130 where the user stopped the command, 3 where too many samples failed, 75 where
/// a different process works in the folder or a disk is full, else 1.
///
/// A reader that closed the pipe (`fmr report RUN | head`) has what it wanted: that is no error, and nothing is shown.
pub(crate) fn show(failure: Failure) -> ExitCode {
    let (report, code) = match failure {
        Failure::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Failure::Output(error) => (miette!("standard output cannot be written: {error}"), 1),
        Failure::Error(error @ (Error::Interrupted { .. } | Error::Stopped)) => {
            (miette::Report::new(Shown::of(error)), 130)
        }
        Failure::Error(error @ Error::Store(StoreError::InUse { .. } | StoreError::DiskFull { .. })) => {
            (miette::Report::new(Shown::of(error)), TRY_AGAIN)
        }
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

/// The file's text, of which the lines around the place are shown: what would act on a terminal is replaced, byte for
/// byte, so that places stay. Absent where the error has no place, or a line too long to show.
fn excerpt(wrong: &ConfigError) -> Option<String> {
    let start = wrong.span.as_ref()?.start;
    let (before, after) = (wrong.text.get(..start)?, wrong.text.get(start..)?);
    let around = before.rsplit('\n').take(2).chain(after.split('\n').take(2));
    if around.map(str::len).any(|length| length > LONGEST_LINE) {
        return None;
    }
    let harmless = |c: char| match c.len_utf8() {
        _ if matches!(c, '\n' | '\t') || shown::is_plain(c) => c,
        1 => '?',
        2 => '¿',
        3 => '\u{fffd}',
        _ => '\u{1f6ab}',
    };
    Some(wrong.text.chars().map(harmless).collect())
}

impl Shown {
    fn of(error: Error) -> Self {
        let source = match &error {
            Error::Config(wrong) => excerpt(wrong).map(|text| NamedSource::new(shown::path(&wrong.file), text)),
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
        f.write_str(&shown::path(&wrong.file))?;
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
