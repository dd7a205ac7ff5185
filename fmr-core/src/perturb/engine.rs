//! Algorithm 1 with its components: what comes before the search, restarts, and failures of components.

use std::borrow::Cow;
use std::ops::Range;

use ndarray::{Array2, Axis, s};
use rand::RngExt;

use super::begin::StartFrom;
use super::cache::Lookup;
use super::originals::{Context, Movable, OriginalAnswers};
use super::search::Search;
use super::settings::{OnNonfinite, SearchSettings, StepUnit};
use super::{AnswerCache, Observer, PerturbError, Perturbed, SampleBatch, Spread, estimate, finish, outcome};
use crate::verdict::Verdict;
use crate::{Generator, Oracle, Scorer, Target};

/// Algorithm 1 with its components and settings.
///
#[doc = include_str!("example.md")]
#[derive(Clone, Copy)]
pub struct Perturber<'a> {
    /// The image model g.
    pub generator: &'a dyn Generator,
    /// The foundation model h, its classes set.
    pub oracle: &'a dyn Oracle,
    /// The classifier θ under test.
    pub target: &'a dyn Target,
    /// The score that the search maximises.
    pub scorer: &'a dyn Scorer,
    /// Settings of the search.
    pub search: &'a SearchSettings,
    /// Turns the oracle's probabilities into acceptance or rejection.
    pub verdict: &'a Verdict,
    /// Number of classes that the oracle chooses from.
    pub classes: usize,
    /// One weight per latent value, multiplied with gradient and update; absent: all ones.
    pub mask: Option<&'a [f32]>,
    /// How far the generator's encodings spread. The search needs it where it steps in that unit; given, records say how far
    /// latents moved in it.
    pub spread: Option<&'a Spread>,
    /// Is shown every update, and may cancel the run.
    pub observer: &'a dyn Observer,
    /// Holds answers that do not depend on the target. Results are the same with and without it.
    pub cache: Option<&'a dyn AnswerCache>,
}

impl<'a> Perturber<'a> {
    /// Perturbs a batch. Returns one result per sample, in the batch's order.
    ///
    /// If a component fails on the batch, its samples are perturbed one by one, so that only those that cause the failure
    /// fail ([`Outcome::ComponentFailed`](crate::Outcome::ComponentFailed)).
    ///
    /// # Errors
    /// - [`PerturbError::Batch`]: the batch is inconsistent, or does not fit generator or mask.
    /// - [`PerturbError::Cancelled`]: the observer or a component ended the run.
    /// - [`PerturbError::NonFinite`]: a number is not finite, and `search.on-nonfinite` is `"abort-run"`.
    pub fn run(&self, batch: &SampleBatch) -> Result<Vec<Perturbed>, PerturbError> {
        let n = batch.len();
        if [batch.images.len_of(Axis(0)), batch.indices.len(), batch.keys.len(), batch.seeds.len()] != [n; 4] {
            return Err(PerturbError::Batch("images, labels, indices, keys and seeds differ in number".into()));
        }
        if !batch.pictures.is_empty() && batch.pictures.len() != n {
            return Err(PerturbError::Batch("pictures and labels differ in number".into()));
        }
        if batch.images.shape()[1..] != self.generator.spec().image {
            let problem = format!(
                "images are {:?}, the generator takes {:?}",
                &batch.images.shape()[1..],
                self.generator.spec().image
            );
            return Err(PerturbError::Batch(problem));
        }
        if let Some(mask) = self.mask.filter(|m| m.len() != self.generator.spec().latent_len()) {
            let problem =
                format!("the mask has {} values, a latent {}", mask.len(), self.generator.spec().latent_len());
            return Err(PerturbError::Batch(problem));
        }
        let frozen = self.search.frozen(self.generator.spec()).map_err(|e| PerturbError::Batch(e.to_string()))?;
        let units = self.units()?;
        let weights = self.weights(units.as_deref(), &frozen);
        let movable = Movable { weights: weights.as_deref(), units: units.as_deref(), frozen: &frozen };
        match self.attempt(batch, movable) {
            Err(PerturbError::Component(error)) if n > 1 => {
                tracing::warn!("{error}; trying the {n} samples of the batch one by one");
                let singles = (0..n).map(|i| self.run(&batch.single(i)));
                singles.map(|r| r.map(|mut one| one.remove(0))).collect()
            }
            Err(PerturbError::Component(error)) => Ok(vec![outcome::failed(batch, &error)]),
            other => other,
        }
    }

