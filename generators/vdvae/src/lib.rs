#![doc = include_str!("../README.md")]

mod cell;
mod checkpoint;
mod config;
mod decoder;
mod encoder;
mod fit;
mod gaussian;
mod generator;
mod hparams;
mod mixture;
mod network;
mod output;
mod pixels;
mod published;
mod settings;
mod variates;

pub use checkpoint::{CONFIG_ENTRY, ConfigFrom, INPUT_ENTRY, Opened, open};
pub use config::{Base, ConfigError, Kernel, LatentSite, VdvaeConfig};
pub use decoder::{Choice, Decoder};
pub use encoder::Encoder;
pub use fit::Fit;
pub use fmr_nn::opening::OpenError;
pub use gaussian::Gaussian;
pub use generator::Vdvae;
pub use mixture::Mixture;
pub use network::Network;
pub use output::{Output, OutputNoise};
pub use published::{Published, published};
pub use settings::{BinaryInput, Composition, Decode, Encoding, Layers, VdvaeSettings, register};
pub use variates::{DivStats, DivStatsError};
