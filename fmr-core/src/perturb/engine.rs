//! The loop.

use ndarray::{Array1, Array2, Array3, Array4, ArrayView1, Axis, s};
use rand::RngExt;

use super::evaluate::{Parts, Seen, expect_shape};
use super::rule::{Stepper, norm};
use super::search::{EarlyExit, OnNonfinite, OnViolation, Search, Select, StartSaOn, State};
use super::{Attempt, Observer, PerturbError, Perturbed, SampleBatch, StepView, estimate, start};
use crate::logits::{all_finite, argmax};
use crate::verdict::Verdict;
use crate::{ComponentError, Generator, Oracle, Outcome, SampleRecord, Scorer, StepRecord, Target};

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
}

/// A sample still being searched.
struct Active<'b> {
    /// Position in the batch.
    at: usize,
    stepper: Stepper,
    latent: Array1<f32>,
    score: f32,
    logits: Array1<f32>,
    image: Array3<f32>,
    /// An update refused before, to be tried again at half its size.
    retry: Option<Array1<f32>>,
    halvings: usize,
    kept: Kept,
    steps: Vec<StepRecord>,
    reconstruction: ArrayView1<'b, f32>,
}

/// The image that is final if nothing better comes.
#[derive(Clone)]
struct Kept {
    from: Option<usize>,
    image: Array3<f32>,
    latent: Array1<f32>,
    logits: Array1<f32>,
    oracle_class: usize,
    score: f32,
}

/// What the search of one sample ends with.
struct End {
    kept: Kept,
    outcome: Outcome,
    ended_at: usize,
    error: Option<String>,
    steps: Vec<StepRecord>,
}

/// What is known of a batch before the search.
struct Before {
    clean_logits: Array2<f32>,
    /// Target's logits on the images that standard accuracy is measured on.
    sa_logits: Array2<f32>,
    clean_oracle: Array2<f32>,
    z0: Array2<f32>,
}

