//! Algorithm 1 with its components: what comes before the search, restarts, and failures of components.

use ndarray::{Array2, Array4, Axis};
use rand::RngExt;

use super::cache::Lookup;
use super::evaluate::{Parts, expect_shape};
use super::search::{OnNonfinite, Search, StartSaOn};
use super::state::Before;
use super::walk::{StartOf, Walk};
use super::{AnswerCache, Observer, PerturbError, Perturbed, SampleBatch, estimate, finish, outcome, start};
use crate::verdict::Verdict;
use crate::{ComponentError, Generator, Oracle, Scorer, Target};

/// Algorithm 1 with its components and settings.
#[derive(Clone, Copy)]
pub struct Perturber<'a> {
    /// g.
    pub generator: &'a dyn Generator,
    /// h, its classes set.
    pub oracle: &'a dyn Oracle,
    /// θ.
    pub target: &'a dyn Target,
    /// What is maximised.
    pub scorer: &'a dyn Scorer,
    /// Settings of the search.
    pub search: &'a Search,
    /// When the oracle lets an image stand.
    pub verdict: &'a Verdict,
    /// Number of classes that the oracle chooses among.
    pub classes: usize,
    /// One weight a latent value that multiplies gradient and update; absent: all ones.
    pub mask: Option<&'a [f32]>,
    /// Looks on.
    pub observer: &'a dyn Observer,
    /// Knows what does not depend on the target; absent: everything is asked for. Results do not depend on it.
    pub cache: Option<&'a dyn AnswerCache>,
}

impl<'a> Perturber<'a> {
    pub(super) fn parts(&self) -> Parts<'a> {
        Parts {
            generator: self.generator,
            oracle: self.oracle,
            target: self.target,
            scorer: self.scorer,
            search: self.search,
        }
    }

    /// Perturbs a batch; one outcome a sample, in the batch's order.
    ///
    /// A component that fails on the batch is asked again sample by sample, so that only the guilty ones fail.
    ///
    /// # Errors
    /// An inconsistent batch, a cancelled run, or a number that is not finite where that is to abort the run.
    pub fn run(&self, batch: &SampleBatch) -> Result<Vec<Perturbed>, PerturbError> {
        let n = batch.len();
        if [batch.images.len_of(Axis(0)), batch.indices.len(), batch.keys.len(), batch.seeds.len()] != [n; 4] {
            return Err(PerturbError::Batch("images, labels, indices, keys and seeds differ in number".into()));
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
        match self.attempt(batch) {
            Err(PerturbError::Component(error)) if n > 1 => {
                tracing::warn!("{error}; trying the {n} samples of the batch one by one");
                let singles = (0..n).map(|i| self.run(&batch.single(i)));
                singles.map(|r| r.map(|mut one| one.remove(0))).collect()
            }
            Err(PerturbError::Component(error)) => Ok(vec![outcome::failed(batch, &error)]),
            other => other,
        }
    }

    fn attempt(&self, batch: &SampleBatch) -> Result<Vec<Perturbed>, PerturbError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let known = Lookup::of(self, batch)?;
        let before = self.before(batch, &known)?;
        let mut results = self.search_from(batch, &before, &before.z0, StartOf::First(&known))?;
        for restart in 1..=self.search.restarts {
            let noisy = self.noisy(&before.z0, &batch.seeds, restart);
            let again = self.search_from(batch, &before, &noisy, StartOf::Restart(restart))?;
            results = results.into_iter().zip(again).map(|(old, new)| outcome::better(old, new)).collect();
        }
        Ok(results)
    }

    /// Latents of a restart: `z0` with uniform noise, seeded by sample and restart.
    fn noisy(&self, z0: &Array2<f32>, seeds: &[u64], restart: usize) -> Array2<f32> {
        let half = self.search.restart_noise as f32;
        let mut noisy = z0.clone();
        for (mut row, seed) in noisy.outer_iter_mut().zip(seeds) {
            let mut random = estimate::generator(*seed, estimate::NOISE, restart, 0);
            row.mapv_inplace(|v| v + random.random_range(-half..=half));
        }
        noisy
    }

    /// One search of every sample from the given latents.
    fn search_from(
        &self,
        batch: &SampleBatch,
        before: &Before,
        z0: &Array2<f32>,
        start: StartOf<'_, 'a>,
    ) -> Result<Vec<Perturbed>, PerturbError> {
        let mut walk = Walk::begin(self, batch, before, z0, start)?;
        let ends = walk.run()?;
        let ends = finish::ends(self, batch, before, &walk.first, ends)?;
        let told =
            |(i, end)| outcome::of_end((batch, before, self.verdict), i, (&walk.first, walk.accepted0[i], z0), end);
        let outcomes = ends.into_iter().enumerate().map(told);
        Ok(outcomes.zip(walk.cached).map(|(outcome, cached)| Perturbed { cached, ..outcome }).collect())
    }

    /// The message of a sample that fails on a number that is not finite, or the error of a run that is to end for it.
    pub(super) fn nonfinite(&self, key: &str, what: &str, t: usize) -> Result<String, PerturbError> {
        if self.search.on_nonfinite == OnNonfinite::AbortRun {
            return Err(PerturbError::NonFinite { key: key.to_owned(), what: what.to_owned(), t });
        }
        Ok(format!("{what} is not finite"))
    }

    fn before(&self, batch: &SampleBatch, known: &Lookup<'_>) -> Result<Before, PerturbError> {
        let parts = self.parts();
        let clean_logits = parts.logits(batch.images.view())?;
        let clean_oracle = known.judge_originals(&parts, &batch.images, self.classes)?;
        let moved = start::images(&parts, &batch.images, &batch.labels)?;
        let sa_logits = match &moved {
            Some(images) if self.search.start.sa_on == StartSaOn::Start => parts.logits(images.view())?,
            _ => clean_logits.clone(),
        };
        let z0 = known.encode(self, moved.as_ref().unwrap_or(&batch.images), &batch.labels)?;
        Ok(Before { clean_logits, sa_logits, clean_oracle, z0 })
    }

    /// Latents of the images, of the length that the generator's spec states.
    pub(super) fn encode(&self, images: &Array4<f32>, labels: &[usize]) -> Result<Array2<f32>, ComponentError> {
        let z = self.generator.encode(images.view(), labels)?;
        let spec = self.generator.spec();
        let wanted = [labels.len(), spec.latent_len()];
        expect_shape(&format!("generator {:?}", spec.name), "encode images", z.shape(), &wanted)?;
        Ok(z)
    }
}
