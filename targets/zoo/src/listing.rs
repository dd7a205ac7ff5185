//! What can be loaded, for `fmr models`.

use std::fmt;

use crate::preprocess::Resize;
use crate::registry::{Architecture, entries};

/// One model that can be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedModel {
    /// Its name in experiment files.
    pub name: &'static str,
    /// Its family, as `architecture.family` spells it.
    pub family: &'static str,
    /// `[channels, height, width]` of the input.
    pub input: [usize; 3],
    /// Number of logits.
    pub classes: usize,
    /// How the authors bring a picture to the input.
    pub resize: Resize,
    /// Published files that hold its weights.
    pub source: &'static str,
}

/// All models that can be named; shows itself as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelList(pub Vec<ListedModel>);

/// The classifiers that a target of kind `zoo` can name.
pub fn models() -> ModelList {
    let family = |architecture: &Architecture| match architecture {
        Architecture::LeNet(_) => "lenet",
        Architecture::ResNet(_) => "resnet",
        Architecture::EfficientNetLite(_) => "efficientnet-lite",
    };
    let list = |e: &'static crate::Entry| ListedModel {
        name: e.name,
        family: family(&e.architecture),
        input: e.preprocess.input,
        classes: e.architecture.classes(),
        resize: e.preprocess.resize,
        source: e.source,
    };
    ModelList(entries().iter().map(list).collect())
}

impl fmt::Display for ModelList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|m| m.name.len()).max().unwrap_or_default();
        writeln!(f, "{:width$}  {:11}  {:>7}  weights", "model", "input", "classes")?;
        for model in &self.0 {
            let [c, h, w] = model.input;
            let input = format!("{c}×{h}×{w}");
            writeln!(f, "{:width$}  {input:11}  {:>7}  {}", model.name, model.classes, model.source)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_every_entry_on_a_line() {
        let list = models();
        let text = list.to_string();
        assert_eq!(text.lines().count(), 1 + entries().len());
        assert!(text.contains("resnet50"), "{text}");
        let mut names: Vec<&str> = list.0.iter().map(|m| m.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), list.0.len(), "names are unique");
    }
}
