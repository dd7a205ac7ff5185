//! One search of a batch from given latents: the loop of Algorithm 1.

use std::sync::Arc;

use ndarray::{Array1, Array2, Array4, Axis};

use super::evaluate::Request;
use super::evaluation::{Evaluation, PullBack};
use super::originals::Context;
use super::rule::norm;
use super::settings::State;
use super::state::{Active, Direction, End, Next, Proposal, Searched, StartImage, Tried, stack};
use super::{PerturbError, StepView, estimate, reused};
use crate::ComponentError;
use crate::logits::all_finite;

/// A search under way. Samples leave `active` for `ends` as they stop.
pub(super) struct Search<'s, 'a> {
    pub context: Context<'s, 'a>,
    /// Number of the restart; 0 for the first search.
    pub restart: usize,
    /// Updates that the budget allows.
    pub allowed: usize,
    /// One a sample.
    pub starts: Vec<StartImage>,
    pub active: Vec<Active>,
    /// That of the last evaluation.
    pub pull_back: Option<PullBack<'a>>,
    /// One a sample.
    pub ends: Vec<Option<End>>,
}

impl Search<'_, '_> {
    /// Puts a sample where it belongs.
    pub(super) fn place(&mut self, next: Next) {
        match next {
            Next::Continue(sample) => self.active.push(*sample),
            Next::Ended(end) => {
                let at = end.at;
                self.ends[at] = Some(*end);
            }
        }
    }

    /// Goes on until every sample has ended; what was found, in the batch's order.
    pub(super) fn run(mut self) -> Result<Vec<Searched>, PerturbError> {
        for t in 1..=self.allowed {
            if self.active.is_empty() {
                break;
            }
            if !self.context.perturber.observer.keep_going() {
                return Err(PerturbError::Cancelled);
            }
            match self.update(t) {
                // Alone in its batch the sample is the guilty one: it keeps what it has reached.
                Err(PerturbError::Component(error)) if self.context.batch.len() == 1 => {
                    for sample in std::mem::take(&mut self.active) {
                        self.place(Next::Ended(Box::new(sample.component_failed(t, error.to_string()))));
                    }
                }
                other => other?,
            }
        }
        // The last update ends all samples that are still active.
        let unended = |i: usize| PerturbError::Batch(format!("sample {i} did not end"));
        let pairs = self.starts.into_iter().zip(self.ends).enumerate();
        pairs.map(|(i, (start, end))| Ok(Searched { start, end: end.ok_or_else(|| unended(i))? })).collect()
    }

    /// One iteration: gradients, updates, one decode, verdicts.
    fn update(&mut self, t: usize) -> Result<(), PerturbError> {
        let state = self.context.perturber.search.state;
        if state == State::Image && t > 1 {
            self.encode_anew()?;
        }
        let gradients = self.gradients(t)?;
        let proposals = self.propose(gradients, t)?;
        if self.active.is_empty() {
            return Ok(());
        }
        // The last image needs no gradient; in image state none of them does.
        let tried = self.evaluate(proposals, t < self.allowed && state == State::Latent)?;
        for (sample, tried) in std::mem::take(&mut self.active).into_iter().zip(tried) {
            let next = self.settle(sample, tried, t)?;
            self.place(next);
        }
        Ok(())
    }

    /// Puts the last accepted images, encoded anew, in the place of the latents.
    fn encode_anew(&mut self) -> Result<(), PerturbError> {
        let (_, c, h, w) = self.context.batch.images.dim();
        let mut images = Array4::zeros((self.active.len(), c, h, w));
        for (mut row, sample) in images.outer_iter_mut().zip(&self.active) {
            row.assign(&sample.current.image);
        }
        let (clean, labels) = self.of_active();
        let latents = self.context.perturber.encode(images.view(), &labels)?;
        self.pull_back = None;
        let request = Request { latents: &latents, labels: &labels, clean: &clean, track: true };
        let Evaluation { images, pull_back } = self.context.perturber.evaluate(request)?;
        self.pull_back = pull_back;
        for (row, (sample, judged)) in self.active.iter_mut().zip(images).enumerate() {
            sample.latent.assign(&latents.row(row));
            sample.score = judged.score;
            if !matches!(sample.direction, Direction::Halved { .. }) {
                sample.direction = Direction::PullBack { row };
            }
        }
        Ok(())
    }

    /// Target's logits on the originals of the active samples, and their labels.
    fn of_active(&self) -> (Array2<f32>, Vec<usize>) {
        self.context.of(&self.active.iter().map(|sample| sample.at).collect::<Vec<_>>())
    }

