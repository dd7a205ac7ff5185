//! One search of a batch from given latents: the loop of Algorithm 1.

use ndarray::{Array1, Array2, Array4, ArrayView4, Axis};

use super::cache::Lookup;
use super::evaluate::Seen;
use super::rule::{Stepper, norm};
use super::search::{EarlyExit, OnViolation, Select, State};
use super::state::{Active, Before, End, First, Kept, Retry, Try, stack};
use super::still::{self, Known};
use super::{Answer, Attempt, CacheUse, PerturbError, Perturber, SampleBatch, StepView, estimate};
use crate::logits::{all_finite, argmax};
use crate::{ComponentError, Outcome, StepRecord};

/// Where a search starts from.
#[derive(Clone, Copy)]
pub(super) enum StartOf<'k, 'a> {
    /// The latent of the original, or of the image that it was moved to; a cache may know its image.
    First(&'k Lookup<'a>),
    /// That latent with noise; the number of the restart, from 1.
    Restart(usize),
}

/// A search under way. Samples leave `active` for `ends` as they stop.
pub(super) struct Walk<'w, 'a> {
    perturber: &'w Perturber<'a>,
    batch: &'w SampleBatch,
    before: &'w Before,
    /// Latents that the search starts from.
    z0: &'w Array2<f32>,
    /// Number of the restart; 0 for the first search.
    restart: usize,
    /// Updates that the budget allows.
    allowed: usize,
    pub first: First,
    pub accepted0: Vec<bool>,
    /// What the cache gave for each sample.
    pub cached: Vec<CacheUse>,
    active: Vec<Active>,
    /// The last evaluation, in which active sample i has row `rows[i]`.
    seen: Seen<'a>,
    rows: Vec<usize>,
    /// Its latents as decoding sees them, where that can spare work.
    quantized: Option<Array2<f32>>,
    /// Which of its rows are what was known before.
    still: Vec<bool>,
    ends: Vec<Option<End>>,
}

impl<'w, 'a> Walk<'w, 'a> {
    /// Decodes and judges the images that the search starts from. Samples that end there do.
    pub(super) fn begin(
        perturber: &'w Perturber<'a>,
        batch: &'w SampleBatch,
        before: &'w Before,
        z0: &'w Array2<f32>,
        start: StartOf<'_, 'a>,
    ) -> Result<Self, PerturbError> {
        let n = batch.len();
        let allowed = perturber.search.updates_allowed();
        let (parts, classes, track) = (perturber.parts(), perturber.classes, allowed > 0);
        let (seen, cached, restart) = match start {
            StartOf::First(known) => {
                let mut cached = known.uses();
                let decode = || known.decode(&parts, z0, &batch.labels);
                let judge =
                    |images: ArrayView4<'_, f32>| known.judge_reconstructions(&parts, images, classes, &mut cached);
                (parts.see_with(z0, &batch.labels, &before.clean_logits, track, decode, judge)?, cached, 0)
            }
            StartOf::Restart(restart) => {
                let seen = parts.see(z0, &batch.labels, &before.clean_logits, classes, track)?;
                (seen, vec![CacheUse::default(); n], restart)
            }
        };
        let first = First {
            images: seen.images.clone(),
            oracle: seen.oracle.clone(),
            logits: seen.logits.clone(),
            scores: seen.scores.clone(),
        };
        if let StartOf::First(known) = start {
            for (i, used) in cached.iter().enumerate() {
                known.keep(i, *used, || first.target_free(before, i))?;
            }
        }
        let ends = (0..n).map(|_| None).collect();
        let (accepted0, active, rows) = (vec![false; n], Vec::new(), Vec::new());
        let (quantized, still) = (still::quantized(perturber, z0)?, vec![false; n]);
        let mut walk = Self {
            perturber,
            batch,
            before,
            z0,
            restart,
            allowed,
            first,
            accepted0,
            cached,
            active,
            seen,
            rows,
            quantized,
            still,
            ends,
        };
        for i in 0..n {
            walk.begin_sample(i)?;
        }
        Ok(walk)
    }

