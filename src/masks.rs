//! Masks of rows: read from a file, or learned from images that the row does not evaluate.

use std::path::{Path, PathBuf};
use std::time::Instant;

use fmr_core::perturb::{PerturbError, Perturbed, Perturber, Spread, Workers};
use fmr_core::{ComponentError, Generator};
use fmr_data::Samples;
use fmr_experiment::MaskTable;
use fmr_mask::{LatentPairs, Latents, Learned, Mask, MaskError, MaskFigures, Origin, learn};
use fmr_store::{EXPERIMENT_FILE, RunStore};
use ndarray::{Array2, ArrayView2, Axis};

use crate::error::Error;
use crate::prepare::ReadyRow;

/// Folder of the masks inside a run's folder.
pub const MASKS: &str = "masks";

/// The mask that a row runs with.
pub struct RowMask {
    /// Its table in the experiment file.
    pub table: MaskTable,
    /// Where it comes from.
    pub source: MaskSource,
}

impl RowMask {
    /// The mask and the images that it is learned from, unless it is read from a file.
    pub fn learns(&self) -> Option<(&Self, &Samples)> {
        match &self.source {
            MaskSource::Learn(samples) => Some((self, samples)),
            MaskSource::File(_) => None,
        }
    }
}

/// Where a mask comes from.
pub enum MaskSource {
    /// It was read from a file, and fits the generator.
    File(Box<Mask>),
    /// It is learned from these images.
    Learn(Samples),
}

/// A mask that was learned, and what that cost.
pub struct LearnedMask {
    /// What was found.
    pub learned: Learned,
    /// Images that were perturbed for it.
    pub images: usize,
    /// Seconds for perturbing them and for the fit.
    pub seconds: f64,
}

impl LearnedMask {
    pub(crate) fn figures(&self, label: &str) -> MaskFigures {
        let figures = MaskFigures::of(&self.learned.mask, label);
        MaskFigures { images: Some(self.images), seconds: Some(self.seconds), ..figures }
    }
}

/// Learns the mask of a row as its table says (paper, section 3.2.1): perturbs the images without a mask, under the
/// row's own settings, and tells latents before from latents after. `spread` says how far encodings spread, where the search
/// asks. Images whose search accepted no update give no pair.
///
/// The result depends on the images and settings alone. `None` where `workers` were told not to continue.
///
/// # Errors
/// A component ends the search, or the latents do not make a problem.
pub fn learn_mask(
    row: &ReadyRow,
    mask: &RowMask,
    samples: &Samples,
    spread: Option<&Spread>,
    workers: &Workers<'_>,
    mut done: impl FnMut(&[Perturbed]),
) -> Result<Option<LearnedMask>, Error> {
    let begin = Instant::now();
    let settings = &mask.table.settings;
    let mut pairs = Vec::new();
    let mut finished = 0;
    let positions: Vec<usize> = (0..samples.len()).collect();
    let perturber = Perturber { spread, ..row.perturber(None) };
    let run = workers.run::<Error>(&perturber, &positions, &|at| Ok(samples.batch(at)?), |batch| {
        for sample in &batch {
            pairs.extend(pair(&*row.generator, settings.latents, sample).map_err(PerturbError::from)?);
        }
        finished += batch.len();
        done(&batch);
        Ok(())
    });
    match run {
        Err(Error::Perturb(PerturbError::Cancelled)) if !(workers.go_on)() => return Ok(None),
        Ok(()) if finished < samples.len() => return Ok(None),
        other => other?,
    }
    // Workers hand batches over in no particular order.
    pairs.sort_by_key(|pair| pair.index);
    let rows = |of: fn(&Pair) -> &Vec<f32>| {
        let values = pairs.iter().flat_map(|pair| of(pair).iter().copied()).collect();
        Array2::from_shape_vec((pairs.len(), row.generator.spec().latent_len()), values)
    };
    let (Ok(originals), Ok(perturbed)) = (rows(|p| &p.original), rows(|p| &p.perturbed)) else {
        let problem = "its latents are not as long as its spec says";
        return Err(PerturbError::from(latents_error(&*row.generator, problem)).into());
    };
    let pairs = LatentPairs {
        originals: originals.view(),
        perturbed: perturbed.view(),
        layout: &row.generator.spec().latent,
        origin: origin(row, mask),
    };
    let learned = learn(&pairs, settings).map_err(|error| Error::mask(row, error))?;
    Ok(Some(LearnedMask { learned, images: finished, seconds: begin.elapsed().as_secs_f64() }))
}

/// What the mask file says of where it comes from.
fn origin(row: &ReadyRow, mask: &RowMask) -> Origin {
    Origin {
        generator: Some(row.generator.spec().name.clone()),
        weights_hash: row.weights_hash().map(str::to_owned),
        data: mask.table.learn_from.clone(),
        experiment: None,
        row: Some(row.settings.id.clone()),
    }
}

/// Latents of one image, and of what the search made of it.
struct Pair {
    index: usize,
    original: Vec<f32>,
    perturbed: Vec<f32>,
}

