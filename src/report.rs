//! What a run leaves behind for people, made from its store: the tables, one HTML page, contact sheets, images.

use fmr_core::registry::Registry;
use fmr_experiment::{Experiment, Lack};
use fmr_report::{Components, Page, ReportError, Written};
use fmr_store::RunStore;

pub use fmr_report::Results;
pub use fmr_report::compare::{Compared, Contender};
pub use fmr_report::leaderboard::{Leaderboard, ModelCard};
pub use fmr_report::reproduction::{Finding, Outcome, Reproduction};
pub use fmr_report::{
    Caption, Cell, CellOf, Column, Figure, Grid, MaskFigures, Report, Row, RowState, TextOptions, WIDTH, mask_art,
};
pub use fmr_report::{Evidence, evidence};

use crate::components::unloaded;
use crate::error::Error;
use crate::prepare::{PROMPT, lacks};

/// Folder of the perturbed images inside a run's folder.
pub const IMAGES: &str = "images";
/// Folder of the tables of samples and steps inside a run's folder.
pub const EXPORT: &str = "export";

/// Folder of the static benchmarks of its rows inside a run's folder.
pub const BENCHMARK: &str = "benchmark";
/// Folder of the perturbed training sets of its rows inside a run's folder.
pub const TRAINING: &str = "training";

/// A report that was made and not written yet.
pub struct Unwritten<'s> {
    /// The report.
    pub report: Report,
    results: Results<'s>,
    store: &'s RunStore,
    samples: usize,
}

/// The report of a run.
///
/// # Errors
/// The run cannot be read.
pub fn report(experiment: &Experiment, store: &RunStore) -> Result<Report, Error> {
    Ok(unwritten(experiment, store)?.report)
}

/// The report of a run, to be shown before it is written: what stands in the way of a file costs no table.
///
/// # Errors
/// The run cannot be read.
pub fn unwritten<'s>(experiment: &Experiment, store: &'s RunStore) -> Result<Unwritten<'s>, Error> {
    let results = Results::read(store)?;
    Ok(Unwritten { report: of(experiment, &results), results, store, samples: experiment.report.samples })
}

/// Writes the report into the run's folder: the tables (`table.txt`, `table.md`, `table.tex`, `table.json`, `table.csv`,
/// `tables/*.csv`), the page (`report.html`), a contact sheet for each row (`sheet-ROW.png`) and the perturbed images
/// (`images/`). The report comes back even where a file could not be written.
///
/// # Errors
/// The run cannot be read.
pub fn write(experiment: &Experiment, store: &RunStore) -> Result<Written, Error> {
    Ok(unwritten(experiment, store)?.write())
}

/// The rows of a run as they take part in comparisons.
pub fn contenders<'r>(experiment: &Experiment, results: &'r Results<'_>) -> Vec<Contender<'r>> {
    fmr_report::contenders(experiment, results, &BuiltIn { experiment, registry: unloaded(experiment) })
}

/// Whose models the figures of a run are of, and under which settings.
pub fn caption(experiment: &Experiment, results: &Results<'_>) -> Caption {
    fmr_report::caption(experiment, results, &BuiltIn { experiment, registry: unloaded(experiment) })
}

impl Unwritten<'_> {
    /// The page as a piece of HTML without title, style and images.
    ///
    /// # Errors
    /// The run cannot be read.
    pub fn body(&self) -> Result<String, Error> {
        Ok(Page { report: &self.report, results: &self.results, samples: 0 }.body()?)
    }

    /// Writes the files, as [`write()`] does.
    pub fn write(self) -> Written {
        let mut written = fmr_report::write(self.store.dir(), self.report, &self.results, self.samples);
        let images = self.store.export_images(self.results.run(), &self.store.dir().join(IMAGES));
        written.problems.extend(images.err().map(ReportError::from));
        written
    }
}

fn of(experiment: &Experiment, results: &Results<'_>) -> Report {
    Report::of(experiment, results, &BuiltIn { experiment, registry: unloaded(experiment) })
}

/// The components that the experiment can name.
struct BuiltIn<'e> {
    experiment: &'e Experiment,
    registry: Registry,
}

impl Components for BuiltIn<'_> {
    fn prompt(&self, kind: &str) -> Option<String> {
        // An oracle that is a classifier takes no prompts.
        (kind != fmr_classifier_oracle::KIND).then(|| PROMPT.to_owned())
    }

    fn lacks(&self, row: &fmr_experiment::Row) -> Option<Lack> {
        lacks(self.experiment, &self.registry, row).unwrap_or_else(|e| Some(Lack::NotImplemented(e.in_a_line())))
    }
}
