//! Why a component could not be made.

use super::Role;
use crate::near::advice;
use crate::setting::join;
use crate::{ComponentError, SettingError};

/// Why a component could not be made.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// A setting is unknown, missing, or has a value that makes no sense.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The settings are sound, but the component cannot be made of what they name.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// No component of that kind is registered.
    #[error("there is no {role} of kind {kind:?}; {}", advice(kind, known).unwrap_or_else(|| format!("there are {}", known.join(", "))))]
    Unknown {
        /// What it was to be for.
        role: Role,
        /// The kind that was asked for.
        kind: String,
        /// The kinds that there are.
        known: Vec<String>,
    },
    /// A component is made of components that are made of components, and so on.
    #[error("the {role} of kind {kind:?} is nested more than {most} components deep")]
    Nested {
        /// What the innermost is for.
        role: Role,
        /// Kind of the innermost.
        kind: String,
        /// Components that may be nested.
        most: usize,
    },
}

impl MakeError {
    /// The error of a component that is described by the table `name` inside the settings of another one.
    #[must_use]
    pub fn within(self, name: &str) -> Self {
        match self {
            Self::Setting(error) => error.within(name).into(),
            Self::Unknown { role, kind, known } => {
                let what = format!("{role} of kind");
                SettingError::unknown_name(join(name, "kind"), &what, &kind, known.iter().map(String::as_str)).into()
            }
            Self::Nested { .. } => SettingError::new(name, self.to_string()).into(),
            Self::Component(_) => self,
        }
    }
}

/// There is no role of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no role {0:?}; it is generator, oracle, target or scorer")]
pub struct UnknownRole(pub String);
