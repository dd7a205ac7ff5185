//! Algorithm 1 of the paper: perturbs batches of samples.
//!
//! Each iteration decodes every latent once. The oracle judges that image, the target classifies it, it is recorded, and
//! the score is differentiated for the next update. Samples whose search has ended leave the batch. A sample's result
//! depends only on its image, label, seed and the settings: never on its batch, the order, or the number of threads.
//!
//! [`Perturber`] runs one batch, [`Workers`] run many side by side, and an [`AnswerCache`] spares work that several
//! targets share.

mod begin;
mod cache;
mod engine;
mod estimate;
mod evaluate;
mod evaluation;
mod finish;
mod originals;
mod outcome;
mod projection;
mod reused;
mod rule;
mod search;
mod settings;
mod settle;
mod spread;
mod start;
mod state;
mod workers;

use ndarray::{Array1, Array3, Array4, ArrayView1, ArrayView3};
use thiserror::Error;

pub use cache::{AnswerCache, CacheKey, CacheUse, MemoryCache, TargetFree};
pub use engine::Perturber;
pub use evaluate::logits_of_originals;
pub use settings::{
    Around, BudgetCounts, Clamp, EarlyExit, Estimator, ImageDomain, Norm, OnNonfinite, OnViolation, Projection, Rule,
    SearchSettings, Select, Start, StartKind, StartSaOn, StartUnits, State, StepUnit,
};
pub use spread::{BlockSpread, Spread, SpreadSum};
pub use workers::Workers;

use crate::preprocess::Picture;
use crate::{ComponentError, ImageHash, SampleRecord};

/// Samples to perturb together. All fields hold one entry per sample, in the same order.
#[derive(Debug, Clone)]
pub struct SampleBatch {
    /// Originals `[n, c, h, w]` in [0, 1], at the generator's size.
    pub images: Array4<f32>,
    /// The originals as their files hold them, for models that prepare photographs in a way of their own
    /// ([`Target::logits_of_pictures`](crate::Target::logits_of_pictures)). Empty where there are none: all are shown
    /// `images` then.
    pub pictures: Vec<Picture>,
    /// True classes, as indices below the number of classes.
    pub labels: Vec<usize>,
    /// Positions in the evaluated subset, from 0.
    pub indices: Vec<usize>,
    /// Stable names, e.g. `test/00017`.
    pub keys: Vec<String>,
    /// Seeds of everything random about each sample: restarts and the gradient-free estimator.
    pub seeds: Vec<u64>,
}

impl SampleBatch {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Names the original of sample `i` as models see it that prepare its picture themselves.
    pub(crate) fn picture(&self, i: usize) -> Option<ImageHash> {
        let image = self.images.index_axis(ndarray::Axis(0), i);
        self.pictures.get(i).map(|picture| ImageHash::of(image).of_picture(picture))
    }

    /// Sample `i` alone.
    pub fn single(&self, i: usize) -> Self {
        Self {
            images: self.images.select(ndarray::Axis(0), &[i]),
            pictures: self.pictures.get(i).cloned().into_iter().collect(),
            labels: vec![self.labels[i]],
            indices: vec![self.indices[i]],
            keys: vec![self.keys[i].clone()],
            seeds: vec![self.seeds[i]],
        }
    }
}

/// Result of one sample.
#[derive(Debug, Clone)]
pub struct Perturbed {
    /// What the metrics and reports need.
    pub record: SampleRecord,
    /// The original `[c, h, w]`.
    pub original: Array3<f32>,
    /// Names what the answers about the original are of, where models were shown its picture as the file holds it; absent
    /// where they were shown `original`.
    pub picture: Option<ImageHash>,
    /// The reconstruction x̂0 `[c, h, w]`; the original where a component failed before it was decoded.
    pub reconstruction: Array3<f32>,
    /// The final image `[c, h, w]`; the original where the oracle rejected x̂0 or the sample failed before the search.
    pub final_image: Array3<f32>,
    /// What target and oracle say about each of the three.
    pub answers: Answers,
    /// Whether the cache knew the sample.
    pub cached: CacheUse,
    /// Latent `[d]` that the search started from, z0; empty where a component failed before it was encoded.
    pub first_latent: Array1<f32>,
    /// Latent `[d]` of the final image; z0 where the original is final; empty where a component failed before z0.
    pub final_latent: Array1<f32>,
}

