//! The rows of an experiment with what was found of them.

use std::path::Path;

use fmr_core::SampleRecord;
use fmr_core::metrics::{Effort, MetricsSettings, Summary};
use fmr_core::perturb::SearchSettings;
use fmr_core::validity::{Facts, Flag, flags};
use fmr_experiment::{Experiment, Lack, MissingFiles, PaperFigures, Row as Planned, World};
use fmr_store::{Judge, JudgeRole};

use super::Components;
use crate::aimed::Aimed;
use crate::compare::Contender;
use crate::results::{OracleView, View, replaced};
use crate::{MaskFigures, Need, Results, Row, RowResults, RowState};

/// One row of the experiment.
pub(crate) struct Entry<'r> {
    pub id: String,
    /// Label of the data set.
    pub data: String,
    /// Label of the model.
    pub model: String,
    pub world: World,
    pub state: RowState,
    /// What was found; absent where it did not run.
    pub measured: Option<Measured<'r>>,
    pub paper: PaperFigures,
    /// Label of the target, as rows of other tables have it.
    pub target: String,
    /// Label of the oracle.
    pub oracle: String,
    /// Its images as further oracles see them, with the labels of these.
    pub verdicts: Vec<(String, &'r OracleView)>,
    /// What the target says of final images, where the row aims at a class.
    pub aimed: &'r [Aimed],
    /// Further targets that its images are shown to.
    pub onlookers: Vec<Onlooker<'r>>,
    /// Position of the same row without a mask, where this one has a mask.
    pub without: Option<usize>,
}

/// A target that is shown the images of a row of a different target.
pub(crate) struct Onlooker<'r> {
    /// Its label.
    pub target: String,
    pub state: RowState,
    pub paper: PaperFigures,
    /// The row's records with its predictions; absent where it has not seen all of the images.
    pub records: Option<&'r [SampleRecord]>,
}

/// What was found of a row.
pub(crate) struct Measured<'r> {
    pub results: &'r RowResults,
    pub summary: Summary,
    pub flags: Vec<Flag>,
    pub effort: Effort,
}

impl<'r> Entry<'r> {
    /// A row of a grid, without cells.
    pub(crate) fn row(&self) -> Row {
        let measured = self.measured.as_ref();
        Row {
            id: self.id.clone(),
            state: self.state.clone(),
            n: measured.map(|m| m.summary.overall.n),
            flags: measured.map(|m| m.flags.clone()).unwrap_or_default(),
            ..self.plain_row()
        }
    }

    /// The same without flags, which stand in the main table.
    pub(crate) fn row_without_flags(&self) -> Row {
        Row { flags: Vec::new(), ..self.row() }
    }

    /// The same with labels alone, for tables beside the main one.
    pub(crate) fn plain_row(&self) -> Row {
        Row { id: self.id.clone(), ..Row::new([&self.data, &self.model].map(String::as_str)) }
    }

    /// The row as it takes part in comparisons; `None` where nothing of it is finished.
    pub(crate) fn contender(&self, metrics: &MetricsSettings) -> Option<Contender<'r>> {
        let measured = self.measured.as_ref().filter(|measured| !measured.results.records.is_empty())?;
        Some(Contender::new([&self.data, &self.target, &self.model], measured.results, metrics))
    }

    /// The further targets that have seen its images, with its records as they see them.
    pub(crate) fn seen_by(&self) -> impl Iterator<Item = (&str, &'r [SampleRecord])> {
        self.onlookers.iter().filter_map(|other| Some((other.target.as_str(), other.records?)))
    }

    /// Data set and model.
    pub(crate) fn name(&self) -> String {
        self.plain_row().name()
    }
}

impl<'r> Measured<'r> {
    pub(crate) fn of(results: &'r RowResults, metrics: &MetricsSettings, search: Option<&SearchSettings>) -> Self {
        let summary = Summary::of(&results.records, &results.plan.classes, metrics);
        let facts = Facts {
            mask: results.facts.mask.as_ref().map(MaskFigures::facts),
            logits: Some(results.facts.logits),
            repeated: results.facts.repeated,
            cache: Some(results.facts.cache),
            replaced: replaced(results),
            step_size: search.map(|search| search.step_size),
            step_unit: search.map(|search| search.step_unit).unwrap_or_default(),
            published_accuracy: results.facts.published_accuracy,
        };
        let flags = flags(&results.records, &summary, &facts);
        Self { results, summary, flags, effort: Effort::of(&results.records) }
    }
}

pub(super) fn entries<'r>(
    experiment: &Experiment,
    results: &'r Results<'_>,
    components: &dyn Components,
) -> Vec<Entry<'r>> {
    // A judge with rows of its own has the name that its component gives itself in the store, and a label in the file.
    let label = |judge: &Judge| {
        let rows = experiment.rows.iter().filter_map(|row| Some((row, &results.row(&row.id)?.plan)));
        let own = rows.filter_map(|(row, plan)| match judge.role {
            JudgeRole::Target => (plan.target().fingerprint == judge.fingerprint)
                .then(|| experiment.targets.get(&row.target).map(|table| table.label.clone())),
            JudgeRole::Oracle => (plan.oracle().fingerprint == judge.fingerprint)
                .then(|| experiment.oracles.get(&row.oracle).map(|table| table.label.clone())),
            JudgeRole::Person => None,
        });
        own.flatten().next().unwrap_or_else(|| judge.name.clone())
    };
    let entry = |row: &Planned| {
        let found = results.row(&row.id);
        let measured = found.map(|r| Measured::of(r, &experiment.metrics, Some(&row.search)));
        let views: Vec<(String, &View)> = results.views(&row.id).map(|view| (label(&view.judge), view)).collect();
        Entry {
            id: row.id.clone(),
            data: experiment.data.get(&row.data).map_or_else(|| row.data.clone(), |data| data.label.clone()),
            model: row.label.clone(),
            world: row.world.unwrap_or(experiment.report.world),
            state: state(experiment, row, found, components),
            measured,
            paper: row.paper.clone().unwrap_or_default(),
            target: target_label(experiment, &row.target),
            onlookers: onlookers(experiment, row, views, results, components),
            oracle: experiment.oracles.get(&row.oracle).map_or_else(|| row.oracle.clone(), |table| table.label.clone()),
            verdicts: results.verdicts(&row.id).map(|view| (label(&view.judge), view)).collect(),
            aimed: results.aimed(&row.id),
            without: experiment.rows.iter().position(|other| row.mask.is_some() && is_without_mask(other, row)),
        }
    };
    experiment.rows.iter().map(entry).collect()
}

