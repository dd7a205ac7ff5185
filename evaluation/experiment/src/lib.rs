//! Experiment files: one TOML file describes a whole table.
//!
//! A file is read strictly: an unknown key, a wrong type or a value out of its range is one error with file, line and
//! column that says what would be right, before any work starts. Where the paper leaves a choice open, a key of the
//! file makes it, and the default is the recommended reading (`protocol`, section 4).
//!
//! ```toml
//! name = "tiny"
//! [data.digits]
//! kind = "idx"
//! images = "t10k-images-idx3-ubyte.gz"
//! labels = "t10k-labels-idx1-ubyte.gz"
//! [targets.lenet]
//! kind = "zoo"
//! model = "lenet"
//! weights = "lenet.safetensors"
//! [generators.vqgan]
//! kind = "vqgan"
//! weights = "vqgan.safetensors"
//! [oracles.clip]
//! kind = "clip"
//! weights = "clip.safetensors"
//! [[rows]]
//! data = "digits"
//! target = "lenet"
//! ```

mod error;
mod experiment;
mod files;
mod fingerprint;
mod masks;
mod node;
mod paper;
mod rows;
mod suggest;
mod tables;
mod world;

pub use error::ConfigError;
pub use experiment::{Changes, Experiment, ReportSettings, RunSettings, SideBySide};
pub use files::MissingFiles;
pub use fingerprint::Fingerprints;
pub use masks::{MaskTable, Masking};
pub use node::Node;
pub use paper::PaperFigures;
pub use rows::Row;
pub use suggest::closest;
pub use tables::{ComponentTable, DataTable, Obtain};
pub use world::World;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
