//! A report: its grids in order, and what is said once for all of them.

use fmr_core::validity::{Flag, FlagKind};
use serde::{Deserialize, Serialize};

use crate::plot::Plot;
use crate::{Grid, Row, RowFigures, RowState};

/// Everything that a run says, as grids. The first is the main table: its rows carry the states and the flags.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Its title.
    pub title: String,
    /// The rows of the experiment with all their figures, for programs. Renderers show the grids alone.
    #[serde(default)]
    pub rows: Vec<RowFigures>,
    /// Its grids, the main one first.
    pub grids: Vec<Grid>,
    /// Its figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plots: Vec<Plot>,
}

/// Doubts about the figures of a report.
pub(crate) enum Validity<'r> {
    /// Nothing ran.
    Unknown,
    /// Nothing; in words.
    Sound(&'static str),
    /// Sentences about rows.
    Flagged(Vec<(&'r Row, Vec<String>)>),
}

impl Report {
    /// A grid by its identifier.
    pub fn grid(&self, id: &str) -> Option<&Grid> {
        self.grids.iter().find(|grid| grid.id == id)
    }

    /// The settings in one line, for pictures.
    pub(crate) fn subtitle(&self) -> String {
        let facts = self.grids.iter().take(1).flat_map(|grid| &grid.caption.facts);
        let facts = facts.filter(|(name, _)| name != "verdict").map(|(name, value)| match name.as_str() {
            "generator" | "oracle" | "rule" => value.clone(),
            name => format!("{name} {value}"),
        });
        facts.collect::<Vec<_>>().join(" · ")
    }

    /// Says in which rows more than `most` (a share, from 0 to 1) of the samples failed; `None` where there is no such row.
    pub fn failures(&self, most: f64) -> Option<String> {
        let rows = self.grids.first()?.rows.iter().filter_map(|row| {
            let failed = row.flags.iter().find(|flag| flag.kind == FlagKind::FailedSamples)?;
            let Flag { count, of, .. } = failed;
            (*count as f64 > most * *of as f64).then(|| format!("{count} of {of} samples of {}", row.name()))
        });
        let rows: Vec<String> = rows.collect();
        let rows = (!rows.is_empty()).then(|| rows.join(", "))?;
        Some(format!("FAILED: {rows} failed. Do not rely on the figures below."))
    }

    pub(crate) fn validity(&self) -> Validity<'_> {
        let rows = self.grids.iter().take(1).flat_map(|grid| &grid.rows);
        let rows: Vec<&Row> = rows.filter(|row| row.state.has_figures()).collect();
        if rows.is_empty() {
            return Validity::Unknown;
        }
        let flagged = rows.into_iter().map(|row| (row, row.sentences())).filter(|(_, sentences)| !sentences.is_empty());
        let flagged: Vec<_> = flagged.collect();
        if flagged.is_empty() { Validity::Sound("No validity issues found.") } else { Validity::Flagged(flagged) }
    }

    /// Grids that have rows that did not run, each with a heading for what these lack; the main one first.
    pub(crate) fn lacking(&self) -> impl Iterator<Item = (String, &Grid)> {
        let lacking = self.grids.iter().enumerate().filter(|(_, grid)| !grid.not_run().is_empty());
        lacking.map(|(at, grid)| {
            let of = if at == 0 { String::new() } else { format!(": {}", grid.title) };
            (format!("Rows that did not run here{of}"), grid)
        })
    }

    /// `8 of 10 rows did not run here.`, where any did not.
    pub(crate) fn not_run(&self) -> Option<String> {
        self.grids.first()?.not_run_sentence()
    }
}

impl Grid {
    /// `8 of 10 rows did not run here.`, where any did not.
    pub(crate) fn not_run_sentence(&self) -> Option<String> {
        let (missing, all) = (self.not_run().len(), self.rows.len());
        match missing {
            0 => None,
            1 if all == 1 => Some("The only row did not run here.".to_owned()),
            _ if missing == all => Some(format!("None of the {all} rows ran here.")),
            1 => Some(format!("1 of {all} rows did not run here.")),
            _ => Some(format!("{missing} of {all} rows did not run here.")),
        }
    }
}

impl Row {
    /// Doubts about its figures, one sentence each.
    fn sentences(&self) -> Vec<String> {
        let unfinished = match self.state {
            RowState::Unfinished { done, of } => {
                Some(format!("Only {done} of {of} images are done so far: the figures are of these."))
            }
            _ => None,
        };
        unfinished.into_iter().chain(self.flags.iter().map(|Flag { sentence, .. }| sentence.clone())).collect()
    }
}
