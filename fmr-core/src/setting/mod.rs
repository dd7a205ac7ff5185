//! Settings that make no sense: what is wrong with which key, as data that callers can act on.

mod read;

use std::fmt;

pub use read::read;

use crate::near::advice;

/// A setting of an experiment file is unknown, missing, or has a value that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct SettingError {
    /// Dotted path of the key, e.g. `search.step-size` or `layers[2].width`; empty for the table itself.
    pub key: String,
    /// What is wrong, and what would be right.
    pub problem: SettingProblem,
}

/// What is wrong with a setting. Its text goes on from the key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingProblem {
    /// There is no such key.
    UnknownKey {
        /// The keys of that table.
        known: Vec<String>,
    },
    /// The key has to be there.
    Missing,
    /// The value is of another type.
    WrongType {
        /// The value, in the words of TOML.
        given: String,
        /// What would be right.
        wanted: String,
    },
    /// The value is outside the range that makes sense.
    OutOfRange {
        /// The value.
        given: String,
        /// What would be right.
        wanted: String,
    },
    /// The value names something that there is not.
    UnknownName {
        /// Of what kind the name is: `model`, `value`.
        what: String,
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// The value names something that there is not, as a sentence without a full stop: by the word of a component that
    /// cannot say which names there are.
    Absent(String),
    /// Anything else, as a sentence without a full stop.
    Other(String),
}

impl SettingError {
    /// An error of the setting `key` in words of its own.
    pub fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: SettingProblem::Other(problem.into()) }
    }

    /// The setting `key` names a `what` that there is not.
    pub fn unknown_name<'a>(
        key: impl Into<String>,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let known = known.into_iter().map(str::to_owned).collect();
        let problem = SettingProblem::UnknownName { what: what.to_owned(), name: name.to_owned(), known };
        Self { key: key.into(), problem }
    }

    /// `Ok` where `holds`, else the error that `key = value` is not `wanted`.
    ///
    /// # Errors
    /// Where `holds` is false.
    pub fn require(holds: bool, key: &str, value: impl fmt::Display, wanted: &str) -> Result<(), Self> {
        if holds {
            return Ok(());
        }
        let problem = SettingProblem::OutOfRange { given: value.to_string(), wanted: wanted.to_owned() };
        Err(Self { key: key.to_owned(), problem })
    }

    /// The same error of a table inside the table `name`.
    #[must_use]
    pub fn within(mut self, name: &str) -> Self {
        self.key = join(name, &self.key);
        self
    }

    /// What would be right, where that is a choice of names: the near ones, or all where they are few.
    pub fn advice(&self) -> Option<String> {
        match &self.problem {
            SettingProblem::UnknownKey { known } => advice(last(&self.key), known),
            SettingProblem::UnknownName { name, known, .. } => advice(name, known),
            _ => None,
        }
    }
}

impl fmt::Display for SettingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { known } if known.is_empty() => f.write_str("is not a known key; there is none here"),
            Self::UnknownKey { known } => write!(f, "is not a known key; the keys are {}", known.join(", ")),
            Self::Missing => f.write_str("is missing"),
            Self::WrongType { given, wanted } | Self::OutOfRange { given, wanted } => {
                write!(f, "is {given}, must be {wanted}")
            }
            Self::UnknownName { what, name, known } => {
                write!(f, "there is no {what} {name:?}; ")?;
                match advice(name, known) {
                    Some(advice) => f.write_str(&advice),
                    None => write!(f, "there are {}", known.join(", ")),
                }
            }
            Self::Absent(text) | Self::Other(text) => f.write_str(text),
        }
    }
}

/// A dotted path of two parts, either of which may be empty.
pub fn join(a: &str, b: &str) -> String {
    if a.is_empty() || b.is_empty() || b.starts_with('[') { format!("{a}{b}") } else { format!("{a}.{b}") }
}

/// The last part of a dotted path.
fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}