    /// The unit of each latent value, where it is not the latent's own.
    fn units(&self) -> Result<Option<Vec<f32>>, PerturbError> {
        if self.spread.is_some_and(|spread| !spread.fits(&self.generator.spec().latent)) {
            return Err(PerturbError::Batch("the spread is of a different generator's latents".into()));
        }
        match (self.search.step_unit, self.spread) {
            (StepUnit::Latent, _) => Ok(None),
            (StepUnit::Spread, Some(spread)) => Ok(Some(spread.weights())),
            (StepUnit::Spread, None) => Err(PerturbError::Batch(
                "search.step-unit is \"spread\", and nobody says how far latents spread".into(),
            )),
        }
    }

    /// What each value's gradient and update are multiplied with: the mask's weight, the unit, and 0 in frozen blocks.
    /// `None` where all are 1.
    fn weights(&self, units: Option<&[f32]>, frozen: &[Range<usize>]) -> Option<Cow<'a, [f32]>> {
        if units.is_none() && frozen.is_empty() {
            return self.mask.map(Cow::Borrowed);
        }
        let ones = || vec![1.0; self.generator.spec().latent_len()];
        let mut weights = self.mask.map_or_else(ones, <[f32]>::to_vec);
        weights.iter_mut().zip(units.into_iter().flatten()).for_each(|(weight, unit)| *weight *= unit);
        for block in frozen {
            weights[block.clone()].fill(0.0);
        }
        Some(Cow::Owned(weights))
    }

    fn attempt(&self, batch: &SampleBatch, movable: Movable<'_>) -> Result<Vec<Perturbed>, PerturbError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let known = Lookup::of(self, batch)?;
        let originals = OriginalAnswers::ask(self, batch, &known)?;
        let context = Context { perturber: self, batch, originals: &originals, movable };
        let mut results = Self::search_from(context, StartFrom::First(&known))?;
        for number in 1..=self.search.restarts {
            let latents = &self.noisy(&originals.z0, &batch.seeds, number, movable);
            let again = Self::search_from(context, StartFrom::Restart { latents, number })?;
            results = results.into_iter().zip(again).map(|(old, new)| outcome::better(old, new)).collect();
        }
        Ok(results)
    }

    /// Latents of a restart: `z0` with uniform noise, seeded by sample and restart.
    fn noisy(&self, z0: &Array2<f32>, seeds: &[u64], restart: usize, movable: Movable<'_>) -> Array2<f32> {
        let half = self.search.restart_noise as f32;
        let mut noisy = z0.clone();
        for ((mut row, first), seed) in noisy.outer_iter_mut().zip(z0.outer_iter()).zip(seeds) {
            let mut random = estimate::generator(*seed, estimate::NOISE, restart, 0);
            row.mapv_inplace(|v| v + random.random_range(-half..=half));
            for block in movable.frozen {
                row.slice_mut(s![block.clone()]).assign(&first.slice(s![block.clone()]));
            }
            if let Some(ball) = &self.search.projection {
                let projected = ball.project(row.to_owned(), first, movable.units);
                row.assign(&projected);
            }
        }
        noisy
    }

    /// One search of every sample.
    fn search_from(context: Context<'_, 'a>, start: StartFrom<'_, 'a>) -> Result<Vec<Perturbed>, PerturbError> {
        let mut searched = Search::begin(context, start)?.run()?;
        finish::finish(context, &mut searched)?;
        Ok(searched.into_iter().enumerate().map(|(i, searched)| outcome::of(context, i, searched)).collect())
    }

    /// The message of a sample that fails on a number that is not finite, or the error of a run that is to end for it.
    pub(super) fn nonfinite(&self, key: &str, what: &str, t: usize) -> Result<String, PerturbError> {
        if self.search.on_nonfinite == OnNonfinite::AbortRun {
            return Err(PerturbError::NonFinite { key: key.to_owned(), what: what.to_owned(), t });
        }
        Ok(format!("{what} is not finite"))
    }
}
