//! The rows of the experiment with all their figures, for programs.

use fmr_core::metrics::Summary;
use fmr_core::validity::Flag;
use fmr_experiment::{PaperFigures, World};
use serde::{Deserialize, Serialize};

use super::Run;
use crate::{Need, RowState};

/// A row of the experiment: every figure and whole number of it, where a [`Grid`](crate::Grid) has those that are shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RowFigures {
    /// Identifier of the run's row, e.g. `mnist/lenet`.
    pub id: String,
    /// Label of the data set.
    pub data: String,
    /// Label of the model.
    pub model: String,
    /// Whose models they are.
    pub world: World,
    /// What was found.
    pub state: Found,
    /// The paper's figures as printed.
    pub paper: PaperFigures,
    /// Doubts about the figures.
    pub flags: Vec<Flag>,
}

/// What was found of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// It ran; where it is not finished yet, of the samples done so far.
    Measured(Box<Summary>),
    /// It lacks files.
    Missing(Vec<Need>),
    /// It cannot run, for this reason.
    CannotRun(String),
}

/// One entry for each row of the experiment, in its order.
pub(crate) fn rows(run: &Run<'_>) -> Vec<RowFigures> {
    let row = |entry: &super::Entry<'_>| {
        let state = match (&entry.measured, &entry.state) {
            (Some(measured), _) => Found::Measured(Box::new(measured.summary.clone())),
            (None, RowState::CannotRun { reason }) => Found::CannotRun(reason.clone()),
            (None, state) => Found::Missing(state.needs().to_vec()),
        };
        RowFigures {
            id: entry.id.clone(),
            data: entry.data.clone(),
            model: entry.model.clone(),
            world: entry.world,
            state,
            paper: entry.paper.clone(),
            flags: entry.measured.as_ref().map(|m| m.flags.clone()).unwrap_or_default(),
        }
    };
    run.entries.iter().map(row).collect()
}
