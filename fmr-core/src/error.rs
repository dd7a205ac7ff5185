use std::path::PathBuf;

use thiserror::Error;

/// A component (generator, oracle, target or scorer) could not do what it was asked to do.
///
/// The text names the component, what was asked and what was wrong, so that it can be shown to a user as it is.
#[derive(Debug, Clone, Error)]
#[error("{component}: {asked}: {problem}")]
pub struct ComponentError {
    /// Kind and name of the component, e.g. `target "resnet18"`.
    pub component: String,
    /// What it was asked to do, e.g. `logits of 8 images`.
    pub asked: String,
    /// What went wrong, and what would be right.
    pub problem: String,
    /// Whether it gave up because it was told that nobody wants the result any more. That says nothing of the samples.
    pub cancelled: bool,
    /// What it is about, where that is something that the caller gave.
    pub subject: Subject,
}

/// What an error of a component is about, so that a message can point at it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Subject {
    /// The call as a whole.
    #[default]
    Call,
    /// A file that it was made of.
    File(PathBuf),
    /// The class names.
    Classes,
    /// The templates of prompts.
    Templates,
}

impl ComponentError {
    /// An error of `component` that was asked for `asked` and met `problem`.
    pub fn new(component: impl Into<String>, asked: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            component: component.into(),
            asked: asked.into(),
            problem: problem.into(),
            cancelled: false,
            subject: Subject::Call,
        }
    }

    /// The same error, about something that the caller gave.
    #[must_use]
    pub fn about(self, subject: Subject) -> Self {
        Self { subject, ..self }
    }
}
