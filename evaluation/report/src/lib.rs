//! What people read of a run: the printed [`Table`], contact sheets, and one HTML page.
//!
//! Every figure stands with its number of images, its interval and its setting. A paper's figure is always marked as the
//! paper's, a row that cannot run here is printed as missing with what to get, and counts stand beside rates.

mod blocks;
mod html;
mod markdown;
mod mask;
pub mod mask_art;
mod sheet;
mod table;
mod text;

use thiserror::Error;

pub use html::{Page, html};
pub use mask::{Against, MaskFigures, MaskPart, PaperMask, Work};
pub use sheet::{SheetOptions, contact_sheet, select_samples};
pub use table::{Column, Need, RowState, Setting, Table, TableRow};

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
    #[error("sample {index} of cell {cell:?} cannot be shown: {problem}")]
    Image {
        /// The cell.
        cell: String,
        /// The sample's index.
        index: usize,
        /// What is wrong.
        problem: PixelError,
    },
}

// What the store's synthetic samples name.
#[cfg(test)]
use fmr_store::{RowPlan, RunPlan};

#[cfg(test)]
#[path = "../../store/src/toy.rs"]
#[expect(dead_code, reason = "some of it serves the store alone")]
mod store_toy;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod toy;