impl Perturbed {
    /// Target's logits `[k]` on the final image; empty where the target was not asked.
    pub fn final_logits(&self) -> ArrayView1<'_, f32> {
        self.answers.final_image.logits.view()
    }
}

/// What target and oracle say about one image, to the last bit. Empty where they were not asked because a component
/// failed first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Target's logits `[k]`, one per class of the target.
    pub logits: Array1<f32>,
    /// Oracle's probabilities, one per class of the data set, in [0, 1].
    pub oracle: Array1<f32>,
}

/// What target and oracle say about the three images of a sample.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    /// About the original itself, even where the search starts from a different image ([`Start`]).
    pub original: Answer,
    /// About x̂0.
    pub reconstruction: Answer,
    /// About the final image.
    pub final_image: Answer,
}

/// One attempted update, as an [`Observer`] sees it.
#[derive(Debug)]
pub struct StepView<'a> {
    /// Position of the sample in the evaluated subset.
    pub index: usize,
    /// Number of the update, from 1.
    pub t: usize,
    /// Latent that the gradient was taken at.
    pub latent_before: ArrayView1<'a, f32>,
    /// Score there.
    pub score: f32,
    /// Unmasked gradient of the score there.
    pub gradient: ArrayView1<'a, f32>,
    /// The update and its image; absent where the score or the gradient is not finite.
    pub attempt: Option<Attempt<'a>>,
}

/// An update and the image that it gives.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// Change of the latent.
    pub update: ArrayView1<'a, f32>,
    /// The new latent.
    pub latent: ArrayView1<'a, f32>,
    /// The new image.
    pub image: ArrayView3<'a, f32>,
    /// Oracle's probabilities of the new image.
    pub oracle: ArrayView1<'a, f32>,
    /// Target's logits on the new image.
    pub logits: ArrayView1<'a, f32>,
    /// Whether the oracle accepted the image.
    pub accepted: bool,
}

/// Is shown every update while samples are perturbed, and may end the run. Called from several threads.
pub trait Observer: Sync {
    /// Called after every attempted update.
    fn step(&self, _: &StepView<'_>) {}

    /// Asked before every iteration; `false` ends the run with [`PerturbError::Cancelled`].
    fn keep_going(&self) -> bool {
        true
    }
}

impl Observer for () {}

/// A batch that could not be perturbed.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum PerturbError {
    /// A component failed. [`Perturber::run`] turns this into failed samples and never returns it.
    #[error(transparent)]
    Component(ComponentError),
    /// The settings say that a number that is not finite ends the run.
    #[error("sample {key}: {what} is not finite at update {t}, and search.on-nonfinite is \"abort-run\"")]
    NonFinite {
        /// Name of the sample.
        key: String,
        /// What is not finite.
        what: String,
        /// Number of the update.
        t: usize,
    },
    /// The observer ended the run, or a component gave up because it was told to.
    #[error("cancelled")]
    Cancelled,
    /// Images, labels, names and seeds are not equally many, or shapes do not fit the generator.
    #[error("a batch of samples is inconsistent: {0}")]
    Batch(String),
}

/// Whether two rows of numbers are the same to the last bit.
fn same_bits<'v>(a: impl IntoIterator<Item = &'v f32>, b: impl IntoIterator<Item = &'v f32>) -> bool {
    a.into_iter().map(|v| v.to_bits()).eq(b.into_iter().map(|v| v.to_bits()))
}

impl From<ComponentError> for PerturbError {
    fn from(error: ComponentError) -> Self {
        if error.cancelled { Self::Cancelled } else { Self::Component(error) }
    }
}
