//! What is known about the originals before any search.

use std::ops::Range;

use ndarray::{Array2, Axis};

use super::cache::Lookup;
use super::settings::StartSaOn;
use super::{Answer, PerturbError, Perturber, SampleBatch, start};
use crate::ComponentError;

/// What is said about the originals of a batch, and where searches start from. One row a sample.
pub(super) struct OriginalAnswers {
    /// Target's logits `[n, k]` on the originals.
    pub logits: Array2<f32>,
    /// Target's logits `[n, k]` on the images that standard accuracy is measured on.
    pub sa_logits: Array2<f32>,
    /// Oracle's probabilities `[n, classes]` of the originals.
    pub oracle: Array2<f32>,
    /// Latents `[n, d]` of the originals, or of the images that the search starts from in their place.
    pub z0: Array2<f32>,
}

impl OriginalAnswers {
    /// Asks about the originals of a batch; what the cache knows is not asked for.
    pub(super) fn ask(
        perturber: &Perturber<'_>,
        batch: &SampleBatch,
        known: &Lookup<'_>,
    ) -> Result<Self, ComponentError> {
        let logits = perturber.logits_of_originals(batch)?;
        let oracle = known.judge_originals(perturber, batch)?;
        let moved = start::images(perturber, &batch.images, &batch.labels)?;
        let sa_logits = match &moved {
            Some(images) if perturber.search.start.sa_on == StartSaOn::Start => perturber.logits(images.view())?,
            _ => logits.clone(),
        };
        let z0 = known.encode(perturber, moved.as_ref().unwrap_or(&batch.images), &batch.labels)?;
        Ok(Self { logits, sa_logits, oracle, z0 })
    }

    /// What is said about the original of sample `i`.
    pub(super) fn answer(&self, i: usize) -> Answer {
        Answer { logits: self.logits.row(i).to_owned(), oracle: self.oracle.row(i).to_owned() }
    }
}

/// Which latent values move, and in which unit. Absent where there is nothing to say.
#[derive(Clone, Copy)]
pub(super) struct Movable<'c> {
    /// Multiplied with gradient and update `[d]`.
    pub weights: Option<&'c [f32]>,
    /// The unit of each value `[d]`.
    pub units: Option<&'c [f32]>,
    /// Places of frozen blocks, whose weights are 0.
    pub frozen: &'c [Range<usize>],
}

/// A batch under way, and the components that it is perturbed with.
#[derive(Clone, Copy)]
pub(super) struct Context<'c, 'a> {
    pub perturber: &'c Perturber<'a>,
    pub batch: &'c SampleBatch,
    pub originals: &'c OriginalAnswers,
    pub movable: Movable<'c>,
}

impl Context<'_, '_> {
    /// Whether the oracle's verdict on `answer` lets an image of sample `i` stand; `first` is what is said about the
    /// image that its search started from.
    pub(super) fn accepts(&self, i: usize, answer: &Answer, first: &Answer) -> bool {
        let (label, clean) = (self.batch.labels[i], self.originals.oracle.row(i));
        self.perturber.verdict.accepts(answer.oracle.view(), label, clean, first.oracle.view())
    }

    /// The message for a number of sample `i` that is not finite at update `t`, or the error of a run that it ends.
    pub(super) fn nonfinite(&self, i: usize, what: &str, t: usize) -> Result<String, PerturbError> {
        self.perturber.nonfinite(&self.batch.keys[i], what, t)
    }

    /// Target's logits `[n, k]` on the originals of some samples, and their labels.
    pub(super) fn of(&self, samples: &[usize]) -> (Array2<f32>, Vec<usize>) {
        let logits = self.originals.logits.select(Axis(0), samples);
        (logits, samples.iter().map(|i| self.batch.labels[*i]).collect())
    }
}
