//! Plain evaluation: what a target says of images as they are, without a search.

use std::path::PathBuf;
use std::sync::Arc;

use fmr_core::logits::prediction;
use fmr_core::perturb::PerturbError;
use fmr_data::Samples;
use fmr_experiment::Experiment;

use crate::error::Error;
use crate::prepare::ReadyRow;

/// Images that a target is shown together.
const TOGETHER: usize = 32;

/// Whether the row's target is right on each of `samples`, whose classes are those of the row. Originals take the target's own path
/// from the bytes of their files.
///
/// # Errors
/// The classes differ, the target fails, or an image cannot be read.
pub fn right(row: &ReadyRow, samples: &Samples) -> Result<Vec<bool>, Error> {
    if samples.data().classes() != row.plan.classes {
        let problem = "the images have other classes than those of the row".to_owned();
        return Err(Error::Images { row: row.plan.id.clone(), problem });
    }
    let perturber = row.perturber(None);
    let positions: Vec<usize> = (0..samples.len()).collect();
    let mut right = Vec::with_capacity(samples.len());
    for positions in positions.chunks(TOGETHER) {
        let batch = samples.batch(positions)?;
        let logits = perturber.logits_of_originals(&batch).map_err(PerturbError::from)?;
        right.extend(logits.outer_iter().zip(&batch.labels).map(|(row, label)| prediction(row) == Some(*label)));
    }
    Ok(right)
}

/// Folder of one corruption at one severity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CorruptedFolder {
    /// Name of the corruption, e.g. `gaussian_noise`.
    pub corruption: String,
    /// Severity, from 1 to 5.
    pub severity: u8,
}

/// The corruptions and severities that the data table `name` holds in folders `CORRUPTION/SEVERITY/CLASS`, as ImageNet-C has them;
/// empty where its folder is not there.
pub fn corrupted_folders(experiment: &Experiment, name: &str) -> Vec<CorruptedFolder> {
    let Some(path) = folder(experiment, name) else { return Vec::new() };
    let corruptions = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut found: Vec<CorruptedFolder> = corruptions
        .flat_map(|entry| {
            let corruption = entry.file_name().to_string_lossy().into_owned();
            let there = (1..=5).filter(move |severity: &u8| entry.path().join(severity.to_string()).is_dir());
            there.map(move |severity| CorruptedFolder { corruption: corruption.clone(), severity })
        })
        .collect();
    found.sort();
    found
}

/// The images of one of these folders, as the data table says.
///
/// # Errors
/// They cannot be read, or differ in size where the table names no resolution.
pub fn corrupted_samples(experiment: &Experiment, name: &str, folder: &CorruptedFolder) -> Result<Samples, Error> {
    let table = &experiment.data[name];
    let mut settings = table.settings.clone();
    settings.path = self::folder(experiment, name);
    settings.prefix = format!("{}/{}", folder.corruption, folder.severity);
    let problem = |problem: String| Error::Images { row: name.to_owned(), problem };
    Samples::new(Arc::new(settings.load()?), table.resolution, table.resize, experiment.run.seed)
        .map_err(|error| problem(error.to_string()))
}

fn folder(experiment: &Experiment, name: &str) -> Option<PathBuf> {
    let files = experiment.data.get(name)?.files(&experiment.base);
    files.into_iter().find(|(key, _)| *key == "path").map(|(_, path)| path)
}
