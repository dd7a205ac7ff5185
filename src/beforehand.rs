//! What all shards of a run share, done once before them.

use std::collections::BTreeSet;

use crate::cache::Caches;
use crate::error::Error;
use crate::events::{Begun, Phase};
use crate::masks::{self, RowMask};
use crate::prepare::{Prepared, ReadyRow};
use crate::run::Runner;
use crate::spread;

impl Runner<'_> {
    /// Fills the experiment's cache (`run.cache`): latents, reconstructions and the oracle's answers on them for all images,
    /// and the masks that rows learn. Shards and later runs find them there. What is there already is not done again. False
    /// where the user stopped it; what is done stays.
    ///
    /// # Errors
    /// The experiment names no cache, or a component fails.
    pub fn prepare_cache(&self, prepared: &Prepared) -> Result<bool, Error> {
        if prepared.experiment.run.cache.is_none() {
            return Err(Error::NoCache { file: prepared.experiment.file().to_owned() });
        }
        let caches = Caches::of(prepared, &prepared.experiment.base);
        let mut seen = BTreeSet::new();
        let rows: Vec<(&ReadyRow, bool)> = prepared
            .ready()
            .map(|row| (row, seen.insert((caches.scope_of(row), row.settings.data.as_str()))))
            .collect();
        let of_masks =
            |row: &ReadyRow| row.mask.as_ref().and_then(RowMask::learns).map_or(0, |(_, images)| images.len());
        let images = rows.iter().map(|(row, new)| if *new { row.samples.len() } else { 0 } + of_masks(row)).sum();
        self.events.begun(Begun::new(None, images, 0));
        for (row, new) in rows {
            let Some(cache) = caches.of_row(row) else { continue };
            if new {
                self.events.row(&row.plan.title, Phase::Prepare);
                let all: Vec<usize> = (0..row.samples.len()).collect();
                let done = self.with_workers(prepared, |workers| {
                    spread::begin_searches(row, workers, Some(&cache), &all, |batch| self.events.batch(&batch))
                })?;
                if !done {
                    return Ok(false);
                }
            }
            if !self.mask_beforehand(prepared, row, &caches)? {
                return Ok(false);
            }
        }
        self.events.finished();
        Ok(true)
    }

    /// Learns the mask of a row, if it learns one that the cache lacks.
    fn mask_beforehand(&self, prepared: &Prepared, row: &ReadyRow, caches: &Caches) -> Result<bool, Error> {
        let Some((mask, samples)) = row.mask.as_ref().and_then(RowMask::learns) else { return Ok(true) };
        let Some(path) = caches.mask_of(row) else { return Ok(true) };
        if masks::read_kept(&path).is_some() {
            return Ok(true);
        }
        self.with_workers(prepared, |workers| {
            let cache = caches.of_row(row);
            let cache = cache.as_ref().map(|cache| cache as &dyn fmr_core::perturb::AnswerCache);
            let spread = match row.settings.search.images_for_spread() {
                0 => None,
                images => match spread::measure(row, workers, cache, images)? {
                    None => return Ok(false),
                    spread => spread,
                },
            };
            self.events.row(&row.plan.title, Phase::Mask);
            let learned =
                masks::learn_mask(row, mask, samples, spread.as_ref(), workers, |batch| self.events.batch(batch))?;
            let Some(learned) = learned else { return Ok(false) };
            masks::keep_beside(row, &path, &learned.learned.mask, &learned.figures(&mask.table.label))?;
            Ok(true)
        })
    }
}