impl<'a> Perturber<'a> {
    fn parts(&self) -> Parts<'a> {
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
            Err(PerturbError::Component(error)) => Ok(vec![failed(batch, &error)]),
            other => other,
        }
    }

    fn attempt(&self, batch: &SampleBatch) -> Result<Vec<Perturbed>, PerturbError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let before = self.before(batch)?;
        let mut results = self.search_from(batch, &before, &before.z0, 0)?;
        for restart in 1..=self.search.restarts {
            let mut z0 = before.z0.clone();
            for (mut row, seed) in z0.outer_iter_mut().zip(&batch.seeds) {
                let mut random = estimate::generator(*seed, 2, restart);
                let half = self.search.restart_noise as f32;
                row.mapv_inplace(|v| v + random.random_range(-half..=half));
            }
            let again = self.search_from(batch, &before, &z0, restart)?;
            for (kept, new) in results.iter_mut().zip(again) {
                if better(&new.record, &kept.record) {
                    let reconstruction = std::mem::take(&mut kept.reconstruction);
                    *kept = Perturbed { reconstruction, ..new };
                }
            }
        }
        Ok(results)
    }

    fn before(&self, batch: &SampleBatch) -> Result<Before, PerturbError> {
        let parts = self.parts();
        let clean_logits = parts.logits(batch.images.view())?;
        let clean_oracle = parts.judge(batch.images.view(), self.classes)?;
        let moved = start::images(&parts, &batch.images, &batch.labels)?;
        let sa_logits = match &moved {
            Some(images) if self.search.start.sa_on == StartSaOn::Start => parts.logits(images.view())?,
            _ => clean_logits.clone(),
        };
        let z0 = self.encode(moved.as_ref().unwrap_or(&batch.images), &batch.labels)?;
        Ok(Before { clean_logits, sa_logits, clean_oracle, z0 })
    }

    fn encode(&self, images: &Array4<f32>, labels: &[usize]) -> Result<Array2<f32>, ComponentError> {
        let z = self.generator.encode(images.view(), labels)?;
        let spec = self.generator.spec();
        let wanted = [labels.len(), spec.latent_len()];
        expect_shape(&format!("generator {:?}", spec.name), "encode images", z.shape(), &wanted)?;
        Ok(z)
    }

    /// One search of every sample from the given latents.
    fn search_from(
        &self,
        batch: &SampleBatch,
        before: &Before,
        z0: &Array2<f32>,
        restart: usize,
    ) -> Result<Vec<Perturbed>, PerturbError> {
        let parts = self.parts();
        let n = batch.len();
        let allowed = self.search.updates_allowed();
        // In image state every update re-encodes, so only the first gradient comes from the first decode.
        let mut seen = parts.see(z0, &batch.labels, &before.clean_logits, self.classes, allowed > 0)?;
        let first_images = seen.images.clone();
        let first_oracle = seen.oracle.clone();
        let first_logits = seen.logits.clone();
        let first_scores = seen.scores.clone();
        let mut ends: Vec<Option<End>> = (0..n).map(|_| None).collect();
        let mut accepted0 = vec![false; n];
        let mut active = Vec::new();
        let mut rows = Vec::new();
        for i in 0..n {
            let scores = first_oracle.row(i);
            let kept = Kept {
                from: Some(0),
                image: first_images.index_axis(Axis(0), i).to_owned(),
                latent: z0.row(i).to_owned(),
                logits: first_logits.row(i).to_owned(),
                oracle_class: self.verdict.class(scores),
                score: first_scores[i],
            };
            let original = || Kept {
                from: None,
                image: batch.images.index_axis(Axis(0), i).to_owned(),
                latent: z0.row(i).to_owned(),
                logits: before.clean_logits.row(i).to_owned(),
                oracle_class: self.verdict.class(before.clean_oracle.row(i)),
                score: f32::NAN,
            };
            let unsound = [
                ("the latent", all_finite(z0.row(i))),
                ("the reconstruction", all_finite(&kept.image)),
                ("a logit", all_finite(&kept.logits)),
                ("an oracle probability", all_finite(scores)),
                ("a logit of the original", all_finite(before.clean_logits.row(i))),
            ];
            if let Some((what, _)) = unsound.into_iter().find(|(_, sound)| !sound) {
                let error = Some(self.nonfinite(batch, i, what, 0)?);
                ends[i] =
                    Some(End { kept: original(), outcome: Outcome::Failed, ended_at: 0, error, steps: Vec::new() });
                continue;
            }
            accepted0[i] = self.verdict.accepts(scores, batch.labels[i], before.clean_oracle.row(i), scores);
            let end = |kept, outcome| End { kept, outcome, ended_at: 0, error: None, steps: Vec::new() };
            if !accepted0[i] {
                ends[i] = Some(end(original(), Outcome::ReconstructionRejected));
            } else if self.search.early_exit == EarlyExit::MisclassifiedFromStart
                && argmax(kept.logits.view()) != batch.labels[i]
            {
                ends[i] = Some(end(kept, Outcome::EarlyExit));
            } else if allowed == 0 {
                ends[i] = Some(end(kept, Outcome::BudgetReached));
            } else {
                rows.push(i);
                active.push(Active {
                    at: i,
                    stepper: Stepper::new(self.search.rule, self.search.step_size, z0.ncols()),
                    latent: kept.latent.clone(),
                    score: kept.score,
                    logits: kept.logits.clone(),
                    image: kept.image.clone(),
                    retry: None,
                    halvings: 0,
                    kept,
                    steps: Vec::new(),
                    reconstruction: first_oracle.row(i),
                });
            }
        }

        for t in 1..=allowed {
            if active.is_empty() {
                break;
            }
            if !self.observer.keep_going() {
                return Err(PerturbError::Cancelled);
            }
            if self.search.state == State::Image && t > 1 {
                self.re_encode(batch, before, &mut active)?;
                let labels: Vec<usize> = active.iter().map(|a| batch.labels[a.at]).collect();
                let clean = pick(&before.clean_logits, &active);
                seen = parts.see(&stack(&active), &labels, &clean, self.classes, true)?;
                for (a, score) in active.iter_mut().zip(&seen.scores) {
                    a.score = *score;
                }
                rows = (0..active.len()).collect();
            }
            let gradients = self.gradients(batch, before, &active, &mut seen, &rows, t, restart)?;
            let tried = self.propose(batch, &mut active, gradients, t, &mut ends)?;
            if active.is_empty() {
                break;
            }
            let latents = stack_of(tried.iter().map(|t| t.latent.view()), z0.ncols());
            let labels: Vec<usize> = active.iter().map(|a| batch.labels[a.at]).collect();
            let clean = pick(&before.clean_logits, &active);
            let track = t < allowed && self.search.state == State::Latent;
            seen = parts.see(&latents, &labels, &clean, self.classes, track)?;
            rows = self.settle(batch, before, &mut active, tried, &seen, t, allowed, &mut ends)?;
        }

        let outcomes = ends.into_iter().enumerate().map(|(i, end)| {
            // Every sample is given an end above: the last update settles whatever is still active.
            let end = end.ok_or_else(|| PerturbError::Batch(format!("sample {i} did not end")))?;
            let start = Kept {
                from: Some(0),
                image: first_images.index_axis(Axis(0), i).to_owned(),
                latent: z0.row(i).to_owned(),
                logits: first_logits.row(i).to_owned(),
                oracle_class: self.verdict.class(first_oracle.row(i)),
                score: first_scores[i],
            };
            Ok(self.outcome(batch, before, i, accepted0[i], start, end))
        });
        outcomes.collect()
    }

    /// Latents of the last accepted images, encoded anew.
    fn re_encode(&self, batch: &SampleBatch, before: &Before, active: &mut [Active<'_>]) -> Result<(), PerturbError> {
        let mut images =
            Array4::zeros((active.len(), batch.images.dim().1, batch.images.dim().2, batch.images.dim().3));
        for (mut row, a) in images.outer_iter_mut().zip(active.iter()) {
            row.assign(&a.image);
        }
        let labels: Vec<usize> = active.iter().map(|a| batch.labels[a.at]).collect();
        let z = self.encode(&images, &labels)?;
        for (a, row) in active.iter_mut().zip(z.outer_iter()) {
            a.latent = row.to_owned();
        }
        debug_assert_eq!(before.z0.ncols(), z.ncols());
        Ok(())
    }

    /// Gradients of the active samples, whose rows in the last evaluation are `rows`; absent for a retry.
    #[expect(clippy::too_many_arguments, reason = "the state of the loop")]
    fn gradients(
        &self,
        batch: &SampleBatch,
        before: &Before,
        active: &[Active<'_>],
        seen: &mut Seen<'_>,
        rows: &[usize],
        t: usize,
        restart: usize,
    ) -> Result<Vec<Option<Array1<f32>>>, PerturbError> {
        let all = if active.iter().any(|a| a.retry.is_none()) { seen.gradient(before.z0.ncols())? } else { None };
        let one = |(a, row): (&Active<'_>, &usize)| {
            if a.retry.is_some() {
                return Ok(None);
            }
            match &all {
                Some(all) => Ok(Some(all.row(*row).to_owned())),
                None => {
                    let seed = batch.seeds[a.at].wrapping_add(restart as u64);
                    let clean = before.clean_logits.row(a.at);
                    estimate::gradient(&self.parts(), a.latent.view(), batch.labels[a.at], clean, seed, t).map(Some)
                }
            }
        };
        Ok(active.iter().zip(rows).map(one).collect::<Result<_, ComponentError>>()?)
    }

    /// Turns gradients into updates. Samples whose score or gradient is not finite end here.
    fn propose(
        &self,
        batch: &SampleBatch,
        active: &mut Vec<Active<'_>>,
        gradients: Vec<Option<Array1<f32>>>,
        t: usize,
        ends: &mut [Option<End>],
    ) -> Result<Vec<Try>, PerturbError> {
        let mut tried = Vec::new();
        let mut kept = Vec::new();
        for (mut a, gradient) in active.drain(..).zip(gradients) {
            let (gradient, update) = match (a.retry.take(), gradient) {
                (Some(update), _) => (Array1::zeros(update.len()), update),
                (None, Some(gradient)) => {
                    let what = if !a.score.is_finite() {
                        Some("the score")
                    } else if !all_finite(&gradient) {
                        Some("the gradient")
                    } else {
                        None
                    };
                    if let Some(what) = what {
                        let error = Some(self.nonfinite(batch, a.at, what, t)?);
                        self.observer.step(&StepView {
                            index: batch.indices[a.at],
                            t,
                            latent_before: a.latent.view(),
                            score: a.score,
                            gradient: gradient.view(),
                            attempt: None,
                        });
                        a.steps.push(unfinished(t, a.score, norm(gradient.view())));
                        ends[a.at] =
                            Some(End { kept: a.kept, outcome: Outcome::Failed, ended_at: t, error, steps: a.steps });
                        continue;
                    }
                    let mut update = a.stepper.update(gradient.view(), self.mask);
                    if a.halvings > 0 {
                        update *= 0.5_f32.powi(a.halvings as i32);
                    }
                    (gradient, update)
                }
                (None, None) => return Err(PerturbError::Batch("a gradient is missing".into())),
            };
            let latent = &a.latent + &update;
            tried.push(Try { gradient, update, latent });
            kept.push(a);
        }
        *active = kept;
        Ok(tried)
    }

    /// Judges what the updates gave. Returns the rows of the evaluation that the still active samples have.
    #[expect(clippy::too_many_arguments, reason = "the state of the loop")]
    fn settle(
        &self,
        batch: &SampleBatch,
        before: &Before,
        active: &mut Vec<Active<'_>>,
        tried: Vec<Try>,
        seen: &Seen<'_>,
        t: usize,
        allowed: usize,
        ends: &mut [Option<End>],
    ) -> Result<Vec<usize>, PerturbError> {
        let mut rows = Vec::new();
        let mut still = Vec::new();
        for (row, (mut a, attempt)) in active.drain(..).zip(tried).enumerate() {
            let label = batch.labels[a.at];
            let (image, oracle, logits) =
                (seen.images.index_axis(Axis(0), row), seen.oracle.row(row), seen.logits.row(row));
            let gradient_norm = norm(attempt.gradient.view());
            let unsound = [
                ("the latent", all_finite(&attempt.latent)),
                ("the image", all_finite(image.iter())),
                ("a logit", all_finite(logits)),
                ("an oracle probability", all_finite(oracle)),
            ];
            if let Some((what, _)) = unsound.into_iter().find(|(_, sound)| !sound) {
                let error = Some(self.nonfinite(batch, a.at, what, t)?);
                a.steps.push(unfinished(t, a.score, gradient_norm));
                ends[a.at] = Some(End { kept: a.kept, outcome: Outcome::Failed, ended_at: t, error, steps: a.steps });
                continue;
            }
            let accepted = self.verdict.accepts(oracle, label, before.clean_oracle.row(a.at), a.reconstruction);
            self.observer.step(&StepView {
                index: batch.indices[a.at],
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
                gradient_norm,
                oracle_true: oracle.get(label).copied(),
                oracle_class: Some(self.verdict.class(oracle)),
                prediction: Some(prediction),
                accepted,
            });
            let end = |a: Active<'_>, outcome| End { kept: a.kept, outcome, ended_at: t, error: None, steps: a.steps };
            let at = a.at;
            if accepted {
                a.latent = attempt.latent;
                a.score = seen.scores[row];
                a.logits = logits.to_owned();
                a.image = image.to_owned();
                if self.search.select == Select::Last || a.score > a.kept.score {
                    a.kept = Kept {
                        from: Some(t),
                        image: a.image.clone(),
                        latent: a.latent.clone(),
                        logits: a.logits.clone(),
                        oracle_class: self.verdict.class(oracle),
                        score: a.score,
                    };
                }
                if self.search.early_exit != EarlyExit::Never && prediction != label {
                    ends[at] = Some(end(a, Outcome::EarlyExit));
                } else if t == allowed {
                    ends[at] = Some(end(a, Outcome::BudgetReached));
                } else {
                    rows.push(row);
                    still.push(a);
                }
            } else if self.search.on_violation == OnViolation::Halve && a.halvings < self.search.halvings && t < allowed
            {
                a.halvings += 1;
                a.retry = Some(attempt.update * 0.5);
                rows.push(row);
                still.push(a);
            } else {
                ends[at] = Some(end(a, Outcome::StoppedByOracle));
            }
        }
        *active = still;
        Ok(rows)
    }

    /// The message of a sample that fails, or the error of a run that is to end for it.
    fn nonfinite(&self, batch: &SampleBatch, i: usize, what: &str, t: usize) -> Result<String, PerturbError> {
        if self.search.on_nonfinite == OnNonfinite::AbortRun {
            return Err(PerturbError::NonFinite { key: batch.keys[i].clone(), what: what.to_owned(), t });
        }
        Ok(format!("{what} is not finite"))
    }

    fn outcome(
        &self,
        batch: &SampleBatch,
        before: &Before,
        i: usize,
        accepted0: bool,
        start: Kept,
        end: End,
    ) -> Perturbed {
        let moved =
            end.kept.latent.iter().zip(&start.latent).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
        let score = |kept: &Kept| f64::from(if kept.score.is_nan() { start.score } else { kept.score });
        let record = SampleRecord {
            index: batch.indices[i],
            key: batch.keys[i].clone(),
            label: batch.labels[i],
            clean_prediction: argmax(before.sa_logits.row(i)),
            clean_oracle: self.verdict.class(before.clean_oracle.row(i)),
            reconstruction_prediction: argmax(start.logits.view()),
            reconstruction_oracle: start.oracle_class,
            reconstruction_accepted: accepted0,
            score0: f64::from(start.score),
            final_score: score(&end.kept),
            final_prediction: argmax(end.kept.logits.view()),
            final_oracle: end.kept.oracle_class,
            outcome: end.outcome,
            ended_at: end.ended_at,
            accepted_updates: end.steps.iter().filter(|s| s.accepted).count(),
            final_from: end.kept.from,
            latent_moved: if end.kept.from.is_some() { moved } else { 0.0 },
            error: end.error,
            steps: end.steps,
        };
        Perturbed {
            record,
            original: batch.images.slice(s![i, .., .., ..]).to_owned(),
            reconstruction: start.image,
            final_image: end.kept.image,
            final_logits: end.kept.logits,
            final_latent: end.kept.latent,
        }
    }
}

/// A proposed update.
struct Try {
    gradient: Array1<f32>,
    update: Array1<f32>,
    latent: Array1<f32>,
}

fn unfinished(t: usize, score: f32, gradient_norm: f64) -> StepRecord {
    StepRecord {
        t,
        score: f64::from(score),
        gradient_norm,
        oracle_true: None,
        oracle_class: None,
        prediction: None,
        accepted: false,
    }
}

fn stack(active: &[Active<'_>]) -> Array2<f32> {
    stack_of(active.iter().map(|a| a.latent.view()), active.first().map_or(0, |a| a.latent.len()))
}

fn stack_of<'r>(rows: impl ExactSizeIterator<Item = ArrayView1<'r, f32>>, len: usize) -> Array2<f32> {
    let mut all = Array2::zeros((rows.len(), len));
    for (mut to, from) in all.outer_iter_mut().zip(rows) {
        to.assign(&from);
    }
    all
}

fn pick(rows: &Array2<f32>, active: &[Active<'_>]) -> Array2<f32> {
    let indices: Vec<usize> = active.iter().map(|a| a.at).collect();
    rows.select(Axis(0), &indices)
}

/// Whether a restart's outcome is to be kept instead: it did not fail, stands on a perturbed image, and scores higher.
fn better(new: &SampleRecord, old: &SampleRecord) -> bool {
    let stands = |r: &SampleRecord| r.outcome != Outcome::Failed && r.final_from.is_some();
    stands(new) && (!stands(old) || new.final_score > old.final_score)
}

/// The outcome of a sample on which a component failed.
fn failed(batch: &SampleBatch, error: &ComponentError) -> Perturbed {
    let original = batch.images.index_axis(Axis(0), 0).to_owned();
    // Nothing is known of it: predictions that cannot be true count it as wrong everywhere.
    let unknown = usize::MAX;
    Perturbed {
        record: SampleRecord {
            index: batch.indices[0],
            key: batch.keys[0].clone(),
            label: batch.labels[0],
            clean_prediction: unknown,
            clean_oracle: unknown,
            reconstruction_prediction: unknown,
            reconstruction_oracle: unknown,
            reconstruction_accepted: false,
            score0: 0.0,
            final_score: 0.0,
            final_prediction: unknown,
            final_oracle: unknown,
            outcome: Outcome::Failed,
            ended_at: 0,
            accepted_updates: 0,
            final_from: None,
            latent_moved: 0.0,
            error: Some(error.to_string()),
            steps: Vec::new(),
        },
        reconstruction: original.clone(),
        final_image: original.clone(),
        original,
        final_logits: Array1::zeros(0),
        final_latent: Array1::zeros(0),
    }
}
