//! How a search begins: the images of its first latents, and the samples that end there.

use std::sync::Arc;

use ndarray::{Array1, Array2, Axis};

use super::cache::Lookup;
use super::evaluate::Request;
use super::evaluation::{Evaluation, Judged};
use super::originals::Context;
use super::rule::Stepper;
use super::search::Search;
use super::settings::EarlyExit;
use super::state::{Active, Direction, End, Kept, Next, StartImage};
use super::{CacheUse, PerturbError, reused};
use crate::Outcome;
use crate::logits::{all_finite, argmax};

/// Where a search starts from.
#[derive(Clone, Copy)]
pub(super) enum StartFrom<'s, 'a> {
    /// The latents of the originals, or of the images in their place. A cache may know their images.
    First(&'s Lookup<'a>),
    /// Latents with noise.
    Restart {
        latents: &'s Array2<f32>,
        /// From 1.
        number: usize,
    },
}

impl<'s, 'a> Search<'s, 'a> {
    /// Decodes and judges the images that the search starts from. Some samples end there.
    pub(super) fn begin(context: Context<'s, 'a>, start: StartFrom<'_, 'a>) -> Result<Self, PerturbError> {
        let Context { perturber, batch, originals, .. } = context;
        let allowed = perturber.search.updates_allowed();
        let (latents, restart) = match start {
            StartFrom::First(_) => (&originals.z0, 0),
            StartFrom::Restart { latents, number } => (latents, number),
        };
        let (labels, clean) = (&batch.labels, &originals.logits);
        let request = Request { latents, labels, clean, track: allowed > 0 };
        let (Evaluation { images, pull_back }, cached) = match start {
            StartFrom::First(known) => known.evaluate(perturber, request, originals)?,
            StartFrom::Restart { .. } => (perturber.evaluate(request)?, vec![CacheUse::default(); batch.len()]),
        };
        let start = |(judged, cached)| StartImage { judged, accepted: false, cached };
        let mut search = Self {
            context,
            restart,
            allowed,
            starts: images.into_iter().zip(cached).map(start).collect(),
            active: Vec::new(),
            pull_back,
            ends: (0..batch.len()).map(|_| None).collect(),
        };
        let quantized = reused::quantized(perturber, latents)?;
        for i in 0..batch.len() {
            let quantized = quantized.as_ref().map(|q| q.row(i).to_owned());
            let next = search.begin_sample(i, latents.row(i).to_owned(), quantized)?;
            search.place(next);
        }
        Ok(search)
    }

    fn begin_sample(
        &mut self,
        i: usize,
        latent: Array1<f32>,
        quantized: Option<Array1<f32>>,
    ) -> Result<Next, PerturbError> {
        let Context { perturber, batch, originals, .. } = self.context;
        let judged = Arc::clone(&self.starts[i].judged);
        let original = |latent| {
            let image = batch.images.index_axis(Axis(0), i).to_owned();
            let answer = originals.answer(i);
            Kept { from: None, latent, judged: Arc::new(Judged { image, answer, score: judged.score }) }
        };
        let ended = |kept, outcome| Ok(Next::Ended(Box::new(End::new(i, kept, outcome, 0))));
        let unsound = judged.unsound("the reconstruction", latent.view());
        let of_original = || (!all_finite(originals.logits.row(i))).then_some("a logit of the original");
        if let Some(what) = unsound.or_else(of_original) {
            let error = Some(self.context.nonfinite(i, what, 0)?);
            let end = End { error, ..End::new(i, original(latent), Outcome::Failed, 0) };
            return Ok(Next::Ended(Box::new(end)));
        }
        let accepted = self.context.accepts(i, &judged.answer, &judged.answer);
        self.starts[i].accepted = accepted;
        if !accepted {
            return ended(original(latent), Outcome::ReconstructionRejected);
        }
        let kept = Kept { from: Some(0), latent: latent.clone(), judged: Arc::clone(&judged) };
        let wrong = argmax(judged.answer.logits.view()) != batch.labels[i];
        if perturber.search.early_exit == EarlyExit::MisclassifiedFromStart && wrong {
            return ended(kept, Outcome::EarlyExit);
        }
        if self.allowed == 0 {
            return ended(kept, Outcome::BudgetReached);
        }
        Ok(Next::Continue(Box::new(Active {
            at: i,
            stepper: Stepper::new(perturber.search.rule, perturber.search.step_size, latent.len()),
            latent,
            score: judged.score,
            current: judged,
            quantized,
            direction: Direction::PullBack { row: i },
            halvings: 0,
            kept,
            steps: Vec::new(),
        })))
    }
}
