#![doc = include_str!("../README.md")]

mod classes;
mod oracle;
mod views;

pub use oracle::{ClassifierOracle, ClassifierOracleSettings, register};

/// The kind of these oracles in experiment files. They read no prompts.
pub const KIND: &str = "classifier";
