//! Reports as JSON, for programs.

use serde::{Deserialize, Serialize};

use crate::plot::Plot;
use crate::{Grid, Report, ReportError, RowFigures};

/// Name and version of the format, as the field `format` says it. The README of this crate describes it.
pub const FORMAT: &str = "fmr-table/2";

#[derive(Serialize)]
struct Written<'r> {
    format: &'static str,
    title: &'r str,
    rows: &'r [RowFigures],
    grids: &'r [Grid],
    #[serde(skip_serializing_if = "<[Plot]>::is_empty")]
    plots: &'r [Plot],
}

#[derive(Deserialize)]
struct Head {
    format: Option<String>,
}

impl Report {
    /// The report as JSON, with the field `format` set to [`FORMAT`].
    ///
    /// # Errors
    /// None that is known of; serialisation is fallible.
    pub fn to_json(&self) -> Result<String, ReportError> {
        let Self { title, rows, grids, plots } = self;
        let written = Written { format: FORMAT, title, rows, grids, plots };
        serde_json::to_string_pretty(&written).map_err(ReportError::Json)
    }

    /// Reads what [`Report::to_json`] wrote.
    ///
    /// # Errors
    /// It is no JSON, or not of this format.
    pub fn from_json(text: &str) -> Result<Self, ReportError> {
        let head: Head = serde_json::from_str(text).map_err(ReportError::Json)?;
        match head.format.as_deref() {
            Some(FORMAT) => serde_json::from_str(text).map_err(ReportError::Json),
            other => Err(ReportError::Format { found: other.unwrap_or("none").to_owned() }),
        }
    }
}
