//! What flags need to know of a run beyond its records.

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use crate::Difference;
use crate::difference::or_infinite;
use crate::perturb::{CacheUse, StepUnit};

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
    /// The unit of η.
    pub step_unit: StepUnit,
    /// Standard accuracy, from 0 to 1, that is published for the target on data of these classes.
    pub published_accuracy: Option<f64>,
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

    /// Adds what was seen of other rows.
    pub fn merge(&mut self, other: &Self) {
        self.rows = self.rows.saturating_add(other.rows);
        self.like_probabilities = self.like_probabilities.saturating_add(other.like_probabilities);
    }

    /// Takes back what [`Self::add`] counted of rows that are no longer part of the run.
    pub fn take_back(&mut self, other: &Self) {
        self.rows = self.rows.saturating_sub(other.rows);
        self.like_probabilities = self.like_probabilities.saturating_sub(other.like_probabilities);
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

    /// Adds what a cache gave for other samples.
    pub fn merge(&mut self, other: &Self) {
        self.known = self.known.saturating_add(other.known);
        self.contradicted = self.contradicted.saturating_add(other.contradicted);
    }

    /// Takes back what [`Self::add`] counted of samples that are no longer part of the run.
    pub fn take_back(&mut self, other: &Self) {
        self.known = self.known.saturating_sub(other.known);
        self.contradicted = self.contradicted.saturating_sub(other.contradicted);
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
    /// Of those, how many gave the same result whenever they were perturbed alone: the difference is that of batches.
    #[serde(default)]
    pub by_batch: usize,
    /// Largest absolute difference of any compared number.
    #[serde(with = "or_infinite")]
    pub largest_difference: f64,
    /// Largest absolute difference of each kind of number.
    #[serde(default)]
    pub largest: Difference,
}

impl RepeatFacts {
    /// Adds what came of doing other samples twice: results repeat only where both checks found nothing.
    pub fn merge(&mut self, other: &Self) {
        self.samples = self.samples.saturating_add(other.samples);
        self.whole = self.whole.saturating_add(other.whole);
        self.differing = self.differing.saturating_add(other.differing);
        self.by_batch = self.by_batch.saturating_add(other.by_batch);
        self.largest_difference = self.largest_difference.max(other.largest_difference);
        self.largest = self.largest.max(&other.largest);
    }
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

#[cfg(test)]
mod tests {
    use ndarray::aview1;

    use super::*;

    #[test]
    fn facts_of_parts_add_up() {
        let rows: [&[f32]; 3] = [&[0.25, 0.75], &[3.0, -1.0], &[1.0, 0.0]];
        let of = |rows: &[&[f32]]| {
            let mut facts = LogitsFacts::default();
            rows.iter().for_each(|row| facts.add(aview1(row)));
            facts
        };
        let mut parts = of(&rows[..1]);
        parts.merge(&of(&rows[1..]));
        assert_eq!(parts, of(&rows));
        parts.take_back(&of(&rows[1..]));
        assert_eq!(parts, of(&rows[..1]));

        let mut cache = CacheFacts { known: 2, contradicted: 1 };
        cache.merge(&CacheFacts { known: 3, contradicted: 0 });
        assert_eq!(cache, CacheFacts { known: 5, contradicted: 1 });
        cache.take_back(&CacheFacts { known: 9, contradicted: 1 });
        assert_eq!(cache, CacheFacts::default());
    }

    #[test]
    fn a_repeat_check_holds_only_where_both_do() {
        let held = RepeatFacts { samples: 1, whole: 1, ..RepeatFacts::default() };
        let largest = Difference { score: 0.5, pixel: 0.1, ..Difference::default() };
        let failed = RepeatFacts { samples: 2, whole: 1, differing: 1, by_batch: 0, largest_difference: 0.5, largest };
        let other = Difference { score: 0.1, pixel: 0.2, ..Difference::default() };
        let again =
            RepeatFacts { samples: 1, whole: 0, differing: 1, by_batch: 1, largest_difference: 0.2, largest: other };
        let mut all = held;
        all.merge(&failed);
        all.merge(&again);
        let largest = Difference { score: 0.5, pixel: 0.2, ..Difference::default() };
        assert_eq!(
            all,
            RepeatFacts { samples: 4, whole: 2, differing: 2, by_batch: 1, largest_difference: 0.5, largest }
        );
    }
}
