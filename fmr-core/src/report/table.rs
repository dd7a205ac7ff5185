//! A table of figures, to be printed in several forms.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metrics::{Figures, Interval, Proportion, Summary};
use crate::validity::Flag;

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

/// Whether a table's figures may be held against the paper's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    /// Small models, trained by this project: another setting than the paper's.
    Small,
    /// The paper's models, weights and data.
    Paper,
    /// Models that others published, in another setting than the paper's.
    Other,
}

/// How a table's figures came about. Texts are printed as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Setting {
    /// Whose models, and whether it is the paper's setting.
    pub world: World,
    /// The generator, e.g. `VQGAN, 8 × 8 × 4 latents`.
    pub generator: String,
    /// The oracle, e.g. `CLIP (small), "an image of {class}"`.
    pub oracle: String,
    /// The oracle's verdict rule, e.g. `argmax`.
    pub verdict: String,
    /// Updates allowed.
    pub budget: usize,
    /// Size of an update.
    pub step_size: f64,
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
    /// What was measured, or what is missing.
    pub state: RowState,
    /// The paper's figures, in percent.
    pub paper: BTreeMap<Column, f64>,
    /// What speaks against the row's figures.
    pub flags: Vec<Flag>,
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
    /// Confidence of the intervals in percent, e.g. `95`; that of the first row that ran.
    pub(super) fn confidence(&self) -> String {
        let confidence = self.rows.iter().find_map(TableRow::measured).map_or(0.95, |s| s.settings.confidence);
        let percent = (confidence * 1e6).round() / 1e4;
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

    /// Whether any row has figures of the paper.
    pub(super) fn has_paper(&self) -> bool {
        self.rows.iter().any(|row| !row.paper.is_empty())
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
    /// The world in a sentence.
    pub(super) fn world_sentence(&self) -> &'static str {
        match self.world {
            World::Small => "Small world: small models trained by this project. Not the paper's setting.",
            World::Paper => "The paper's setting: its models, weights and data.",
            World::Other => "Published models in another setting than the paper's.",
        }
    }

    /// Name and value of what the figures depend on.
    pub(super) fn facts(&self) -> [(&'static str, String); 6] {
        [
            ("generator", self.generator.clone()),
            ("oracle", self.oracle.clone()),
            ("verdict", self.verdict.clone()),
            ("budget", self.budget.to_string()),
            ("step size", self.step_size.to_string()),
            ("rule", self.rule.clone()),
        ]
    }
}

/// Headings and values of a row.
pub(super) type Values = Vec<(&'static str, String)>;

/// Counts and rates beside the figures of a row: heading and value.
pub(super) fn endings(summary: &Summary) -> Values {
    let endings = &summary.overall.endings;
    let mean = summary.overall.accepted_updates.value;
    vec![
        ("rejected", endings.reconstruction_rejected.to_string()),
        ("step 1", endings.stopped_at_first.to_string()),
        ("later", endings.stopped_later.to_string()),
        ("budget", endings.budget_reached.to_string()),
        ("early exit", endings.early_exit.to_string()),
        ("failed", endings.failed.to_string()),
        ("mean updates", mean.map_or_else(|| "–".to_owned(), |mean| format!("{mean:.1}"))),
    ]
}

/// What the headings of [`endings`] mean.
pub(super) const ENDINGS_LEGEND: &str = "rejected: the oracle refused the reconstruction. step 1, later: it refused the \
     first or a later update, which was undone. budget: all updates were accepted. mean updates: accepted ones, over \
     images whose reconstruction was accepted.";

/// Title of [`beside`].
pub(super) const BESIDE_TITLE: &str = "Originals and reconstructions (rec.), in percent of all images";

/// Accuracies beside those of the table: heading and value in percent.
pub(super) fn beside(summary: &Summary) -> Values {
    let figures = &summary.overall;
    let share = |p: &Proportion| percent(p.value, 1);
    vec![
        ("rec. accepted", share(&figures.reconstructed)),
        ("target right on rec.", share(&figures.reconstruction_accuracy)),
        ("oracle right on orig.", share(&figures.oracle_clean)),
        ("oracle right on rec.", share(&figures.oracle_reconstruction)),
    ]
}
