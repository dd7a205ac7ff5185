//! The images of a `[data.NAME]` table.

use std::sync::Arc;

use fmr_data::{Dataset, Samples};
use fmr_experiment::{ConfigError, Experiment};

/// Reads the images of the table of that name.
///
/// # Errors
/// What is wrong with the table or its files, with its place in the experiment file.
pub(crate) fn samples(e: &Experiment, name: &str) -> Result<Samples, ConfigError> {
    let table = &e.data[name];
    let refuse = |problem: String| {
        let files = table.files(&e.base).into_iter();
        let key = files.filter(|(_, path)| problem.starts_with(&*path.to_string_lossy())).map(|(key, _)| key).next();
        let own =
            ["class-names", "grouping", "split", "folders", "corrupt"].into_iter().find(|key| problem.starts_with(key));
        let key = key.or(own).unwrap_or("kind");
        e.error_at(&format!("data.{}.{key}", table.name), problem, None)
    };
    let mut settings = table.settings.clone();
    for (key, path) in table.files(&e.base) {
        match key {
            "images" => settings.images = Some(path),
            "labels" => settings.labels = Some(path),
            _ => settings.path = Some(path),
        }
    }
    let data: Dataset = settings.load().map_err(|error| refuse(error.to_string()))?;
    Samples::new(Arc::new(data), table.resolution, table.resize, e.run.seed).map_err(|error| refuse(error.to_string()))
}
