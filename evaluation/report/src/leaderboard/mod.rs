//! A leaderboard (appendix N of the paper): runs merged into one ranking for each setting.
//!
//! Rows stand in one table where they share the data, the classes, the generator, the oracle and the search, by their
//! fingerprints. Every other row is in a table of its own, or is left out with the name of what differs.

mod area;
mod card;
mod grids;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fmr_core::SampleRecord;
use fmr_core::metrics::{Area, Figures, MetricsSettings, Proportion, Ratio, Summary};
use serde::{Deserialize, Serialize};

use crate::build::Measured;
use crate::compare::{Compared, Contender, Heat, setting};
use crate::{Evidence, ReportError, WIDTH};

pub use card::{CardError, Link, ModelCard};

/// Format of a leaderboard's JSON.
pub const FORMAT: &str = "fmr-leaderboard/1";

/// Runs merged into tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Leaderboard {
    /// [`FORMAT`].
    pub format: String,
    /// Its title.
    pub title: String,
    /// One for each setting, in the order of the first rows.
    pub tables: Vec<Table>,
    /// Rows that are in no table.
    pub left_out: Vec<LeftOut>,
}

/// Rows that differ in their target alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Table {
    /// The data set, and what tells the setting from other tables' on it.
    pub setting: String,
    /// Whose models these are, a sentence each.
    pub worlds: Vec<String>,
    /// The generator, as it names itself.
    pub generator: String,
    /// The oracle, as it names itself.
    pub oracle: String,
    /// Everything that the rows share of what their results depend on.
    pub fingerprint: BTreeMap<String, String>,
    /// Images that all rows share; the figures are over these.
    pub images: usize,
    /// Images that only some rows have.
    pub images_left_out: usize,
    /// Confidence of the intervals, from 0 to 1.
    pub confidence: f64,
    /// The rows, best first.
    pub entries: Vec<Entry>,
}

/// One target in a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// Place by FMR, from 1.
    pub rank: usize,
    /// Ranks between which it lies with the table's confidence; absent where it was not ranked.
    pub ranks: Option<[usize; 2]>,
    /// Letters of its groups: targets that share one cannot be told apart.
    pub group: String,
    /// Share of the resamples of the images in which it is first, from 0 to 1; absent where it was not ranked.
    pub first: Option<f64>,
    /// The target.
    pub model: String,
    /// The run.
    pub run: String,
    /// Identifier of the row in the run.
    pub row: String,
    /// Standard accuracy.
    pub sa: Proportion,
    /// Perturbed accuracy.
    pub pa: Proportion,
    /// PA / SA.
    pub fmr: Ratio,
    /// Validation rate.
    pub vr: Proportion,
    /// Area under FMR against log₁₀ of the step size, where the runs have the target at several step sizes.
    pub area: Option<Area>,
    /// Parameters of the target, as its card says.
    pub parameters: Option<u64>,
    /// Wall seconds for an image on the machine of the run, the search included.
    pub seconds_per_image: Option<f64>,
    /// Doubts about the figures, a sentence each.
    pub doubts: Vec<String>,
    /// What is known of the model.
    pub card: Option<ModelCard>,
}

/// A row that is in no table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LeftOut {
    /// The row.
    pub row: String,
    /// In a clause: what differs.
    pub why: String,
}

impl Leaderboard {
    /// Merges rows of runs. The metrics are read as `metrics` says, for all rows alike.
    pub fn of(title: &str, rows: &[Evidence<'_>], cards: &[ModelCard], metrics: &MetricsSettings) -> Self {
        let contenders: Vec<Contender<'_>> = rows.iter().map(|row| row.contender.clone()).collect();
        let compared = Compared::of(&contenders, metrics);
        let table = |heat: &Heat<'_>| table(heat, rows, &contenders, cards, metrics);
        let left_out = compared.apart.iter().map(|(row, why)| LeftOut { row: row.clone(), why: why.clone() });
        Self {
            format: FORMAT.to_owned(),
            title: title.to_owned(),
            tables: compared.heats.iter().map(table).collect(),
            left_out: left_out.collect(),
        }
    }

    /// The leaderboard as JSON, in the format [`FORMAT`].
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, ReportError> {
        Ok(serde_json::to_string_pretty(self).map_err(ReportError::Json)? + "\n")
    }

    /// Writes `leaderboard.txt`, `leaderboard.md`, `leaderboard.html` and `leaderboard.json` into a folder, which is made
    /// where needed.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), ReportError> {
        let report = self.report();
        let files = [
            ("leaderboard.txt", report.to_tables(WIDTH)),
            ("leaderboard.md", report.to_markdown()),
            ("leaderboard.html", report.to_page()),
            ("leaderboard.json", self.to_json()?),
        ];
        for (name, content) in files {
            let path = dir.join(name);
            let written = std::fs::create_dir_all(dir).and_then(|()| fmr_files::replace(&path, content.as_bytes()));
            written.map_err(|source| ReportError::Write { path, source })?;
        }
        Ok(())
    }
}