    /// Gradients of the active samples.
    fn gradients(&mut self, t: usize) -> Result<Vec<Array1<f32>>, ComponentError> {
        let Context { perturber, batch, originals, .. } = self.context;
        let wanted = self.active.iter().any(|sample| matches!(sample.direction, Direction::PullBack { .. }));
        let pulled = match self.pull_back.take_if(|_| wanted) {
            Some(pull_back) => Some(pull_back.gradients(originals.z0.ncols())?),
            None => None,
        };
        let gradient = |sample: &Active| match (&sample.direction, &pulled) {
            (Direction::Reused(gradient) | Direction::Halved { gradient, .. }, _) => Ok(gradient.clone()),
            (Direction::PullBack { row }, Some(pulled)) => Ok(pulled.row(*row).to_owned()),
            (Direction::PullBack { .. }, None) => {
                let mut random = estimate::generator(batch.seeds[sample.at], estimate::GRADIENT, self.restart, t);
                let clean = originals.logits.row(sample.at);
                estimate::gradient(perturber, sample.latent.view(), batch.labels[sample.at], clean, &mut random)
            }
        };
        self.active.iter().map(gradient).collect()
    }

    /// Turns gradients into updates. Samples whose score or gradient is not finite end here.
    fn propose(&mut self, gradients: Vec<Array1<f32>>, t: usize) -> Result<Vec<Proposal>, PerturbError> {
        let Context { perturber, batch, originals, movable } = self.context;
        let mut proposals = Vec::with_capacity(gradients.len());
        for (mut sample, gradient) in std::mem::take(&mut self.active).into_iter().zip(gradients) {
            let update = if let Direction::Halved { update, .. } = &sample.direction {
                update.clone()
            } else {
                let unsound = [("the score", sample.score.is_finite()), ("the gradient", all_finite(&gradient))];
                if let Some((what, _)) = unsound.into_iter().find(|(_, sound)| !sound) {
                    let error = self.context.nonfinite(sample.at, what, t)?;
                    perturber.observer.step(&StepView {
                        index: batch.indices[sample.at],
                        t,
                        latent_before: sample.latent.view(),
                        score: sample.score,
                        gradient: gradient.view(),
                        attempt: None,
                    });
                    self.place(Next::Ended(Box::new(sample.fail(t, error, norm(gradient.view())))));
                    continue;
                }
                sample.stepper.update(gradient.view(), movable.weights) * 0.5_f32.powi(sample.halvings as i32)
            };
            let latent = &sample.latent + &update;
            let proposal = match &perturber.search.projection {
                None => Proposal { latent, gradient, update },
                Some(ball) => {
                    let latent = ball.project(latent, originals.z0.row(sample.at), movable.units);
                    Proposal { update: &latent - &sample.latent, latent, gradient }
                }
            };
            proposals.push(proposal);
            self.active.push(sample);
        }
        Ok(proposals)
    }

    /// Evaluates what is proposed for the active samples, but for updates that leave the image as it was.
    fn evaluate(&mut self, proposals: Vec<Proposal>, track: bool) -> Result<Vec<Tried>, ComponentError> {
        let perturber = self.context.perturber;
        let latents = stack(proposals.iter().map(|p| p.latent.view()), self.context.originals.z0.ncols());
        let quantized = reused::quantized(perturber, &latents)?;
        let quantized = |i: usize| quantized.as_ref().map(|q| q.row(i));
        let fresh: Vec<usize> =
            (0..proposals.len()).filter(|i| !reused::reuses(&self.active[*i], quantized(*i))).collect();
        self.pull_back = None;
        let mut judged = Vec::new();
        if !fresh.is_empty() {
            let (clean, labels) = self.context.of(&fresh.iter().map(|i| self.active[*i].at).collect::<Vec<_>>());
            let some = (fresh.len() < proposals.len()).then(|| latents.select(Axis(0), &fresh));
            let request = Request { latents: some.as_ref().unwrap_or(&latents), labels: &labels, clean: &clean, track };
            let evaluation = perturber.evaluate(request)?;
            (judged, self.pull_back) = (evaluation.images, evaluation.pull_back);
        }
        let mut fresh = fresh.into_iter().zip(judged).enumerate().peekable();
        let tried = proposals.into_iter().zip(&self.active).enumerate().map(|(i, (proposal, sample))| {
            let (row, judged) = match fresh.next_if(|(_, (of, _))| *of == i) {
                Some((row, (_, judged))) => (Some(row), judged),
                None => (None, Arc::clone(&sample.current)),
            };
            Tried { proposal, judged, quantized: quantized(i).map(|q| q.to_owned()), row }
        });
        Ok(tried.collect())
    }
}
