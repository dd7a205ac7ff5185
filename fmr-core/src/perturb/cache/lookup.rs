//! What a cache knows about the samples of one batch: its answers are taken, all others are asked for together.

use ndarray::{Array1, Array2, Array3, Array4, ArrayView1, ArrayView4, Axis};

use super::{AnswerCache, CacheKey, CacheUse, TargetFree};
use crate::ComponentError;
use crate::logits::all_finite;
use crate::perturb::evaluate::Request;
use crate::perturb::evaluation::{Evaluation, Judged};
use crate::perturb::originals::OriginalAnswers;
use crate::perturb::{Perturber, SampleBatch, StartKind, same_bits};

/// What a cache knows about a batch. Without a cache it knows nothing and keeps nothing.
pub(in crate::perturb) struct Lookup<'a> {
    cache: Option<&'a dyn AnswerCache>,
    keys: Vec<CacheKey>,
    /// One a sample.
    entries: Vec<Option<TargetFree>>,
    /// Whether the search starts from the originals, and not from images that the target's gradient moved.
    shares_latents: bool,
}

impl<'a> Lookup<'a> {
    /// Looks up a batch.
    ///
    /// # Errors
    /// The cache was told to give up.
    pub(in crate::perturb) fn of(perturber: &Perturber<'a>, batch: &SampleBatch) -> Result<Self, ComponentError> {
        let shares_latents = perturber.search.start.kind == StartKind::None;
        let Some(cache) = perturber.cache else {
            return Ok(Self { cache: None, keys: Vec::new(), entries: vec![None; batch.len()], shares_latents });
        };
        let originals = batch.images.outer_iter().zip(&batch.labels).enumerate();
        let key = |(i, (image, label)): (usize, (_, &usize))| {
            let key = CacheKey::of(image, *label);
            batch.pictures.get(i).map_or(key, |picture| key.of_picture(picture))
        };
        let keys: Vec<CacheKey> = originals.map(key).collect();
        let entry = |key: &CacheKey| -> Result<Option<TargetFree>, ComponentError> {
            let entry = tolerate(cache.get(key))?.flatten();
            if entry.as_ref().is_some_and(|entry| !fits(entry, perturber)) {
                tracing::warn!("the cache's answers for {key} are not this generator's and oracle's; asking them");
                return Ok(None);
            }
            Ok(entry)
        };
        let entries = keys.iter().map(entry).collect::<Result<_, _>>()?;
        Ok(Self { cache: Some(cache), keys, entries, shares_latents })
    }

    /// Oracle's probabilities `[n, classes]` of the originals.
    pub(in crate::perturb) fn judge_originals(
        &self,
        perturber: &Perturber<'_>,
        batch: &SampleBatch,
    ) -> Result<Array2<f32>, ComponentError> {
        let known = self.entries.iter().map(|e| Some(e.as_ref()?.oracle_original.view())).collect();
        complete(known, perturber.classes, |missing| perturber.judge_originals(batch, missing))
    }

    /// Latents `[n, d]` of the images that the search starts from.
    pub(in crate::perturb) fn encode(
        &self,
        perturber: &Perturber<'_>,
        images: &Array4<f32>,
        labels: &[usize],
    ) -> Result<Array2<f32>, ComponentError> {
        let known = self.entries.iter().map(|e| Some(e.as_ref().filter(|_| self.shares_latents)?.latent.view()));
        let known = known.collect();
        complete(known, perturber.generator.spec().latent_len(), |missing| {
            perturber.encode(images.select(Axis(0), missing).view(), &select(labels, missing))
        })
    }

    /// Evaluates the latents that the first search starts from, and tells the cache what it did not know.
    ///
    /// # Errors
    /// A component fails, or the cache was told to give up.
    pub(in crate::perturb) fn evaluate(
        &self,
        perturber: &Perturber<'a>,
        request: Request<'_>,
        originals: &OriginalAnswers,
    ) -> Result<(Evaluation<'a>, Vec<CacheUse>), ComponentError> {
        let known = |e: &Option<TargetFree>| if e.is_some() { CacheUse::Known } else { CacheUse::Unknown };
        let mut uses: Vec<CacheUse> = self.entries.iter().map(known).collect();
        let decode = || self.decode(perturber, request);
        let judge = |images: ArrayView4<'_, f32>| self.judge_reconstructions(perturber, images, &mut uses);
        let evaluation = perturber.evaluate_with(request, decode, judge)?;
        for (i, (judged, used)) in evaluation.images.iter().zip(&uses).enumerate() {
            if self.reconstruction(i).is_none() || *used == CacheUse::Contradicted {
                self.keep(i, originals, judged)?;
            }
        }
        Ok((evaluation, uses))
    }

