//! What an experiment can do on this machine, told without making its components.

use std::collections::BTreeMap;

use fmr_core::registry::Registry;
use fmr_experiment::{ConfigError, Experiment, Lack, Row};

use crate::prepare::{lacks, samples};

/// A row of an experiment, and whether it can run here.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SurveyedRow {
    /// Its name.
    pub id: String,
    /// Why it cannot run; absent where it can.
    pub lack: Option<Lack>,
    /// Images that are perturbed: those of the row, and those that its mask is learned from; 0 where it cannot run.
    pub images: usize,
    /// Image-iterations at most: each decodes an image, shows it to oracle and target, and pulls a gradient back. Searches
    /// that end early take fewer.
    pub iterations: usize,
}

/// Says of every row whether it can run here, and how much work it is at most. Data sets are read, weights are not.
///
/// # Errors
/// The first thing that is wrong with the experiment, with its place in the file.
pub fn survey(experiment: &Experiment, registry: &Registry) -> Result<Vec<SurveyedRow>, ConfigError> {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut images = |name: &str| -> Result<usize, ConfigError> {
        if let Some(images) = known.get(name) {
            return Ok(*images);
        }
        let images = samples(experiment, name)?.len();
        known.insert(name.to_owned(), images);
        Ok(images)
    };
    let mut surveyed = |row: &Row| -> Result<SurveyedRow, ConfigError> {
        let lack = lacks(experiment, registry, row)?;
        let mut total = 0;
        if lack.is_none() {
            let mask = row.mask.as_ref().and_then(|name| experiment.masks[name].learn_from.as_ref());
            for name in std::iter::once(&row.data).chain(mask) {
                total += images(name)?;
            }
        }
        let searches = row.search.restarts + 1;
        let iterations = total * searches * (row.search.updates_allowed() + 1);
        Ok(SurveyedRow { id: row.id.clone(), lack, images: total, iterations })
    };
    experiment.rows.iter().map(&mut surveyed).collect()
}