/// Label of a target.
fn target_label(experiment: &Experiment, target: &str) -> String {
    experiment.targets.get(target).map_or_else(|| target.to_owned(), |table| table.label.clone())
}

/// The targets that a row's images are to be shown to, and others that have seen them.
fn onlookers<'r>(
    experiment: &Experiment,
    row: &Planned,
    mut views: Vec<(String, &'r View)>,
    results: &Results<'_>,
    components: &dyn Components,
) -> Vec<Onlooker<'r>> {
    let own = state(experiment, row, results.row(&row.id), components);
    let mut onlookers = Vec::new();
    for also in &row.also {
        let target = target_label(experiment, &also.target);
        let seen = views.iter().position(|(name, _)| *name == target).map(|at| views.remove(at).1);
        let state = match seen {
            Some(_) => RowState::Measured,
            None => {
                let other = Planned { target: also.target.clone(), mask: None, ..row.clone() };
                match state(experiment, &other, None, components) {
                    state if own.has_figures() => state,
                    // What the row itself lacks stands beside the row.
                    RowState::Missing { mut needs } => {
                        needs.retain(|need| !own.needs().contains(need));
                        if needs.is_empty() { unmade() } else { RowState::Missing { needs } }
                    }
                    _ => unmade(),
                }
            }
        };
        let records = seen.map(|view| view.records.as_slice());
        onlookers.push(Onlooker { target, state, paper: also.paper.clone(), records });
    }
    let further = views.into_iter().map(|(target, view)| Onlooker {
        target,
        state: RowState::Measured,
        paper: PaperFigures::default(),
        records: Some(&view.records),
    });
    onlookers.extend(further);
    onlookers
}

/// The state of a target whose images are not there.
fn unmade() -> RowState {
    let reason = "The row that makes its images did not run here.".to_owned();
    RowState::CannotRun { reason }
}

fn state(
    experiment: &Experiment,
    row: &Planned,
    results: Option<&RowResults>,
    components: &dyn Components,
) -> RowState {
    if let Some(results) = results {
        let (done, of) = (results.records.len(), results.plan.samples);
        return if done < of { RowState::Unfinished { done, of } } else { RowState::Measured };
    }
    match components.lacks(row) {
        None => {
            let reason =
                "Its files were not there when the run began. Run the experiment again, in a new folder.".to_owned();
            RowState::CannotRun { reason }
        }
        Some(Lack::NotImplemented(problem)) => RowState::CannotRun { reason: format!("Not implemented: {problem}.") },
        Some(Lack::Files(files)) => {
            let mut needs: Vec<Need> = Vec::new();
            for need in files.into_iter().map(|files| need(files, experiment.file())) {
                if !needs.contains(&need) {
                    needs.push(need);
                }
            }
            RowState::Missing { needs }
        }
    }
}

fn need(files: MissingFiles, experiment: &Path) -> Need {
    let put = files.list();
    let fetch = files.published.then(|| format!("`fmr fetch {}` downloads it", experiment.display()));
    let (what, by_hand) = match files.obtain {
        Some(obtain) => (obtain.what, Some(obtain.get)),
        None => (files.key, None),
    };
    let ways: Vec<String> = fetch.into_iter().chain(by_hand).collect();
    let get = if ways.is_empty() { "the experiment file does not say where".to_owned() } else { ways.join("; or: ") };
    Need { what, get, put }
}

/// Whether `other` is `row` but for its mask, which `other` has none of.
fn is_without_mask(other: &Planned, row: &Planned) -> bool {
    let of = |row: &Planned| {
        let names = [&row.data, &row.target, &row.generator, &row.oracle].map(Clone::clone);
        (names, row.scorer.clone(), row.search.clone(), row.verdict.clone())
    };
    other.mask.is_none() && of(other) == of(row)
}

#[cfg(test)]
mod tests {
    use fmr_experiment::Obtain;

    use super::*;

    #[test]
    fn a_missing_file_that_is_published_names_the_command_that_gets_it() {
        let ways = |published, by_hand: Option<&str>| {
            let obtain = by_hand.map(|get| Obtain { what: "weights".into(), get: get.into(), files: Vec::new() });
            let files =
                MissingFiles { key: "targets.vit.weights".into(), paths: vec!["v.pth".into()], obtain, published };
            need(files, Path::new("lab.toml")).get
        };
        let fetch = "`fmr fetch lab.toml` downloads it";
        assert_eq!(ways(true, None), fetch);
        assert_eq!(ways(true, Some("ask the authors")), format!("{fetch}; or: ask the authors"));
        assert_eq!(ways(false, Some("ask the authors")), "ask the authors");
        assert_eq!(ways(false, None), "the experiment file does not say where");
    }
}
