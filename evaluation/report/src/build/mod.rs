//! Builders: one a table. Each makes a grid from the results of a run and knows nothing of how it is printed.

mod entry;
mod figures;
mod masks;
mod record;
mod rows;
mod searches;
mod setting;
#[cfg(test)]
mod tests;
mod transfer;

pub(crate) use self::entry::{Entry, Measured};
pub use self::rows::{Found, RowFigures};
pub(crate) use self::searches::MOST_DRAWN;
#[cfg(test)]
pub(crate) use self::{record::grids as record, setting::worlds};

use fmr_core::metrics::MetricsSettings;
use fmr_experiment::{Experiment, Lack, Row};

use crate::grid::Caption;
use crate::{Report, Results};

/// What only the components of an experiment know.
pub trait Components {
    /// The prompt of an oracle of that kind whose table in the experiment file has no templates; none for a kind that
    /// takes no prompts.
    fn prompt(&self, kind: &str) -> Option<String>;

    /// Why a row that did not run cannot run here, if it cannot.
    fn lacks(&self, row: &Row) -> Option<Lack>;
}

/// A run as builders see it.
pub(crate) struct Run<'r> {
    pub title: String,
    pub caption: Caption,
    /// Decimals of figures in percent.
    pub digits: usize,
    pub metrics: MetricsSettings,
    /// The rows of the experiment, those that could not run included.
    pub entries: Vec<Entry<'r>>,
}

impl Report {
    /// The report of a run. `components` know what stands in no file.
    pub fn of(experiment: &Experiment, results: &Results<'_>, components: &dyn Components) -> Self {
        let entries = entry::entries(experiment, results, components);
        let run = Run {
            title: title(&experiment.title, results),
            caption: setting::caption(experiment, &entries, &|kind| components.prompt(kind)),
            digits: experiment.report.digits,
            metrics: experiment.metrics.clone(),
            entries,
        };
        let mut report = run.report();
        report.grids.extend(record::grids(results));
        report
    }
}

/// The title, which says of an unfinished run, or of a part of one, that it is no whole one.
fn title(title: &str, results: &Results<'_>) -> String {
    let rows = results.rows();
    let done: usize = rows.iter().map(|row| row.records.len()).sum();
    let all: usize = rows.iter().map(|row| row.plan.samples).sum();
    let part = results.plan().part;
    match (done < all, part.is_whole()) {
        (false, _) => title.to_owned(),
        (true, true) => format!("{title} (unfinished: {done} of {all} images are done)"),
        (true, false) => format!("{title} ({part}: {done} of {all} images are done)"),
    }
}

impl Run<'_> {
    /// All grids that have something to say.
    pub(crate) fn report(&self) -> Report {
        let grids = [
            Some(figures::main(self)),
            searches::endings(self),
            figures::reconstructions(self),
            masks::masks(self),
            searches::cost(self),
            searches::movement(self),
            masks::effect(self),
            transfer::transfer(self),
            figures::classes(self),
            searches::confusions(self),
            searches::failures(self),
        ];
        let mut grids: Vec<_> = grids.into_iter().flatten().collect();
        for grid in &mut grids {
            grid.caption.confidence = Some(self.metrics.confidence);
        }
        Report { title: self.title.clone(), rows: rows::rows(self), grids }
    }

    /// The rows that have figures.
    fn measured(&self) -> impl Iterator<Item = (&Entry<'_>, &Measured<'_>)> {
        self.entries.iter().filter_map(|entry| Some((entry, entry.measured.as_ref()?)))
    }
}
