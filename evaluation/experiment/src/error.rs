//! Errors of experiment files, with their place.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fmr_core::shown;

/// What is wrong with an experiment file, where, and what would be right.
#[derive(Debug, Clone)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// Its text.
    pub text: Arc<str>,
    /// Bytes of the text that the error is about; absent where it is about the whole file.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub help: Option<String>,
}

impl ConfigError {
    /// Line and column of the place, both from 1; columns count characters.
    pub fn line_and_column(&self) -> Option<(usize, usize)> {
        let before = self.text.get(..self.span.as_ref()?.start)?;
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
    }

    /// The problem and the help without the place.
    pub fn in_a_line(&self) -> String {
        self.help.iter().fold(self.problem.clone(), |line, help| format!("{line}; {help}"))
    }

    /// An error about the whole file.
    pub(super) fn of_file(file: &Path, problem: impl Into<String>, help: Option<String>) -> Self {
        let source = Source { file: file.to_owned(), text: "".into() };
        source.error(None, problem, help)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown::path(&self.file))?;
        if let Some((line, column)) = self.line_and_column() {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.problem)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// The text of an experiment file and where it came from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) file: PathBuf,
    pub(super) text: Arc<str>,
}

impl Source {
    pub(super) fn error(
        &self,
        span: Option<Range<usize>>,
        problem: impl Into<String>,
        help: impl Into<Option<String>>,
    ) -> ConfigError {
        ConfigError {
            file: self.file.clone(),
            text: self.text.clone(),
            span,
            // Values and keys of the file are in both.
            problem: shown::lines(&problem.into()),
            help: help.into().map(|help| shown::lines(&help)),
        }
    }
}
