//! A table of figures, to be printed in several forms.

use std::collections::BTreeMap;

use fmr_core::metrics::{Figures, Interval, Summary};
use fmr_core::validity::Flag;
use fmr_experiment::World;
use serde::{Deserialize, Serialize};

use super::mask::{MaskPart, PaperMask};

/// A column of figures, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Column {
    /// Standard accuracy.
    Sa,
    /// Perturbed accuracy.
    Pa,
    /// Foundation Model-oriented Robustness.
    Fmr,
    /// Validation rate.
    Vr,
}

impl Column {
    /// All columns, in order.
    pub const ALL: [Self; 4] = [Self::Sa, Self::Pa, Self::Fmr, Self::Vr];

    /// Its heading.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Sa => "SA",
            Self::Pa => "PA",
            Self::Fmr => "FMR",
            Self::Vr => "VR",
        }
    }

    /// Value and interval of this column, as fractions.
    pub(super) fn of(self, figures: &Figures) -> (Option<f64>, Option<Interval>) {
        match self {
            Self::Sa => (figures.sa.value, figures.sa.interval),
            Self::Pa => (figures.pa.value, figures.pa.interval),
            Self::Fmr => (figures.fmr.value, figures.fmr.interval),
            Self::Vr => (figures.vr.value, figures.vr.interval),
        }
    }
}

/// How a table's figures came about. Texts are printed as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Setting {
    /// The generator, e.g. `VQGAN, 8 × 8 × 4 latents`.
    pub generator: String,
    /// The oracle, e.g. `CLIP (small), "an image of {class}"`.
    pub oracle: String,
    /// The oracle's verdict rule, e.g. `argmax`.
    pub verdict: String,
    /// Updates allowed, e.g. `50`.
    pub budget: String,
    /// Size of an update, e.g. `0.001`.
    pub step_size: String,
    /// The step rule, e.g. `sign`.
    pub rule: String,
    /// Whatever else a reader must know, a sentence each.
    pub remarks: Vec<String>,
}

/// Something that a row needs and this machine lacks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Need {
    /// What is missing, e.g. `ImageNet validation images`.
    pub what: String,
    /// Where to get it.
    pub get: String,
    /// Where to put it.
    pub put: String,
}

/// What is known of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowState {
    /// It ran.
    Measured(Box<Summary>),
    /// It cannot run here.
    Missing(Vec<Need>),
}

/// One row: one model on one data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TableRow {
    /// The data set.
    pub data: String,
    /// The model.
    pub model: String,
    /// Whose models, and whether it is the paper's setting.
    #[serde(default)]
    pub world: World,
    /// What was measured, or what is missing.
    pub state: RowState,
    /// The paper's figures, in percent.
    pub paper: BTreeMap<Column, f64>,
    /// What speaks against the row's figures.
    pub flags: Vec<Flag>,
    /// What the row says of masks.
    #[serde(default)]
    pub mask: MaskPart,
}

impl TableRow {
    /// Data set and model.
    pub fn name(&self) -> String {
        [self.data.as_str(), self.model.as_str()].into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join(" · ")
    }

    pub(super) fn measured(&self) -> Option<&Summary> {
        match &self.state {
            RowState::Measured(summary) => Some(summary),
            RowState::Missing(_) => None,
        }
    }
}

/// A table of the figures of several cells, with the paper's beside them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Table {
    /// Its title.
    pub title: String,
    /// How its figures came about.
    pub setting: Setting,
    /// Its rows.
    pub rows: Vec<TableRow>,
    /// Decimals of figures, which are in percent; their intervals have one less.
    pub digits: usize,
}

impl Table {
    /// Confidence of the intervals; that of the first row that ran.
    pub(super) fn confidence_level(&self) -> f64 {
        self.rows.iter().find_map(TableRow::measured).map_or(0.95, |s| s.settings.confidence)
    }

    /// Confidence of the intervals in percent, e.g. `95`.
    pub(super) fn confidence(&self) -> String {
        let percent = (self.confidence_level() * 1e6).round() / 1e4;
        percent.to_string()
    }

    /// What is missing, each thing once, in the order of the rows; rows refer to it by number from 1.
    pub(super) fn needs(&self) -> Vec<&Need> {
        let mut needs: Vec<&Need> = Vec::new();
        for row in &self.rows {
            if let RowState::Missing(missing) = &row.state {
                for need in missing {
                    if !needs.contains(&need) {
                        needs.push(need);
                    }
                }
            }
        }
        needs
    }

    /// The worlds of the rows that ran, each with the rows' data sets in order; of all rows where none ran.
    pub(super) fn worlds(&self) -> Vec<(World, Vec<&str>)> {
        let any = self.rows.iter().any(|row| row.measured().is_some());
        let mut worlds: Vec<(World, Vec<&str>)> = Vec::new();
        for row in self.rows.iter().filter(|row| !any || row.measured().is_some()) {
            let at = worlds.iter().position(|(world, _)| *world == row.world).unwrap_or_else(|| {
                worlds.push((row.world, Vec::new()));
                worlds.len() - 1
            });
            if !worlds[at].1.contains(&row.data.as_str()) {
                worlds[at].1.push(&row.data);
            }
        }
        worlds
    }

    /// Whose models the figures are of, a sentence a world.
    pub(super) fn world_sentence(&self) -> String {
        match &self.worlds()[..] {
            [(world, _)] => world.sentence().to_owned(),
            worlds => {
                let each = worlds.iter().map(|(world, data)| format!("{}: {}", data.join(", "), world.sentence()));
                each.collect::<Vec<_>>().join(" ")
            }
        }
    }

    /// Whether any row has figures of the paper.
    pub(super) fn has_paper(&self) -> bool {
        self.rows.iter().any(|row| !row.paper.is_empty() || row.mask.paper != PaperMask::default())
    }

    pub(super) fn value(&self, fraction: Option<f64>) -> String {
        percent(fraction, self.digits)
    }

    pub(super) fn interval(&self, interval: Option<Interval>) -> String {
        let digits = self.digits.saturating_sub(1);
        interval
            .map_or_else(String::new, |i| format!("{}–{}", percent(Some(i.lo), digits), percent(Some(i.hi), digits)))
    }

    /// A figure of the paper, which is in percent, with the paper's two decimals.
    pub(super) fn paper(row: &TableRow, column: Column) -> String {
        row.paper.get(&column).map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"))
    }
}

/// A fraction in percent, without the sign; `–` where it is undefined.
pub(super) fn percent(fraction: Option<f64>, digits: usize) -> String {
    fraction.filter(|f| f.is_finite()).map_or_else(|| "–".to_owned(), |f| format!("{:.digits$}", 100.0 * f))
}

impl Setting {
    /// Name and value of what the figures depend on.
    pub(super) fn facts(&self) -> [(&'static str, String); 6] {
        [
            ("generator", self.generator.clone()),
            ("oracle", self.oracle.clone()),
            ("verdict", self.verdict.clone()),
            ("budget", self.budget.clone()),
            ("step size", self.step_size.clone()),
            ("rule", self.rule.clone()),
        ]
    }
}
