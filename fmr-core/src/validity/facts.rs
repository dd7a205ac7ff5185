//! What flags need to know of a run beyond its records.

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use crate::Difference;
use crate::difference::or_infinite;
use crate::perturb::CacheUse;

/// What the records of a run do not hold. What is not known stays absent, and its flag is not raised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Facts {
    /// The target's outputs on final images.
    pub logits: Option<LogitsFacts>,
    /// What came of doing some samples twice.
    pub repeated: Option<RepeatFacts>,
    /// What a cache gave.
    pub cache: Option<CacheFacts>,
    /// What was finished before a plugin's file was replaced.
    pub replaced: Option<ReplacedFacts>,
    /// The mask that the search ran with.
    pub mask: Option<MaskFacts>,
    /// η of the search, against which a latent's movement is held.
    pub step_size: Option<f64>,
}

/// What the target's outputs look like. Collect it row by row from [`crate::perturb::Perturbed::final_logits`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LogitsFacts {
    /// Rows seen.
    pub rows: usize,
    /// Rows whose values all lie in [0, 1] and sum to 1.
    pub like_probabilities: usize,
}

impl LogitsFacts {
    /// Looks at one row; an empty one (the target never saw the image) is passed over.
    pub fn add(&mut self, row: ArrayView1<'_, f32>) {
        if row.is_empty() {
            return;
        }
        self.rows += 1;
        let sum: f64 = row.iter().map(|v| f64::from(*v)).sum();
        let within = row.iter().all(|v| (0.0..=1.0).contains(v));
        self.like_probabilities += usize::from(within && (sum - 1.0).abs() < 1e-3);
    }
}

/// What a cache of answers gave. Collect it sample by sample from [`crate::perturb::Perturbed::cached`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CacheFacts {
    /// Samples that the cache knew.
    pub known: usize,
    /// Of these, how many had a reconstruction that the generator decoded differently.
    pub contradicted: usize,
}

impl CacheFacts {
    /// Counts one sample.
    pub fn add(&mut self, used: CacheUse) {
        self.known += usize::from(used != CacheUse::Unknown);
        self.contradicted += usize::from(used == CacheUse::Contradicted);
    }
}

/// How good a mask is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MaskFacts {
    /// Latent values that may move.
    pub kept: usize,
    /// Latent values that there are.
    pub values: usize,
    /// Held-out latents that its classifier puts on their side, and how many there were; absent for one made by hand.
    pub test: Option<(usize, usize)>,
}

/// What came of perturbing some samples a second time; see [`super::RepeatCheck`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RepeatFacts {
    /// Samples done twice.
    pub samples: usize,
    /// Of these, how many were compared with all images, latents and answers; of the others the record alone was.
    #[serde(default)]
    pub whole: usize,
    /// Of the samples, how many gave a different result.
    pub differing: usize,
    /// Largest absolute difference of any compared number.
    #[serde(with = "or_infinite")]
    pub largest_difference: f64,
    /// Largest absolute difference of each kind of number.
    #[serde(default)]
    pub largest: Difference,
}

/// Samples of a run that went on with another file of a plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReplacedFacts {
    /// Samples that were finished with a file before the last.
    pub before: usize,
    /// How often a file was replaced.
    pub times: usize,
}
