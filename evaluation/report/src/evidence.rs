//! Finished rows of several runs, for what is said of runs together.

use fmr_experiment::{Experiment, PaperFigures, Row, World};

use crate::Results;
use crate::compare::Contender;
use crate::results::View;

/// A row of a run.
#[derive(Debug)]
pub struct Evidence<'r> {
    /// Name of the experiment.
    pub experiment: String,
    /// Whose models it is of.
    pub world: World,
    /// The row.
    pub contender: Contender<'r>,
    /// The paper's figures of it.
    pub paper: PaperFigures,
    /// Its images as further targets see them.
    pub(crate) views: Vec<&'r View>,
}

/// The rows of a run that have finished images. `run` is what the run is called where several are looked at.
pub fn evidence<'r>(run: &str, experiment: &Experiment, results: &'r Results<'_>) -> Vec<Evidence<'r>> {
    let row = |row: &Row| {
        let found = results.row(&row.id).filter(|found| !found.records.is_empty())?;
        let target = experiment.targets.get(&row.target).map_or(&row.target, |table| &table.label);
        let data = experiment.data.get(&row.data).map_or(&row.data, |table| &table.label);
        let contender = Contender::new([data, target, &row.label], found, &experiment.metrics);
        Some(Evidence {
            experiment: experiment.name.clone(),
            world: row.world.unwrap_or(experiment.report.world),
            contender: Contender { run: run.to_owned(), ..contender },
            paper: row.paper.clone().unwrap_or_default(),
            views: results.views(&row.id).collect(),
        })
    };
    experiment.rows.iter().filter_map(row).collect()
}
