//! What can be loaded, for `fmr models`.

use std::collections::BTreeMap;
use std::fmt;

use burn::tensor::Device;
use fmr_nn::weights::{Builder, StateDict, Stored};

use crate::family::Network;
use crate::labels::LabelSet;
use crate::registry::{Entry, entries};

/// One model that can be named.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedModel {
    /// Its name in experiment files.
    pub name: &'static str,
    /// The network's name alone, where it stands for this model.
    pub alias: Option<&'static str>,
    /// Its family, as `architecture.family` spells it.
    pub family: &'static str,
    /// `[channels, height, width]` of the input.
    pub input: [usize; 3],
    /// Number of logits.
    pub classes: usize,
    /// What the logits stand for.
    pub labels: LabelSet,
    /// What is done to an image before.
    pub preprocessing: String,
    /// Published files that hold its weights.
    pub source: &'static str,
    /// Accuracy in percent that the authors state for the file.
    pub top1: Option<f64>,
}

/// All models that can be named; shows itself as a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelList(pub Vec<ListedModel>);

/// The classifiers that a target of kind `zoo` can name.
pub fn models() -> ModelList {
    ModelList(entries().iter().map(ListedModel::of).collect())
}

/// The models whose parameters have these names and shapes: those that a checkpoint can be. Of the files of one network,
/// the one whose hash (`digest`, SHA-256 in hexadecimal) is known alone.
pub fn models_of(parameters: &BTreeMap<String, Vec<usize>>, digest: &str) -> ModelList {
    let stored =
        |(name, shape): (&String, &Vec<usize>)| (name.clone(), Stored { shape: shape.clone(), values: Vec::new() });
    let parameters: StateDict = parameters.iter().map(stored).collect();
    let fits = |entry: &&'static Entry| {
        let (architecture, parameters) = entry.architecture.clone().fitted_to(parameters.clone());
        let mut b = Builder::shapes(&Device::flex());
        Network::new(&mut b, &architecture);
        let keys = b.finish(|_| false).unwrap_or_default();
        let holds = |name: &str, shape: &[usize]| parameters.get(name).is_some_and(|stored| stored.shape == shape);
        !keys.is_empty() && keys.iter().all(|key| holds(&key.name, &key.shape))
    };
    let fitting: Vec<&'static Entry> = entries().iter().filter(fits).collect();
    let known = fitting.iter().find_map(|entry| entry.of_file(digest));
    ModelList(known.map_or(fitting, |entry| vec![entry]).into_iter().map(ListedModel::of).collect())
}

impl ListedModel {
    fn of(entry: &'static Entry) -> Self {
        Self {
            name: entry.name,
            alias: entry.alias,
            family: entry.architecture.family(),
            input: entry.preprocess.input,
            classes: entry.architecture.classes(),
            labels: entry.labels,
            preprocessing: entry.preprocess.wanted().to_string(),
            source: entry.source,
            top1: entry.top1,
        }
    }
}

impl fmt::Display for ListedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [c, h, w] = self.input;
        let alias = self.alias.map(|alias| format!(" (also {alias})")).unwrap_or_default();
        writeln!(f, "{}{alias}", self.name)?;
        let top1 = self.top1.map(|top1| format!(", {top1} % stated")).unwrap_or_default();
        writeln!(f, "    input    {c}×{h}×{w}; {}", self.preprocessing)?;
        writeln!(f, "    classes  {}, {}{top1}", self.classes, self.labels.describe())?;
        writeln!(f, "    weights  {}", self.source)
    }
}

impl fmt::Display for ModelList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|model| model.fmt(f))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn lists_every_entry_with_its_preprocessing() {
        let list = models();
        let text = list.to_string();
        assert_eq!(text.lines().count(), 4 * entries().len());
        assert!(text.contains("resnet50.tv2_in1k\n    input    3×224×224; shorter side to 232 (bilinear)"), "{text}");
        let mut names: Vec<&str> = list.0.iter().map(|m| m.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), list.0.len(), "names are unique");
    }

    fn parameters_of(name: &str) -> BTreeMap<String, Vec<usize>> {
        let mut b = Builder::shapes(&Device::flex());
        Network::new(&mut b, &crate::entry(name).unwrap().architecture);
        b.finish(|_| false).unwrap().into_iter().map(|key| (key.name, key.shape)).collect()
    }

    #[test]
    fn a_file_is_found_by_its_parameters_and_its_hash() {
        let names = |digest: &str| -> Vec<&str> {
            models_of(&parameters_of("resnet50"), digest).0.iter().map(|model| model.name).collect()
        };
        assert_eq!(names("unknown"), ["resnet50.tv_in1k", "resnet50.tv2_in1k", "resnet50.a1_in1k"]);
        assert_eq!(names("11ad3fa6beef"), ["resnet50.tv2_in1k"]);
        let mut other = parameters_of("resnet50");
        other.insert("fc.bias".to_owned(), vec![10]);
        assert!(models_of(&other, "").0.is_empty());
    }
}
