//! One sample of a benchmark: a line of its manifest.

use serde::{Deserialize, Serialize};

/// One sample. Classes are numbers, as `label` is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The perturbed image, below the benchmark's folder.
    pub file: String,
    /// The original, below the benchmark's folder.
    pub original: String,
    /// Position in the run's data.
    pub index: usize,
    /// Name of the original in its data set.
    pub key: String,
    /// True class.
    pub label: usize,
    /// Its name.
    pub class: String,
    /// Whether the search produced the image; else `file` holds the original.
    pub produced: bool,
    /// How the search ended.
    pub outcome: String,
    /// Updates that the oracle accepted.
    pub accepted_updates: usize,
    /// The target's class on the file of the original.
    pub original_prediction: Option<usize>,
    /// The target's class on the exact final image of the search.
    pub exact_prediction: Option<usize>,
    /// The target's class on the file of the perturbed image.
    pub prediction: Option<usize>,
    /// The oracle's class on the exact final image.
    pub exact_oracle: Option<usize>,
    /// The oracle's class on the file of the perturbed image.
    pub oracle: Option<usize>,
    /// The oracle's probability of the true class on that file.
    pub oracle_probability: Option<f32>,
    /// Whether the oracle's verdict accepts that file.
    pub accepted: bool,
}