fn table(
    heat: &Heat<'_>,
    rows: &[Evidence<'_>],
    contenders: &[Contender<'_>],
    cards: &[ModelCard],
    metrics: &MetricsSettings,
) -> Table {
    let shared: BTreeSet<&str> = heat.contenders.first().map_or_else(BTreeSet::new, |first| {
        let in_all = |key: &&&str| heat.contenders.iter().all(|one| one.images.contains_key(**key));
        first.images.keys().filter(in_all).copied().collect()
    });
    let comparison = &heat.comparison;
    let unranked = (0..heat.contenders.len()).filter(|model| !comparison.order.contains(model));
    let order: Vec<usize> = comparison.order.iter().copied().chain(unranked).collect();
    let entries = order.iter().enumerate().map(|(at, model)| {
        let contender = &heat.contenders[*model];
        let ranked = comparison.order.get(at).is_some();
        let figures = figures(contender, &shared, metrics);
        let measured = Measured::of(contender.results, metrics, None);
        let records = contender.results.records.len();
        let card = cards.iter().find(|card| card.is_of(&contender.target, &contender.results.plan));
        Entry {
            rank: at + 1,
            ranks: comparison.stability.ranks(at, metrics.confidence).filter(|_| ranked),
            group: comparison.letters(*model),
            first: comparison.stability.share_first.get(at).copied().filter(|_| ranked),
            model: heat.labels[*model].clone(),
            run: contender.run.clone(),
            row: contender.results.plan.id.clone(),
            sa: figures.sa,
            pa: figures.pa,
            fmr: comparison.ratios[*model],
            vr: figures.vr,
            area: area::of(contender, contenders, metrics),
            parameters: card.and_then(|card| card.parameters),
            seconds_per_image: contender.results.facts.seconds.filter(|_| records > 0).map(|s| s / records as f64),
            doubts: measured.flags.into_iter().map(|flag| flag.sentence).collect(),
            card: card.cloned(),
        }
    });
    let names = heat.contenders.iter().find_map(|one| one.results.facts.components.clone()).unwrap_or_default();
    let shared_fields = heat.contenders.first().map(|one| setting(&one.results.plan)).unwrap_or_default();
    Table {
        setting: heat.setting.clone(),
        worlds: worlds(heat, rows),
        generator: names.generator,
        oracle: names.oracle,
        fingerprint: shared_fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        images: comparison.images,
        images_left_out: heat.left_out,
        confidence: metrics.confidence,
        entries: entries.collect(),
    }
}

/// The figures of a row over the images that its table shares.
fn figures(contender: &Contender<'_>, shared: &BTreeSet<&str>, metrics: &MetricsSettings) -> Figures {
    let results = contender.results;
    let records = results.records.iter().filter(|record| shared.contains(record.key.as_str())).cloned();
    Summary::of(&records.collect::<Vec<SampleRecord>>(), &results.plan.classes, metrics).overall
}

fn worlds(heat: &Heat<'_>, rows: &[Evidence<'_>]) -> Vec<String> {
    let mut worlds: Vec<String> = Vec::new();
    for one in &heat.contenders {
        let own = |row: &&Evidence<'_>| std::ptr::eq(row.contender.results, one.results);
        for row in rows.iter().filter(own) {
            let sentence = row.world.sentence().to_owned();
            if !worlds.contains(&sentence) {
                worlds.push(sentence);
            }
        }
    }
    worlds
}
