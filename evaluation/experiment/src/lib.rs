#![doc = include_str!("../README.md")]

mod error;
mod experiment;
mod files;
mod fingerprint;
mod inherit;
mod masks;
mod node;
mod oracle_tables;
mod paper;
mod rows;
mod sections;
mod suggest;
mod tables;
mod world;

pub use error::ConfigError;
pub use experiment::{Changes, Experiment};
pub use files::{Lack, MissingFiles, TableFile, TableFiles};
pub use fingerprint::{ComponentFiles, Fingerprints};
pub use masks::{MaskTable, Masking};
pub use node::Node;
pub use oracle_tables::oracle_tables;
pub use paper::PaperFigures;
pub use rows::{Also, Row};
pub use sections::{EvaluateSettings, MinimalFiltering, ReportSettings, RunSettings, SideBySide};
pub use tables::{ComponentTable, DataTable, LabelMatch, Obtain};
pub use world::World;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
