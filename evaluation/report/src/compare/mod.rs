//! Which target is better: rows that differ in nothing but their target, compared image by image.
//!
//! Rows are compared where they share the data, the classes, the generator, the oracle, the search and everything else that
//! their results depend on ([`Heat`]). Those that share it with no other row are not compared, and the reason is kept.

mod generators;
mod grids;
mod orders;
mod setting;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use fmr_core::metrics::{Comparison, Indicators, MetricsSettings, Reading};

use crate::RowResults;
pub(crate) use grids::agreement;
pub(crate) use orders::Orders;
pub(crate) use setting::{STEP_SIZE, comparable, names, setting, target, under};

/// Resamples of the images that a ranking is drawn anew for.
pub const RESAMPLES: usize = 2000;
/// Seed of these, so that a report is the same each time.
const SEED: u64 = 1;

/// A row that takes part in a comparison.
#[derive(Debug, Clone)]
pub struct Contender<'r> {
    /// The run, where several are compared; else empty.
    pub run: String,
    /// Label of the data set.
    pub data: String,
    /// Label of the target.
    pub target: String,
    /// Label of the row's model, which may say more.
    pub model: String,
    /// What was found of the row.
    pub results: &'r RowResults,
    /// What the metrics count of each finished image, by the sample's name.
    pub images: BTreeMap<&'r str, Indicators>,
}

impl<'r> Contender<'r> {
    /// A row of a run. `data`, `target` and `model` are labels.
    pub fn new([data, target, model]: [&str; 3], results: &'r RowResults, metrics: &MetricsSettings) -> Self {
        let reading = Reading::new(metrics, &results.records);
        let images = results.records.iter().map(|record| (record.key.as_str(), reading.indicators(record)));
        let [data, target, model] = [data, target, model].map(str::to_owned);
        Self { run: String::new(), data, target, model, results, images: images.collect() }
    }

    /// Data set and model, and the run where several are compared.
    pub fn name(&self) -> String {
        let run = if self.run.is_empty() { String::new() } else { format!("{}: ", self.run) };
        format!("{run}{} · {}", self.data, self.model)
    }
}

/// Rows that differ in their target alone.
#[derive(Debug, Clone)]
pub struct Heat<'r> {
    /// Name of what they share: the data set, and what tells their setting from other heats' on it.
    pub setting: String,
    /// The rows.
    pub contenders: Vec<Contender<'r>>,
    /// A name for each row, unique in the heat.
    pub labels: Vec<String>,
    /// The comparison; its models are the rows in their order.
    pub comparison: Comparison,
    /// What the metrics count of the images that all rows share, in one order for all rows.
    pub images: Vec<Vec<Indicators>>,
    /// Images that not all rows have. They are left out.
    pub left_out: usize,
}

/// What came of comparing rows.
#[derive(Debug, Clone, Default)]
pub struct Compared<'r> {
    /// Groups of at least two comparable rows, in the order of their first rows.
    pub heats: Vec<Heat<'r>>,
    /// Rows that are in no group: their names, and why.
    pub apart: Vec<(String, String)>,
}

impl<'r> Compared<'r> {
    /// Compares rows, of one run or of several. A row that is in several runs counts once.
    pub fn of(contenders: &[Contender<'r>], metrics: &MetricsSettings) -> Self {
        let mut distinct: Vec<&Contender<'r>> = Vec::new();
        let mut compared = Self::default();
        for contender in contenders {
            let plan = &contender.results.plan;
            let same = |other: &&&Contender<'r>| {
                let other = &other.results.plan;
                setting::comparable(plan, other) && setting::target(plan) == setting::target(other)
            };
            match distinct.iter().find(same) {
                Some(other) => {
                    compared.apart.push((contender.name(), format!("it is the same row as {}", other.name())));
                }
                None => distinct.push(contender),
            }
        }
        let mut groups: Vec<Vec<&Contender<'r>>> = Vec::new();
        for contender in &distinct {
            let fits =
                |group: &&mut Vec<&Contender<'r>>| setting::comparable(&group[0].results.plan, &contender.results.plan);
            match groups.iter_mut().find(fits) {
                Some(group) => group.push(contender),
                None => groups.push(vec![contender]),
            }
        }
        let firsts: Vec<(&str, &RowResults)> =
            groups.iter().map(|group| (group[0].data.as_str(), group[0].results)).collect();
        for (group, name) in groups.iter().zip(names(&firsts)) {
            if group.len() < 2 {
                compared.apart.push((group[0].name(), why_alone(group[0], &distinct)));
                continue;
            }
            match heat(name, group, metrics) {
                Ok(heat) => compared.heats.push(heat),
                Err(why) => compared.apart.extend(group.iter().map(|one| (one.name(), why.clone()))),
            }
        }
        compared
    }
}

/// Why a row is compared with none.
fn why_alone(one: &Contender<'_>, all: &[&Contender<'_>]) -> String {
    let plan = &one.results.plan;
    let others = all.iter().filter(|other| setting::target(&other.results.plan) != setting::target(plan));
    let nearest = others.map(|other| (other, setting::differences(plan, &other.results.plan)));
    match nearest.min_by_key(|(_, differences)| differences.len()) {
        None => "there is no row of a different target".to_owned(),
        Some((other, differences)) => {
            format!("the nearest row of a different target, {}, differs in {}", other.name(), differences.join(", "))
        }
    }
}

fn heat<'r>(setting: String, group: &[&Contender<'r>], metrics: &MetricsSettings) -> Result<Heat<'r>, String> {
    let shared = |key: &&str| group.iter().all(|one| one.images.contains_key(key));
    let keys: Vec<&str> = group[0].images.keys().copied().filter(shared).collect();
    if keys.is_empty() {
        return Err("the rows of its setting have no finished image in common".to_owned());
    }
    let most = group.iter().map(|one| one.images.len()).max().unwrap_or_default();
    let images: Vec<Vec<Indicators>> =
        group.iter().map(|one| keys.iter().map(|key| one.images[key]).collect()).collect();
    let comparison = Comparison::of(&images, metrics.fmr_reading(), metrics.confidence, RESAMPLES, SEED);
    let comparison = comparison.map_err(|error| error.to_string())?;
    Ok(Heat {
        setting,
        labels: labels(group),
        contenders: group.iter().map(|one| (*one).clone()).collect(),
        comparison,
        images,
        left_out: most - keys.len(),
    })
}

/// Names that tell the rows of a heat apart: those of their targets, of their models where these are the same, with the run
/// where these are too.
fn labels(group: &[&Contender<'_>]) -> Vec<String> {
    let with_run = |one: &Contender<'_>| format!("{} ({})", one.model, one.run);
    let forms: [&dyn Fn(&Contender<'_>) -> String; 3] =
        [&|one| one.target.clone(), &|one| one.model.clone(), &with_run];
    let mut names: Vec<String> = Vec::new();
    for form in forms {
        names = group.iter().map(|one| form(one)).collect();
        let mut sorted = names.clone();
        sorted.sort();
        sorted.dedup();
        if sorted.len() == names.len() {
            break;
        }
    }
    names
}
