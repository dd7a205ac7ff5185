//! The sparse mask over latent dimensions.
mod cholesky;
mod columns;
mod lasso;
mod loss;
mod solve;
mod support;
mod working_set;

use thiserror::Error;

pub use columns::{Standardize, Value};
pub use loss::Model;
pub use solve::{Fit, Form, Limits, Optimality, Problem};

/// A mask could not be learned, read or applied.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MaskError {
    /// The latents do not make a problem.
    #[error("{0}")]
    Data(String),
    /// A value is not a finite number.
    #[error("row {row}, column {column} is {value}; every value must be finite")]
    NotFinite {
        /// Which row.
        row: String,
        /// Which column.
        column: String,
        /// NaN or an infinity.
        value: f64,
    },
    /// The solver was asked for something that it cannot do.
    #[error("{0}")]
    Solver(String),
}
