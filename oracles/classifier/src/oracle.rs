//! The judge.

use std::collections::BTreeMap;

use fmr_core::preprocess::Picture;
use fmr_core::registry::{MakeContext, MakeError, NamedFile, Recipe, Registry, Settings};
use fmr_core::{ComponentError, Oracle, SettingError, Subject, Target};
use fmr_zoo::{LabelSet, entry};
use ndarray::{Array2, ArrayView1, ArrayView4};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::classes::Vocabulary;
use crate::views::{View, views};

/// An oracle of kind `classifier`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClassifierOracleSettings {
    /// The classifier, as a target is described; its `kind` is `zoo` unless it says otherwise.
    pub judge: Map<String, Value>,
    /// What its logits stand for, where its name does not say it.
    #[serde(default)]
    pub labels: Option<Labels>,
    /// Further class names for several labels together: `Dog = "151-268"`.
    #[serde(default)]
    pub groups: BTreeMap<String, String>,
    /// Whether it sees every view mirrored too.
    #[serde(default)]
    pub flip: bool,
    /// Whether it sees the four corners beside the whole image.
    #[serde(default)]
    pub corners: bool,
    /// Share of each side that a corner measures.
    #[serde(default = "share")]
    pub corner_share: f64,
}

fn share() -> f64 {
    0.875
}

/// Names of a judge's labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "must be \"digits\", \"cifar10\", \"imagenet\" or an array of names")]
pub enum Labels {
    /// `digits`, `cifar10` or `imagenet`.
    Known(LabelSet),
    /// Names in label order.
    Names(Vec<String>),
}

/// Registers the oracle of kind `classifier`.
pub fn register(registry: &mut Registry) {
    registry.add::<dyn Oracle, ClassifierOracleSettings>(crate::KIND);
}

impl Recipe<dyn Oracle> for ClassifierOracleSettings {
    fn check(&self, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        self.check_share()?;
        let (kind, judge) = self.judge()?;
        let files = context.registry.check::<dyn Target>(&kind, &judge, context).map_err(|e| e.within("judge"))?;
        Ok(files.into_iter().map(|file| file.within("judge")).collect())
    }

    fn make(self, context: &MakeContext<'_>) -> Result<Box<dyn Oracle>, MakeError> {
        Ok(Box::new(ClassifierOracle::from_settings(&self, context)?))
    }
}

impl ClassifierOracleSettings {
    fn check_share(&self) -> Result<(), SettingError> {
        let share = self.corner_share;
        SettingError::require(share > 0.0 && share <= 1.0, "corner-share", share, "above 0 and at most 1")
    }

    /// Kind and settings of the judge.
    fn judge(&self) -> Result<(String, Settings), SettingError> {
        let mut judge = self.judge.clone();
        match judge.remove("kind") {
            None => Ok((ZOO.to_owned(), Settings(judge))),
            Some(Value::String(kind)) => Ok((kind, Settings(judge))),
            Some(other) => Err(SettingError::new("judge.kind", format!("is {other}, must be a string"))),
        }
    }

    /// The labels that the zoo registers for the judge.
    fn registered(&self) -> Option<LabelSet> {
        let is_zoo = self.judge.get("kind").is_none_or(|kind| kind == ZOO);
        let own = self.judge.contains_key("architecture");
        let model = self.judge.get("model").filter(|_| is_zoo && !own)?;
        Some(entry(model.as_str()?)?.labels)
    }
}

/// The kind of targets whose labels are registered.
const ZOO: &str = "zoo";

/// A classifier that judges by the mean probabilities of its views.
pub struct ClassifierOracle {
    name: String,
    judge: Box<dyn Target>,
    vocabulary: Vocabulary,
    views: Vec<View>,
    corner_share: f64,
    /// Labels of the classes that are asked for.
    classes: Vec<Vec<usize>>,
}

impl std::fmt::Debug for ClassifierOracle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClassifierOracle({})", self.name)
    }
}

impl ClassifierOracle {
    /// Loads the judge for a run.
    ///
    /// # Errors
    /// As the judge's kind; labels or groups that are not the judge's; a share that is none.
    pub fn from_settings(settings: &ClassifierOracleSettings, context: &MakeContext<'_>) -> Result<Self, MakeError> {
        settings.check_share()?;
        let (kind, judge) = settings.judge()?;
        let judge = context.registry.make::<dyn Target>(&kind, &judge, context).map_err(|e| e.within("judge"))?;
        let count = judge.spec().classes;
        let vocabulary = vocabulary(settings, count)?;
        let views = views(settings.flip, settings.corners);
        let model = &judge.spec().name;
        let name = match views.len() {
            1 => format!("classifier {model}"),
            n => format!("classifier {model}, {n} views"),
        };
        Ok(Self { name, judge, vocabulary, views, corner_share: settings.corner_share, classes: Vec::new() })
    }

