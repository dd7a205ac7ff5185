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
}

impl ComponentError {
    /// An error of `component` that was asked for `asked` and met `problem`.
    pub fn new(component: impl Into<String>, asked: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { component: component.into(), asked: asked.into(), problem: problem.into(), cancelled: false }
    }
}

/// A setting of an experiment file has a value that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{key}: {problem}")]
pub struct SettingError {
    /// Dotted path of the key, e.g. `search.step-size`.
    pub key: String,
    /// The value that was given and what would be right.
    pub problem: String,
}

impl SettingError {
    /// An error of the setting `key`.
    pub fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into() }
    }

    /// `Ok` where `holds`, else the error that `key = value` is not `wanted`.
    ///
    /// # Errors
    /// Where `holds` is false.
    pub fn require(holds: bool, key: &str, value: impl std::fmt::Display, wanted: &str) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self::new(key, format!("is {value}, must be {wanted}"))) }
    }
}
