//! What a benchmark says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Format of a card that this version writes and reads.
pub const FORMAT: &str = "fmr-benchmark/1";

/// What a folder of perturbed images is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Evaluation: only images that the search produced and whose 8-bit file the oracle accepts.
    Evaluation,
    /// Training: every image of the run; where the search produced none, the original stands in for the perturbed image.
    Training,
}

/// One class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Its name, as the oracle was shown it.
    pub name: String,
    /// Its folder below `images` and `originals`.
    pub folder: String,
}

/// The licence of something that the benchmark is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Licence {
    /// What it is of, e.g. `this benchmark` or the label of a data set.
    pub of: String,
    /// The licence, or where it is said.
    pub licence: String,
}

/// What rounding to 8 bits changed. The search judged exact images; a file holds rounded ones, which oracle and target were
/// asked about again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Recheck {
    /// Images that the search produced.
    pub produced: usize,
    /// Files that the oracle's verdict refuses; they are left out of a benchmark for evaluation.
    pub refused: usize,
    /// Files in which the oracle sees a different class than in the exact image.
    pub oracle_changed: usize,
    /// Files to which the target gives a different class than to the exact image.
    pub prediction_changed: usize,
    /// Of these, files on which the target is wrong and was right on the exact image.
    pub became_wrong: usize,
    /// Of these, files on which the target is right and was wrong on the exact image.
    pub became_right: usize,
}

/// The card of a benchmark: `benchmark.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Card {
    /// [`FORMAT`].
    pub format: String,
    /// Short name.
    pub name: String,
    /// What people read.
    pub title: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Name of the run, as its experiment has it.
    pub run: String,
    /// Identifier of the row in the run.
    pub row: String,
    /// Label of the data set.
    pub data: String,
    /// The target that the images were made for.
    pub target: String,
    /// The generator.
    pub generator: String,
    /// The oracle.
    pub oracle: String,
    /// Whose models these are and of what setting, a sentence.
    pub world: String,
    /// Everything that the images depend on: the row's fingerprint.
    pub settings: BTreeMap<String, String>,
    /// The classes, by label.
    pub classes: Vec<Class>,
    /// `[channels, height, width]` of every image.
    pub image: [usize; 3],
    /// Images of the run.
    pub run_images: usize,
    /// Images of the benchmark.
    pub images: usize,
    /// What rounding to 8 bits changed.
    pub recheck: Recheck,
    /// Licences, as far as they are known.
    pub licences: Vec<Licence>,
    /// Version of the program that wrote it.
    pub fmr: String,
}

impl Card {
    /// Number of images of each class, by label.
    pub fn counts(&self, samples: &[crate::Sample]) -> Vec<usize> {
        let of = |label: usize| samples.iter().filter(|sample| sample.label == label).count();
        (0..self.classes.len()).map(of).collect()
    }
}