    /// Images of latents, for a search that needs no gradient there.
    fn decode(
        &self,
        perturber: &Perturber<'_>,
        Request { latents, labels, .. }: Request<'_>,
    ) -> Result<Array4<f32>, ComponentError> {
        let missing: Vec<usize> = (0..labels.len()).filter(|i| self.reconstruction(*i).is_none()).collect();
        if missing.len() == labels.len() {
            return perturber.decode(latents, labels);
        }
        let [c, h, w] = perturber.generator.spec().image;
        let mut images = Array4::zeros((labels.len(), c, h, w));
        for (i, mut image) in images.outer_iter_mut().enumerate() {
            if let Some((known, _)) = self.reconstruction(i) {
                image.assign(known);
            }
        }
        if !missing.is_empty() {
            let decoded = perturber.decode(&latents.select(Axis(0), &missing), &select(labels, &missing))?;
            for (i, image) in missing.into_iter().zip(decoded.outer_iter()) {
                images.index_axis_mut(Axis(0), i).assign(&image);
            }
        }
        Ok(images)
    }

    /// Oracle's probabilities `[n, classes]` of reconstructions. Where one has other bits than the cache holds, `uses`
    /// says so and the oracle is asked again.
    fn judge_reconstructions(
        &self,
        perturber: &Perturber<'_>,
        images: ArrayView4<'_, f32>,
        uses: &mut [CacheUse],
    ) -> Result<Array2<f32>, ComponentError> {
        let mut known = Vec::with_capacity(uses.len());
        for (i, (image, used)) in images.outer_iter().zip(uses).enumerate() {
            known.push(match self.reconstruction(i) {
                Some((cached, oracle)) if same_bits(image, cached) => Some(oracle.view()),
                Some(_) => {
                    *used = CacheUse::Contradicted;
                    None
                }
                None => None,
            });
        }
        complete(known, perturber.classes, |missing| perturber.judge(images.select(Axis(0), missing).view()))
    }

    /// The reconstruction of sample `i` and the oracle's probabilities of it.
    fn reconstruction(&self, i: usize) -> Option<(&Array3<f32>, &Array1<f32>)> {
        let entry = self.entries[i].as_ref().filter(|_| self.shares_latents)?;
        entry.reconstruction.as_ref().zip(entry.oracle_reconstruction.as_ref())
    }

    /// Tells the cache what is known about sample `i`, whose reconstruction is `judged`.
    fn keep(&self, i: usize, originals: &OriginalAnswers, judged: &Judged) -> Result<(), ComponentError> {
        let Some(cache) = self.cache.filter(|_| self.shares_latents) else { return Ok(()) };
        let (latent, oracle_original) = (originals.z0.row(i), originals.oracle.row(i));
        let values = judged.image.iter().chain(&judged.answer.oracle).chain(latent).chain(oracle_original);
        if all_finite(values) {
            let answers = TargetFree {
                latent: latent.to_owned(),
                oracle_original: oracle_original.to_owned(),
                reconstruction: Some(judged.image.clone()),
                oracle_reconstruction: Some(judged.answer.oracle.clone()),
            };
            tolerate(cache.put(&self.keys[i], &answers))?;
        }
        Ok(())
    }
}

/// Whether an entry has the shapes that generator and oracle give.
fn fits(entry: &TargetFree, perturber: &Perturber<'_>) -> bool {
    let spec = perturber.generator.spec();
    let oracle = |scores: &Array1<f32>| scores.len() == perturber.classes;
    entry.latent.len() == spec.latent_len()
        && oracle(&entry.oracle_original)
        && entry.oracle_reconstruction.as_ref().is_none_or(oracle)
        && entry.reconstruction.as_ref().is_none_or(|image| image.shape() == spec.image)
}

/// A cache that fails costs time and no sample, unless it was told to give up.
fn tolerate<T>(result: Result<T, ComponentError>) -> Result<Option<T>, ComponentError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.cancelled => Err(error),
        Err(error) => {
            tracing::warn!("{error}; going on without the cache's answer");
            Ok(None)
        }
    }
}

fn select(labels: &[usize], rows: &[usize]) -> Vec<usize> {
    rows.iter().map(|i| labels[*i]).collect()
}

/// One row of `columns` values a sample: the known ones, and for all others what `ask` says about them together.
fn complete(
    known: Vec<Option<ArrayView1<'_, f32>>>,
    columns: usize,
    ask: impl FnOnce(&[usize]) -> Result<Array2<f32>, ComponentError>,
) -> Result<Array2<f32>, ComponentError> {
    let missing: Vec<usize> = (0..known.len()).filter(|i| known[*i].is_none()).collect();
    if missing.len() == known.len() {
        return ask(&missing);
    }
    let mut rows = Array2::zeros((known.len(), columns));
    for (mut row, known) in rows.outer_iter_mut().zip(&known) {
        if let Some(known) = known {
            row.assign(known);
        }
    }
    if !missing.is_empty() {
        let asked = ask(&missing)?;
        for (i, row) in missing.into_iter().zip(asked.outer_iter()) {
            rows.row_mut(i).assign(&row);
        }
    }
    Ok(rows)
}
