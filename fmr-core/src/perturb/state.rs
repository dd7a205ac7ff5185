//! What a search knows of its samples.

use ndarray::{Array1, Array2, Array3, Array4, ArrayView1, Axis};

use super::rule::Stepper;
use super::still::Known;
use super::{Answer, SampleBatch, TargetFree};
use crate::{Outcome, StepRecord};

/// What is known of a batch before any search.
pub(super) struct Before {
    /// Target's logits on the originals.
    pub clean_logits: Array2<f32>,
    /// Target's logits on the images that standard accuracy is measured on.
    pub sa_logits: Array2<f32>,
    /// Oracle's probabilities of the originals.
    pub clean_oracle: Array2<f32>,
    pub z0: Array2<f32>,
}

impl Before {
    /// What is said about the original of sample `i`.
    pub(super) fn answer(&self, i: usize) -> Answer {
        Answer { logits: self.clean_logits.row(i).to_owned(), oracle: self.clean_oracle.row(i).to_owned() }
    }
}

/// What everyone says of the images that a search starts from.
pub(super) struct First {
    pub images: Array4<f32>,
    pub oracle: Array2<f32>,
    pub logits: Array2<f32>,
    pub scores: Array1<f32>,
}

impl First {
    /// What does not depend on the target, of sample `i`, where the search starts from the original's latent.
    pub(super) fn target_free(&self, before: &Before, i: usize) -> TargetFree {
        TargetFree {
            latent: before.z0.row(i).to_owned(),
            oracle_original: before.clean_oracle.row(i).to_owned(),
            reconstruction: Some(self.images.index_axis(Axis(0), i).to_owned()),
            oracle_reconstruction: Some(self.oracle.row(i).to_owned()),
        }
    }

    /// What is said about the image that the search of sample `i` starts from.
    pub(super) fn answer(&self, i: usize) -> Answer {
        Answer { logits: self.logits.row(i).to_owned(), oracle: self.oracle.row(i).to_owned() }
    }
}

/// A sample still being searched.
pub(super) struct Active {
    /// Position in the batch.
    pub at: usize,
    pub stepper: Stepper,
    pub latent: Array1<f32>,
    pub score: f32,
    pub image: Array3<f32>,
    /// A refused update, to be tried again.
    pub retry: Option<Retry>,
    pub halvings: usize,
    pub kept: Kept,
    pub steps: Vec<StepRecord>,
    /// What is known of the last accepted image, where an update may leave it as it is.
    pub known: Option<Known>,
    /// The gradient there, where the last update left it as it was.
    pub gradient: Option<Array1<f32>>,
}

/// An update of half the size of one that was refused, and the gradient that both come from.
pub(super) struct Retry {
    pub gradient: Array1<f32>,
    pub update: Array1<f32>,
}

/// A proposed update.
pub(super) struct Try {
    pub gradient: Array1<f32>,
    pub update: Array1<f32>,
    pub latent: Array1<f32>,
}

/// The image that is final if nothing better comes.
#[derive(Clone)]
pub(super) struct Kept {
    /// Number of the update; absent for the original.
    pub from: Option<usize>,
    pub image: Array3<f32>,
    pub latent: Array1<f32>,
    /// What target and oracle say about it.
    pub answer: Answer,
    /// Absent for the original.
    pub score: Option<f32>,
}

impl Kept {
    /// The original of sample `i`, at the latent that its search would have started from.
    pub(super) fn original(batch: &SampleBatch, before: &Before, i: usize, z0: ArrayView1<'_, f32>) -> Self {
        Self {
            from: None,
            image: batch.images.index_axis(Axis(0), i).to_owned(),
            latent: z0.to_owned(),
            answer: before.answer(i),
            score: None,
        }
    }

    /// The image that the search of sample `i` starts from.
    pub(super) fn first(first: &First, i: usize, z0: ArrayView1<'_, f32>) -> Self {
        Self {
            from: Some(0),
            image: first.images.index_axis(Axis(0), i).to_owned(),
            latent: z0.to_owned(),
            answer: first.answer(i),
            score: Some(first.scores[i]),
        }
    }
}

/// What the search of one sample ends with.
pub(super) struct End {
    pub kept: Kept,
    pub outcome: Outcome,
    pub ended_at: usize,
    pub error: Option<String>,
    pub steps: Vec<StepRecord>,
    /// The latent that the search ended with, where a finished one took its place.
    pub searched: Option<Array1<f32>>,
    /// Whether the finished image was accepted, where there was one.
    pub finished: Option<bool>,
}

impl End {
    pub(super) fn new(kept: Kept, outcome: Outcome, ended_at: usize, steps: Vec<StepRecord>) -> Self {
        Self { kept, outcome, ended_at, error: None, steps, searched: None, finished: None }
    }
}

impl Active {
    /// Ends the search of this sample at update `t`.
    pub(super) fn end(self, outcome: Outcome, t: usize) -> End {
        End::new(self.kept, outcome, t, self.steps)
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
