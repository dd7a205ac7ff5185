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
}

impl ComponentError {
    /// An error of `component` that was asked for `asked` and met `problem`.
    pub fn new(
        component: impl Into<String>,
        asked: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        Self {
            component: component.into(),
            asked: asked.into(),
            problem: problem.into(),
        }
    }
}
