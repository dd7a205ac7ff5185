#![doc = include_str!("../README.md")]

mod cholesky;
mod columns;
mod descent;
mod describe;
mod figures;
mod file;
mod kept;
mod lasso;
mod layout;
mod learn;
mod loss;
mod path;
mod report;
mod settings;
mod solve;
mod sums;
mod support;
mod working_set;

use std::path::PathBuf;

use thiserror::Error;

use fmr_core::{SettingError, shown};

pub use columns::{Standardize, Value};
pub use figures::MaskFigures;
pub use kept::Mask;
pub use layout::{Unit, channels_and_sites};
pub use learn::{LatentPairs, Learned, learn};
pub use loss::Model;
pub use path::{Folds, HeldOut, best_share, cross_validate, shares};
pub use report::{FitReport, Learning, Origin};
pub use settings::{Choose, Latents, MaskSettings, Penalty, Split};
pub use solve::{Fit, Form, Limits, Optimality, Problem};

/// A mask could not be learned, read or applied.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum MaskError {
    /// A setting is invalid.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The latents do not form a problem that can be solved.
    #[error("the mask cannot be learned: {0}")]
    Data(String),
    /// A value is not a finite number.
    #[error("the mask cannot be learned: row {row}, column {column} is {value}; every value must be finite")]
    NotFinite {
        /// Which row.
        row: String,
        /// Which column.
        column: String,
        /// NaN or an infinity.
        value: f64,
    },
    /// The solver cannot do what it was asked to do.
    #[error("the mask cannot be learned: {0}")]
    Solver(String),
    /// Mask and layout do not match.
    #[error("the layout of the mask: {0}")]
    Layout(String),
    /// The mask belongs to a different generator.
    #[error("the mask does not fit generator \"{generator}\": {problem}")]
    Misfit {
        /// Name of the generator of the run.
        generator: String,
        /// The difference.
        problem: String,
    },
    /// A mask file cannot be read or written.
    #[error("{path}: {problem}", path = shown::path(path), problem = shown::text(problem))]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl MaskError {
    /// An error that names a file.
    pub fn file(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::File { path: path.into(), problem: problem.into() }
    }
}