    fn error(&self, asked: &str, problem: String) -> ComponentError {
        ComponentError::new(format!("oracle {:?}", self.name), asked, problem)
    }
}

/// The names of the judge's labels, and the groups.
fn vocabulary(settings: &ClassifierOracleSettings, count: usize) -> Result<Vocabulary, SettingError> {
    let known = |set: LabelSet| {
        let labels = set.labels();
        (labels.len(), Vocabulary::new(labels.iter().enumerate().flat_map(|(i, l)| [(i, l.name), (i, l.id)])))
    };
    let found = match &settings.labels {
        Some(Labels::Known(set)) => Some(known(*set)),
        Some(Labels::Names(names)) => {
            Some((names.len(), Vocabulary::new(names.iter().map(String::as_str).enumerate())))
        }
        None => settings.registered().map(known),
    };
    let Some((named, mut vocabulary)) = found else {
        return Err(SettingError::new("labels", "must name the labels of a judge that is not registered"));
    };
    if named != count {
        return Err(SettingError::new("labels", format!("names {named} labels, but the judge has {count}")));
    }
    for (name, labels) in &settings.groups {
        vocabulary
            .group(name, labels, count)
            .map_err(|problem| SettingError::new(format!("groups.{name}"), problem))?;
    }
    Ok(vocabulary)
}

impl Oracle for ClassifierOracle {
    fn name(&self) -> &str {
        &self.name
    }

    fn set_classes(&mut self, names: &[String], _: &[String]) -> Result<(), ComponentError> {
        let mut classes = Vec::new();
        for name in names {
            match self.vocabulary.labels(name) {
                Ok(labels) => classes.push(labels.to_vec()),
                Err(alike) => {
                    let problem = format!("it does not know {name:?}; most alike: {}", alike.join(", "));
                    return Err(self.error("set the classes", problem).about(Subject::Classes));
                }
            }
        }
        self.classes = classes;
        Ok(())
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        self.mean(images.shape()[0], |view| self.judge.logits(view.of(images, self.corner_share).view()))
    }

    fn judge_pictures(&self, pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        if self.judge.logits_of_pictures(&[])?.is_none() {
            return Ok(None);
        }
        if pictures.is_empty() {
            return Ok(Some(Array2::zeros((0, self.classes.len()))));
        }
        let shown = |view: View| pictures.iter().map(|p| view.of_picture(p, self.corner_share)).collect::<Vec<_>>();
        let logits = |view| {
            let logits = self.judge.logits_of_pictures(&shown(view))?;
            logits.ok_or_else(|| self.error("judge", "its judge takes pictures at times only".to_owned()))
        };
        self.mean(pictures.len(), logits).map(Some)
    }

    fn preprocessing(&self) -> Option<String> {
        self.judge.preprocessing()
    }
}

impl ClassifierOracle {
    /// Class probabilities `[n, k]`: the mean over the views, of each of which `logits` gives the judge's logits.
    fn mean(
        &self,
        n: usize,
        logits: impl Fn(View) -> Result<Array2<f32>, ComponentError>,
    ) -> Result<Array2<f32>, ComponentError> {
        if self.classes.is_empty() {
            return Err(self.error("judge", "it has not been told the classes".to_owned()));
        }
        let mut sums = Array2::<f64>::zeros((n, self.classes.len()));
        for view in &self.views {
            for (mut sum, row) in sums.outer_iter_mut().zip(logits(*view)?.outer_iter()) {
                for (sum, p) in sum.iter_mut().zip(among(&self.classes, row)) {
                    *sum += p;
                }
            }
        }
        let views = self.views.len() as f64;
        Ok(sums.mapv(|sum| (sum / views) as f32))
    }
}

/// Probabilities of the classes, given that it is one of them: each class has the probabilities of its labels together.
fn among(classes: &[Vec<usize>], logits: ArrayView1<'_, f32>) -> Vec<f64> {
    let asked = classes.iter().flatten().map(|label| f64::from(logits[*label]));
    let max = asked.fold(f64::NEG_INFINITY, f64::max);
    let weight = |labels: &Vec<usize>| labels.iter().map(|l| (f64::from(logits[*l]) - max).exp()).sum::<f64>();
    let weights: Vec<f64> = classes.iter().map(weight).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_the_probabilities_of_its_labels() {
        let logits = ndarray::arr1(&[0.0, 2.0_f32.ln(), 900.0, 0.0]);
        let p = among(&[vec![0, 3], vec![1]], logits.view());
        assert!((p[0] - 0.5).abs() < 1e-6 && (p[1] - 0.5).abs() < 1e-6);
        assert_eq!(among(&[vec![0], vec![2]], logits.view()), [0.0, 1.0]);
    }
}
