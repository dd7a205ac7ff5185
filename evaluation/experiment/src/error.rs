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
        Source::new(file, String::new()).error(None, problem, help)
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

/// The texts of an experiment file and of what it extends. A place is a range of bytes in all of them, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Source {
    files: Vec<SourceFile>,
}

#[derive(Debug, Clone)]
struct SourceFile {
    path: PathBuf,
    text: Arc<str>,
    /// Where its first byte stands.
    start: usize,
}

impl Source {
    pub(super) fn new(file: &Path, text: String) -> Self {
        Self { files: vec![SourceFile { path: file.to_owned(), text: text.into(), start: 0 }] }
    }

    /// Adds the file that the last one extends.
    pub(super) fn add(&mut self, file: &Path, text: String) {
        // The end of a text is a place of its own.
        let start = self.files.last().map_or(0, |last| last.start + last.text.len() + 1);
        self.files.push(SourceFile { path: file.to_owned(), text: text.into(), start });
    }

    /// The file that was added last: its text, and where the first byte stands.
    pub(super) fn last(&self) -> (&str, usize) {
        self.files.last().map_or(("", 0), |last| (&last.text, last.start))
    }

    /// The experiment file.
    pub(super) fn file(&self) -> &Path {
        self.files.first().map_or(Path::new(""), |file| &file.path)
    }

    /// An error about a place, or without one about the experiment file as a whole.
    pub(super) fn error(
        &self,
        span: Option<Range<usize>>,
        problem: impl Into<String>,
        help: impl Into<Option<String>>,
    ) -> ConfigError {
        let start = span.as_ref().map_or(0, |span| span.start);
        let file = self.files.iter().rfind(|file| file.start <= start);
        let (path, text, first) = file.map_or((Path::new(""), "".into(), 0), |f| (&*f.path, f.text.clone(), f.start));
        ConfigError {
            file: path.to_owned(),
            text,
            span: span.map(|span| span.start - first..span.end.saturating_sub(first)),
            // Values and keys of the file are in both.
            problem: shown::lines(&problem.into()),
            help: help.into().map(|help| shown::lines(&help)),
        }
    }
}
