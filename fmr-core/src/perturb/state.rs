//! What a search knows about each of its samples.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView1};

use super::CacheUse;
use super::evaluation::Judged;
use super::rule::Stepper;
use crate::{Outcome, StepRecord};

/// The image that the search of one sample starts from: x̂0, or that of a restart's latent.
pub(super) struct StartImage {
    pub judged: Arc<Judged>,
    /// Whether the oracle's verdict let it stand. Where something is not finite it does not.
    pub accepted: bool,
    /// What the cache knew.
    pub cached: CacheUse,
}

/// A sample still being searched.
pub(super) struct Active {
    /// Position in the batch.
    pub at: usize,
    pub stepper: Stepper,
    pub latent: Array1<f32>,
    /// Score at the latent.
    pub score: f32,
    /// The last accepted image.
    pub current: Arc<Judged>,
    /// Its latent as decoding sees it, where an update may leave the image as it is.
    pub quantized: Option<Array1<f32>>,
    pub direction: Direction,
    pub halvings: usize,
    pub kept: Kept,
    pub steps: Vec<StepRecord>,
}

/// Where the next update of a sample comes from.
pub(super) enum Direction {
    /// This row of the last pull-back, or an estimate where there is no pull-back.
    PullBack { row: usize },
    /// The gradient of the update before, which left the image as it was.
    Reused(Array1<f32>),
    /// A refused update, halved, and the gradient that it came from.
    Halved { gradient: Array1<f32>, update: Array1<f32> },
}

/// An update that is proposed.
pub(super) struct Proposal {
    pub gradient: Array1<f32>,
    pub update: Array1<f32>,
    /// The latent after the update.
    pub latent: Array1<f32>,
}

/// An update that is proposed, and the image that it gives.
pub(super) struct Tried {
    pub proposal: Proposal,
    pub judged: Arc<Judged>,
    /// The latent as decoding sees it, where an update may leave the image as it is.
    pub quantized: Option<Array1<f32>>,
    /// Row in the pull-back; absent where the image is the one before, so that nothing was evaluated.
    pub row: Option<usize>,
}

/// The image that is final if no better one comes.
pub(super) struct Kept {
    /// Number of the update, 0 for the image that the search starts from; absent for the original.
    pub from: Option<usize>,
    /// For the original, the latent and score that its search would have started with.
    pub latent: Array1<f32>,
    pub judged: Arc<Judged>,
}

/// What the search of one sample ends with.
pub(super) struct End {
    /// Position in the batch.
    pub at: usize,
    pub kept: Kept,
    pub outcome: Outcome,
    /// Number of the update.
    pub ended_at: usize,
    pub error: Option<String>,
    pub steps: Vec<StepRecord>,
    /// The latent that the search ended with, where a finished one took its place.
    pub searched: Option<Array1<f32>>,
    /// Whether the finished image was accepted, where there was one.
    pub finished: Option<bool>,
}

/// What one search of one sample found.
pub(super) struct Searched {
    pub start: StartImage,
    pub end: End,
}

/// How a sample goes on after an update.
pub(super) enum Next {
    /// The search goes on.
    Continue(Box<Active>),
    /// The search is over.
    Ended(Box<End>),
}

impl End {
    pub(super) fn new(at: usize, kept: Kept, outcome: Outcome, ended_at: usize) -> Self {
        Self { at, kept, outcome, ended_at, error: None, steps: Vec::new(), searched: None, finished: None }
    }
}

impl Active {
    /// Ends the search of this sample at update `t`.
    pub(super) fn end(self, outcome: Outcome, t: usize) -> End {
        End { steps: self.steps, ..End::new(self.at, self.kept, outcome, t) }
    }

    /// Ends the search of this sample, which a component failed on at update `t`.
    pub(super) fn component_failed(self, t: usize, error: String) -> End {
        End { error: Some(error), ..self.end(Outcome::ComponentFailed, t) }
    }

    /// Ends the search of this sample at update `t`, where a number was not finite for the reason `error`. The gradient
    /// of the update had the norm `gradient_norm`.
    pub(super) fn fail(mut self, t: usize, error: String, gradient_norm: f64) -> End {
        let score = f64::from(self.score);
        let (oracle_true, oracle_class, prediction, accepted) = (None, None, None, false);
        self.steps.push(StepRecord { t, score, gradient_norm, oracle_true, oracle_class, prediction, accepted });
        End { error: Some(error), ..self.end(Outcome::Failed, t) }
    }
}

/// Rows stacked to a batch.
pub(super) fn stack<'r>(rows: impl ExactSizeIterator<Item = ArrayView1<'r, f32>>, len: usize) -> Array2<f32> {
    let mut all = Array2::zeros((rows.len(), len));
    for (mut to, from) in all.outer_iter_mut().zip(rows) {
        to.assign(&from);
    }
    all
}