    fn begin_sample(&mut self, i: usize) -> Result<(), PerturbError> {
        let Self { batch, before, z0, first, .. } = self;
        let Perturber { search, verdict, .. } = *self.perturber;
        let oracle = first.oracle.row(i);
        let kept = Kept::first(first, i, z0.row(i));
        let original = || Kept::original(batch, before, i, z0.row(i));
        let unsound = [
            ("the latent", all_finite(z0.row(i))),
            ("the reconstruction", all_finite(&kept.image)),
            ("a logit", all_finite(&kept.answer.logits)),
            ("an oracle probability", all_finite(oracle)),
            ("a logit of the original", all_finite(before.clean_logits.row(i))),
        ];
        let end = |kept, outcome| End::new(kept, outcome, 0, Vec::new());
        if let Some((what, _)) = unsound.into_iter().find(|(_, sound)| !sound) {
            let error = Some(self.nonfinite(i, what, 0)?);
            self.ends[i] = Some(End { error, ..end(original(), Outcome::Failed) });
            return Ok(());
        }
        let accepted = verdict.accepts(oracle, batch.labels[i], before.clean_oracle.row(i), oracle);
        let ended = if !accepted {
            Some(end(original(), Outcome::ReconstructionRejected))
        } else if search.early_exit == EarlyExit::MisclassifiedFromStart
            && argmax(kept.answer.logits.view()) != batch.labels[i]
        {
            Some(end(kept.clone(), Outcome::EarlyExit))
        } else if self.allowed == 0 {
            Some(end(kept.clone(), Outcome::BudgetReached))
        } else {
            None
        };
        self.accepted0[i] = accepted;
        match ended {
            Some(ended) => self.ends[i] = Some(ended),
            None => {
                self.rows.push(i);
                self.active.push(Active {
                    at: i,
                    stepper: Stepper::new(search.rule, search.step_size, z0.ncols()),
                    latent: kept.latent.clone(),
                    score: first.scores[i],
                    image: kept.image.clone(),
                    retry: None,
                    halvings: 0,
                    known: self.quantized.as_ref().map(|q| Known::of(q, i, oracle, first.logits.row(i))),
                    kept,
                    steps: Vec::new(),
                    gradient: None,
                });
            }
        }
        Ok(())
    }

    /// Goes on until every sample has ended; one end a sample, in the batch's order.
    pub(super) fn run(&mut self) -> Result<Vec<End>, PerturbError> {
        for t in 1..=self.allowed {
            if self.active.is_empty() {
                break;
            }
            if !self.perturber.observer.keep_going() {
                return Err(PerturbError::Cancelled);
            }
            match self.update(t) {
                // Alone in its batch the sample is the guilty one: it keeps what it has reached.
                Err(PerturbError::Component(error)) if self.batch.len() == 1 => {
                    for a in std::mem::take(&mut self.active) {
                        let at = a.at;
                        self.ends[at] = Some(a.component_failed(t, error.to_string()));
                    }
                }
                other => other?,
            }
        }
        // The last update settles whatever is still active.
        let unended = |i: usize| PerturbError::Batch(format!("sample {i} did not end"));
        self.ends.drain(..).enumerate().map(|(i, end)| end.ok_or_else(|| unended(i))).collect()
    }

    /// One iteration: gradients, updates, one decode, verdicts.
    fn update(&mut self, t: usize) -> Result<(), PerturbError> {
        let state = self.perturber.search.state;
        if state == State::Image && t > 1 {
            self.encode_anew()?;
        }
        let gradients = self.gradients(t)?;
        let tried = self.propose(gradients, t)?;
        if self.active.is_empty() {
            return Ok(());
        }
        // The last image needs no gradient; in image state none of them does.
        self.see(&tried, t < self.allowed && state == State::Latent)?;
        self.settle(tried, t)
    }

    /// Puts the last accepted images, encoded anew, in the place of the latents.
    fn encode_anew(&mut self) -> Result<(), PerturbError> {
        let (_, c, h, w) = self.batch.images.dim();
        let mut images = Array4::zeros((self.active.len(), c, h, w));
        for (mut row, a) in images.outer_iter_mut().zip(&self.active) {
            row.assign(&a.image);
        }
        let latents = self.perturber.encode(&images, &self.labels())?;
        self.look_at(&latents, true)?;
        for ((a, latent), score) in self.active.iter_mut().zip(latents.outer_iter()).zip(&self.seen.scores) {
            a.latent.assign(&latent);
            a.score = *score;
        }
        self.rows = (0..self.active.len()).collect();
        Ok(())
    }

