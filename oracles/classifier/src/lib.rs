//! A classifier of the zoo as a surrogate oracle, alone or as the ensemble of its views under flips and crops.
//!
//! The paper's oracle is a foundation model. Where none is at hand, a strong classifier that is not under test can judge
//! in its place; its name says so in every table. It knows its own classes only: a class name that it does not know is
//! refused when a run starts.

mod classes;
mod oracle;
mod views;

pub use oracle::{ClassifierOracle, ClassifierOracleSettings, register};

/// The kind of these oracles in experiment files. They read no prompts.
pub const KIND: &str = "classifier";
