#![doc = include_str!("../README.md")]

mod combine;
mod oracle;
mod settings;

pub use combine::Rule;
pub use oracle::Ensemble;
pub use settings::{EnsembleSettings, MemberSettings, register};

/// The kind of these oracles in experiment files.
pub const KIND: &str = "ensemble";