/// The latents that stand for a sample, as `latents` chooses them; `None` where no update was accepted.
fn pair(generator: &dyn Generator, latents: Latents, sample: &Perturbed) -> Result<Option<Pair>, ComponentError> {
    let record = &sample.record;
    if record.outcome.is_failure() || record.final_from.is_none_or(|t| t == 0) {
        return Ok(None);
    }
    let image = sample.original.view().insert_axis(Axis(0));
    let original = generator.encode(image, &[record.label])?;
    let perturbed = sample.final_latent.view().insert_axis(Axis(0));
    let quantized = |latents: ArrayView2<'_, f32>| -> Result<Array2<f32>, ComponentError> {
        let seen = match generator.quantized(latents)? {
            Some(seen) => seen,
            // One that quantises at the end decodes them as they are until then.
            None => generator.finish(latents, &[record.label])?.unwrap_or_else(|| latents.to_owned()),
        };
        if seen.ncols() == latents.ncols() {
            return Ok(seen);
        }
        let problem = "codebook vectors are not of the latents' layout; learn with latents = \"both-encoder\"";
        Err(latents_error(generator, problem))
    };
    let (original, perturbed) = match latents {
        Latents::BothQuantized => (quantized(original.view())?, quantized(perturbed)?),
        Latents::BothEncoder => (original, perturbed.to_owned()),
        Latents::Paper => (original, quantized(perturbed)?),
    };
    let row = |latents: Array2<f32>| latents.into_iter().collect();
    Ok(Some(Pair { index: record.index, original: row(original), perturbed: row(perturbed) }))
}

fn latents_error(generator: &dyn Generator, problem: &str) -> ComponentError {
    ComponentError::new(format!("generator {:?}", generator.spec().name), "give latents to learn a mask from", problem)
}

/// The mask of a row as weights for the step rule, made ready in the run's folder: read, learned, or found there from
/// before. `shared` is where runs that share a cache keep it. `None` where the row has none.
pub(crate) fn ready(
    row: &ReadyRow,
    spread: Option<&Spread>,
    workers: &Workers<'_>,
    shared: Option<&Path>,
    store: &mut RunStore,
    done: impl FnMut(&[Perturbed]),
) -> Result<Option<Vec<f32>>, Error> {
    let Some(part) = &row.mask else { return Ok(None) };
    let id = &row.plan.id;
    let path = path_in(store.dir(), row);
    let before: Option<MaskFigures> = store.facts(id)?.mask;
    let known = |mask: &Mask| before.as_ref().is_some_and(|figures| figures.hash == mask.hash());
    let mask = match (&part.source, Mask::load(&path).ok().filter(known)) {
        (_, Some(mask)) => mask,
        (MaskSource::File(mask), None) => {
            keep(store, row, &path, mask, &MaskFigures::of(mask, &part.table.label))?;
            (**mask).clone()
        }
        (MaskSource::Learn(samples), None) => {
            let (mut mask, figures) = match shared.and_then(read_kept) {
                Some(kept) => kept,
                None => {
                    let Some(learned) = learn_mask(row, part, samples, spread, workers, done)? else {
                        return Err(Error::Interrupted { dir: store.dir().to_owned() });
                    };
                    let figures = learned.figures(&part.table.label);
                    if let Some(shared) = shared {
                        keep_beside(row, shared, &learned.learned.mask, &figures)?;
                    }
                    (learned.learned.mask, figures)
                }
            };
            if before.is_some() && !known(&mask) {
                return Err(Error::MaskChanged { row: id.clone(), path });
            }
            mask.origin.experiment = Some(Path::new("..").join(EXPERIMENT_FILE));
            keep(store, row, &path, &mask, &figures)?;
            mask
        }
    };
    row.weigh(&mask).map(Some).map_err(|error| Error::mask(row, error))
}

/// Where a run keeps the mask of a row.
pub(crate) fn path_in(dir: &Path, row: &ReadyRow) -> PathBuf {
    dir.join(MASKS).join(format!("{}.mask", row.plan.file_name()))
}

/// Writes the mask, a picture of it and its figures.
fn keep(store: &mut RunStore, row: &ReadyRow, path: &Path, mask: &Mask, figures: &MaskFigures) -> Result<(), Error> {
    save(mask, path).map_err(|error| Error::mask(row, error))?;
    // Last: a file that no fact speaks of is not trusted.
    Ok(store.update_facts(&row.plan.id, |facts| facts.mask = Some(figures.clone()))?)
}

/// Keeps a mask for runs that share a cache, and beside it what it cost.
pub(crate) fn keep_beside(row: &ReadyRow, path: &Path, mask: &Mask, figures: &MaskFigures) -> Result<(), Error> {
    let failed = |error: String| Error::mask(row, MaskError::file(path, format!("cannot be kept: {error}")));
    save(mask, path).map_err(|error| Error::mask(row, error))?;
    // Last: a mask that no figures speak of is not taken.
    let text = serde_json::to_vec(figures).map_err(|error| failed(error.to_string()))?;
    fmr_files::replace(&path.with_extension("json"), &text).map_err(|error| failed(error.to_string()))
}

/// A mask that was kept so, whole.
pub(crate) fn read_kept(path: &Path) -> Option<(Mask, MaskFigures)> {
    let mask = Mask::load(path).ok()?;
    let figures: MaskFigures = serde_json::from_slice(&std::fs::read(path.with_extension("json")).ok()?).ok()?;
    (figures.hash == mask.hash()).then_some((mask, figures))
}

/// Writes a mask, and beside it its picture.
///
/// # Errors
/// The folder cannot be written.
pub fn save(mask: &Mask, path: &Path) -> Result<PathBuf, MaskError> {
    if let Some(folder) = path.parent() {
        let failed = |e: std::io::Error| MaskError::file(path, format!("cannot be written: {e}"));
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    mask.save(path)?;
    let picture = path.with_extension("png");
    let drawn = fmr_report::mask_art::save(&fmr_report::mask_art::picture(mask), &picture);
    drawn.map_err(|e| MaskError::file(&picture, format!("cannot be written: {e}")))?;
    Ok(picture)
}
