//! One row of a grid.

use std::collections::BTreeMap;

use fmr_core::validity::Flag;
use serde::{Deserialize, Serialize};

use super::Cell;

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

/// How far a row got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RowState {
    /// It ran to its end.
    #[default]
    Measured,
    /// It is not finished: its figures are of the samples done so far.
    Unfinished {
        /// Samples done.
        done: usize,
        /// Samples that there are to do.
        of: usize,
    },
    /// It lacks files.
    Missing {
        /// What it lacks.
        needs: Vec<Need>,
    },
    /// It cannot run for another reason than missing files.
    CannotRun {
        /// The reason, as a sentence.
        reason: String,
    },
}

impl RowState {
    /// Whether it has figures.
    pub fn has_figures(&self) -> bool {
        matches!(self, Self::Measured | Self::Unfinished { .. })
    }

    /// What the row lacks.
    pub fn needs(&self) -> &[Need] {
        match self {
            Self::Missing { needs } => needs,
            _ => &[],
        }
    }
}

/// One row: labels, cells by column, and doubts about its figures.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// Identifier of the run's row that it is of, e.g. `mnist/lenet`; empty for others.
    #[serde(default)]
    pub id: String,
    /// Its labels from the general to the special: data set, model, variants. May be longer than the grid's headings.
    pub path: Vec<String>,
    /// How far it got.
    #[serde(default)]
    pub state: RowState,
    /// Samples that its figures are over unless a cell says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<usize>,
    /// Its cells by column; a column without one is shown as missing.
    pub cells: BTreeMap<String, Cell>,
    /// Doubts about its figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
}

impl Row {
    /// A row without cells.
    pub fn new<S: Into<String>>(path: impl IntoIterator<Item = S>) -> Self {
        Self { path: path.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Adds the cell of a column.
    #[must_use]
    pub fn with(mut self, column: &str, cell: Cell) -> Self {
        self.cells.insert(column.to_owned(), cell);
        self
    }

    /// Sets how many samples its figures are over.
    #[must_use]
    pub fn over(mut self, n: usize) -> Self {
        self.n = Some(n);
        self
    }

    /// Its labels in one line.
    pub fn name(&self) -> String {
        let labels: Vec<&str> = self.path.iter().map(String::as_str).filter(|label| !label.is_empty()).collect();
        labels.join(" · ")
    }

    pub(crate) fn has_paper(&self) -> bool {
        self.cells.values().any(|cell| cell.paper.is_some())
    }
}
