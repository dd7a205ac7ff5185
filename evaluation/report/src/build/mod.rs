//! Builders: one a table. Each makes a grid from the results of a run and knows nothing of how it is printed.

mod attacks;
mod consistency;
mod entry;
mod figures;
mod masks;
mod oracles;
mod people;
mod record;
mod rows;
mod searches;
mod setting;
mod sweeps;
#[cfg(test)]
mod tests;
mod transfer;
mod updates;

pub(crate) use self::entry::{Entry, Measured};
pub use self::people::{PeopleSaid, people};
pub use self::rows::{Found, RowFigures};
pub(crate) use self::searches::MOST_DRAWN;
pub(crate) use self::transfer::MATRIX;
#[cfg(test)]
pub(crate) use self::{record::grids as record, setting::worlds};

use fmr_core::metrics::MetricsSettings;
use fmr_experiment::{Experiment, Lack, Row};

use crate::compare::{Compared, Contender};
use crate::grid::Caption;
use crate::{Report, Results};
use crate::{pixels, sweep};

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
    /// Whether the figures of each class are printed.
    pub class_by_class: bool,
    /// The rows of the experiment, those that could not run included.
    pub entries: Vec<Entry<'r>>,
}

/// The rows of a run as they take part in comparisons, those that have finished images. `components` know what stands in no
/// file.
pub fn contenders<'r>(
    experiment: &Experiment,
    results: &'r Results<'_>,
    components: &dyn Components,
) -> Vec<Contender<'r>> {
    let entries = entry::entries(experiment, results, components);
    entries.iter().filter_map(|entry| entry.contender(&experiment.metrics)).collect()
}

/// Whose models the figures of a run are of, and under which settings: what stands over its main table. `components` know
/// what stands in no file.
pub fn caption(experiment: &Experiment, results: &Results<'_>, components: &dyn Components) -> Caption {
    let entries = entry::entries(experiment, results, components);
    setting::caption(experiment, &entries, &|kind| components.prompt(kind))
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
            class_by_class: experiment.report.class_by_class,
            entries,
        };
        let mut report = run.report_with(&|row, index| pixels::moved(results, row, index));
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
    #[cfg(test)]
    pub(crate) fn report(&self) -> Report {
        self.report_with(&|_, _| None)
    }

    /// The same, with the distance in pixels of a sample's final image from its reconstruction, where it is known.
    pub(crate) fn report_with(&self, pixels: &sweep::Pixels<'_>) -> Report {
        let contenders: Vec<Contender<'_>> =
            self.entries.iter().filter_map(|entry| entry.contender(&self.metrics)).collect();
        let sweeps = sweep::sweeps(&contenders, &self.metrics, pixels);
        let compared = Compared::of(&contenders, &self.metrics);
        let mut comparisons = compared.grids(&self.metrics, self.digits).into_iter();
        let mut generators = compared.generators(&self.metrics, self.digits).into_iter();
        let grids = [
            Some(figures::main(self)),
            attacks::attacks(self),
            if self.class_by_class { figures::classes(self) } else { None },
            sweeps::areas(self, &sweeps),
            generators.next(),
            generators.next(),
            comparisons.next(),
            comparisons.next(),
            searches::endings(self),
            figures::reconstructions(self),
            masks::masks(self),
            searches::cost(self),
            searches::movement(self),
            masks::effect(self),
            transfer::transfer(self),
            transfer::matrix(self),
            oracles::oracles(self),
            oracles::ranks(self, &compared),
            consistency::with_oracle(self),
            sweeps::points(self, &sweeps),
            if self.class_by_class { None } else { figures::classes(self) },
            searches::confusions(self),
            searches::failures(self),
        ];
        let mut grids: Vec<_> = grids.into_iter().flatten().collect();
        for grid in &mut grids {
            grid.caption.confidence = Some(self.metrics.confidence);
        }
        let plots = sweeps::plots(&sweeps, &self.caption).into_iter().chain(updates::plots(self));
        Report { title: self.title.clone(), rows: rows::rows(self), grids, plots: plots.collect() }
    }

    /// The rows that have figures.
    fn measured(&self) -> impl Iterator<Item = (&Entry<'_>, &Measured<'_>)> {
        self.entries.iter().filter_map(|entry| Some((entry, entry.measured.as_ref()?)))
    }
}
