#![doc = include_str!("../README.md")]

mod aimed;
mod build;
pub mod compare;
mod curves;
mod evidence;
mod grid;
mod html;
pub mod leaderboard;
pub mod mask_art;
mod pixels;
pub mod plot;
mod render;
mod report;
pub mod reproduction;
mod results;
mod select;
mod sheet;
mod side_by_side;
pub mod sweep;
mod words;
mod write;

use thiserror::Error;

pub use build::{Components, Found, PeopleSaid, RowFigures, caption, contenders, people};
pub use evidence::{Evidence, evidence};
pub use fmr_mask::MaskFigures;
pub use fmr_store::RowResults;
pub use grid::{Align, Caption, Cell, CellOf, Column, Figure, Grid, Need, Row, RowState, Unit, Value};
pub use html::{Page, STYLE, line_chart};
pub use render::{FORMAT, TextOptions, WIDTH};
pub use report::Report;
pub use results::Results;
pub use select::select_samples;
pub use sheet::{SheetOptions, contact_sheet};
pub use words::ending;
pub use write::{Written, write};

use fmr_data::pixels::PixelError;
use fmr_store::StoreError;

/// A report that could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The run cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An image cannot be shown.
    #[error("sample {index} of row {row:?} cannot be shown: {problem}")]
    Image {
        /// The row.
        row: String,
        /// The sample's index.
        index: usize,
        /// What is wrong.
        problem: PixelError,
    },
    /// A figure cannot be drawn.
    #[error("the figure {plot:?} cannot be drawn: {problem}")]
    Plot {
        /// Its identifier.
        plot: String,
        /// What is wrong.
        problem: PixelError,
    },
    /// A report cannot be written as JSON, or JSON is no report.
    #[error("the report's JSON: {0}")]
    Json(#[source] serde_json::Error),
    /// JSON that is not a report of this format.
    #[error("the JSON has the format {found:?}; this version reads {FORMAT:?}")]
    Format {
        /// The format that it names.
        found: String,
    },
    /// A grid cannot be written as CSV.
    #[error("the report's CSV: {0}")]
    Csv(#[source] csv::Error),
    /// A file of the report cannot be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

// What the store's synthetic samples name.
#[cfg(test)]
use fmr_store::{Part, RowPlan, RunPlan};

#[cfg(test)]
#[path = "../../store/src/toy.rs"]
#[expect(dead_code, reason = "some of it serves the store alone")]
mod store_toy;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod toy;
