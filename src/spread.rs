//! How far a generator's encodings spread, for searches that step or report in that unit.

use fmr_core::perturb::{
    AnswerCache, PerturbError, Perturbed, Perturber, SearchSettings, Spread, SpreadSum, Start, StepUnit, Workers,
};
use fmr_store::RunStore;

use crate::error::Error;
use crate::prepare::ReadyRow;

/// The spread that a row's search asks for, kept with the run: found there from before, or measured on the row's first
/// images. These are the same in every part of a run. `None` where the search does not ask.
pub(crate) fn ready(
    row: &ReadyRow,
    workers: &Workers<'_>,
    cache: Option<&dyn AnswerCache>,
    store: &mut RunStore,
) -> Result<Option<Spread>, Error> {
    let id = &row.plan.id;
    if row.settings.search.images_for_spread() == 0 {
        return Ok(None);
    }
    if let Some(known) = store.facts(id)?.spread {
        return Ok(Some(known));
    }
    let spread = measure(row, workers, cache, row.settings.search.images_for_spread())?;
    if spread.is_none() && !(workers.go_on)() {
        return Err(Error::Interrupted { dir: store.dir().to_owned() });
    }
    store.update_facts(id, |facts| facts.spread.clone_from(&spread))?;
    Ok(spread)
}

/// Encodes the row's first `most` images. `None` where `workers` were told not to continue.
///
/// # Errors
/// A component fails on all of them, or all encodings are the same where the search steps in that unit.
pub(crate) fn measure(
    row: &ReadyRow,
    workers: &Workers<'_>,
    cache: Option<&dyn AnswerCache>,
    most: usize,
) -> Result<Option<Spread>, Error> {
    let positions: Vec<usize> = (0..row.samples.len().min(most)).collect();
    let mut encoded: Vec<Perturbed> = Vec::new();
    if !begin_searches(row, workers, cache, &positions, |batch| encoded.extend(batch))? {
        return Ok(None);
    }
    // Workers hand batches over in no particular order.
    encoded.sort_by_key(|sample| sample.record.index);
    let spec = row.generator.spec();
    let mut sum = SpreadSum::new(spec.latent_len());
    encoded.iter().for_each(|sample| sum.add(sample.first_latent.view()));
    let spread = sum.finish(&spec.latent);
    if row.settings.search.step_unit == StepUnit::Spread && spread.blocks.iter().all(|block| block.deviation == 0.0) {
        let problem = format!(
            "search.step-unit is \"spread\", and the encodings of the row's first {} images do not spread: {} of them could \
             be encoded",
            positions.len(),
            spread.images
        );
        return Err(PerturbError::Batch(problem).into());
    }
    Ok(Some(spread))
}

/// Begins the search of some of a row's images without a step, which asks all that a cache keeps. False where `workers` were
/// told not to continue.
///
/// # Errors
/// An image cannot be read, or a component ends the work.
pub(crate) fn begin_searches(
    row: &ReadyRow,
    workers: &Workers<'_>,
    cache: Option<&dyn AnswerCache>,
    positions: &[usize],
    mut done: impl FnMut(Vec<Perturbed>),
) -> Result<bool, Error> {
    let search = SearchSettings {
        budget: 0,
        restarts: 0,
        step_unit: StepUnit::Latent,
        frozen_blocks: Vec::new(),
        start: Start::default(),
        ..row.settings.search.clone()
    };
    let perturber = Perturber { search: &search, cache, ..row.perturber(None) };
    let mut count = 0;
    let run = workers.run::<Error>(&perturber, positions, &|at| Ok(row.samples.batch(at)?), |batch| {
        count += batch.len();
        done(batch);
        Ok(())
    });
    match run {
        Err(Error::Perturb(PerturbError::Cancelled)) if !(workers.go_on)() => Ok(false),
        other => other.map(|()| count == positions.len()),
    }
}