    fn labels(&self) -> Vec<usize> {
        self.active.iter().map(|a| self.batch.labels[a.at]).collect()
    }

    fn see(&mut self, tried: &[Try], track: bool) -> Result<(), ComponentError> {
        let latents = stack(tried.iter().map(|t| t.latent.view()), self.z0.ncols());
        self.quantized = still::quantized(self.perturber, &latents)?;
        self.still = still::still(&self.active, self.quantized.as_ref());
        let fresh: Vec<usize> = (0..tried.len()).filter(|i| !self.still[*i]).collect();
        if fresh.len() == tried.len() {
            return self.look_at(&latents, track);
        }
        let seen = match fresh.is_empty() {
            true => None,
            false => Some(self.evaluate(&latents.select(Axis(0), &fresh), &fresh, track)?),
        };
        if let Some(seen) = still::assemble(&self.active, &self.still, seen) {
            self.seen = seen;
        }
        Ok(())
    }

    /// Evaluates latents of the active samples.
    fn look_at(&mut self, latents: &Array2<f32>, track: bool) -> Result<(), ComponentError> {
        let all: Vec<usize> = (0..self.active.len()).collect();
        self.seen = self.evaluate(latents, &all, track)?;
        Ok(())
    }

    /// Evaluates latents of some of the active samples.
    fn evaluate(&self, latents: &Array2<f32>, of: &[usize], track: bool) -> Result<Seen<'a>, ComponentError> {
        let at: Vec<usize> = of.iter().map(|i| self.active[*i].at).collect();
        let labels: Vec<usize> = at.iter().map(|at| self.batch.labels[*at]).collect();
        let clean = self.before.clean_logits.select(Axis(0), &at);
        self.perturber.parts().see(latents, &labels, &clean, self.perturber.classes, track)
    }

    /// Gradients of the active samples; absent for a retry, which has its own.
    fn gradients(&mut self, t: usize) -> Result<Vec<Option<Array1<f32>>>, ComponentError> {
        let wanted = self.active.iter().any(|a| a.retry.is_none() && a.gradient.is_none());
        let all = if wanted { self.seen.gradient(self.z0.ncols())? } else { None };
        let one = |(a, row): (&Active, &usize)| {
            if a.retry.is_some() {
                return Ok(None);
            }
            if a.gradient.is_some() {
                return Ok(a.gradient.clone());
            }
            if let Some(all) = &all {
                return Ok(Some(all.row(*row).to_owned()));
            }
            let clean = self.before.clean_logits.row(a.at);
            let mut random = estimate::generator(self.batch.seeds[a.at], estimate::GRADIENT, self.restart, t);
            let parts = self.perturber.parts();
            estimate::gradient(&parts, a.latent.view(), self.batch.labels[a.at], clean, &mut random).map(Some)
        };
        self.active.iter().zip(&self.rows).map(one).collect()
    }

    /// Turns gradients into updates. Samples whose score or gradient is not finite end here.
    fn propose(&mut self, gradients: Vec<Option<Array1<f32>>>, t: usize) -> Result<Vec<Try>, PerturbError> {
        let mut tried = Vec::new();
        for (mut a, gradient) in std::mem::take(&mut self.active).into_iter().zip(gradients) {
            let Retry { gradient, update } = match (a.retry.take(), gradient) {
                (Some(retry), _) => retry,
                (None, Some(gradient)) => {
                    let unsound = [("the score", a.score.is_finite()), ("the gradient", all_finite(&gradient))];
                    if let Some((what, _)) = unsound.into_iter().find(|(_, sound)| !sound) {
                        let error = self.nonfinite(a.at, what, t)?;
                        self.perturber.observer.step(&StepView {
                            index: self.batch.indices[a.at],
                            t,
                            latent_before: a.latent.view(),
                            score: a.score,
                            gradient: gradient.view(),
                            attempt: None,
                        });
                        let at = a.at;
                        self.ends[at] = Some(a.fail(t, error, norm(gradient.view())));
                        continue;
                    }
                    let mut update = a.stepper.update(gradient.view(), self.perturber.mask);
                    update *= 0.5_f32.powi(a.halvings as i32);
                    Retry { gradient, update }
                }
                (None, None) => return Err(PerturbError::Batch("a gradient is missing".into())),
            };
            tried.push(Try { latent: &a.latent + &update, gradient, update });
            self.active.push(a);
        }
        Ok(tried)
    }

    /// Judges what the updates gave.
    fn settle(&mut self, tried: Vec<Try>, t: usize) -> Result<(), PerturbError> {
        self.rows.clear();
        for (row, (a, attempt)) in std::mem::take(&mut self.active).into_iter().zip(tried).enumerate() {
            let at = a.at;
            if let Some(what) = self.seen.unsound(row, attempt.latent.view()) {
                let error = self.nonfinite(at, what, t)?;
                self.ends[at] = Some(a.fail(t, error, norm(attempt.gradient.view())));
                continue;
            }
            match self.settle_sample(row, a, attempt, t) {
                Ok(active) => {
                    self.rows.push(row);
                    self.active.push(active);
                }
                Err(end) => self.ends[at] = Some(*end),
            }
        }
        Ok(())
    }

    /// Judges one update, whose image has row `row` in the evaluation: the sample goes on or ends.
    fn settle_sample(&self, row: usize, mut a: Active, attempt: Try, t: usize) -> Result<Active, Box<End>> {
        let Perturber { search, verdict, observer, .. } = *self.perturber;
        let label = self.batch.labels[a.at];
        let (image, oracle, logits) =
            (self.seen.images.index_axis(Axis(0), row), self.seen.oracle.row(row), self.seen.logits.row(row));
        let accepted = verdict.accepts(oracle, label, self.before.clean_oracle.row(a.at), self.first.oracle.row(a.at));
        observer.step(&StepView {
            index: self.batch.indices[a.at],
            t,
            latent_before: a.latent.view(),
            score: a.score,
            gradient: attempt.gradient.view(),
            attempt: Some(Attempt {
                update: attempt.update.view(),
                latent: attempt.latent.view(),
                image,
                oracle,
                logits,
                accepted,
            }),
        });
        let prediction = argmax(logits);
        a.steps.push(StepRecord {
            t,
            score: f64::from(a.score),
            gradient_norm: norm(attempt.gradient.view()),
            oracle_true: oracle.get(label).copied(),
            oracle_class: Some(verdict.class(oracle)),
            prediction: Some(prediction),
            accepted,
        });
        if !accepted {
            if search.on_violation == OnViolation::Halve && a.halvings < search.halvings && t < self.allowed {
                a.halvings += 1;
                a.retry = Some(Retry { gradient: attempt.gradient, update: attempt.update * 0.5 });
                return Ok(a);
            }
            return Err(Box::new(a.end(Outcome::StoppedByOracle, t)));
        }
        a.gradient = self.still[row].then_some(attempt.gradient);
        a.known = self.quantized.as_ref().map(|q| Known::of(q, row, oracle, logits));
        a.latent = attempt.latent;
        a.score = self.seen.scores[row];
        a.image.assign(&image);
        if search.select == Select::Last || a.kept.score.is_none_or(|best| a.score > best) {
            a.kept = Kept {
                from: Some(t),
                image: a.image.clone(),
                latent: a.latent.clone(),
                answer: Answer { logits: logits.to_owned(), oracle: oracle.to_owned() },
                score: Some(a.score),
            };
        }
        if search.early_exit != EarlyExit::Never && prediction != label {
            Err(Box::new(a.end(Outcome::EarlyExit, t)))
        } else if t == self.allowed {
            Err(Box::new(a.end(Outcome::BudgetReached, t)))
        } else {
            Ok(a)
        }
    }

    fn nonfinite(&self, i: usize, what: &str, t: usize) -> Result<String, PerturbError> {
        self.perturber.nonfinite(&self.batch.keys[i], what, t)
    }
}
