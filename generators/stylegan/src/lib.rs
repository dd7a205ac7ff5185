#![doc = include_str!("../README.md")]

mod attributes;
mod checkpoint;
mod config;
mod dense;
mod filters;
mod fourier;
mod generator;
mod inversion;
mod mapping;
mod modulation;
mod network;
mod perceptor;
mod plan;
mod published;
mod settings;
mod synthesis;

pub use checkpoint::{CONFIG_ENTRY, Opened, open, open_trainable};
pub use config::{ConfigError, Embedding, InputConfig, LayerConfig, StyleganConfig};
pub use dense::{DenseSettings, fully_connected};
pub use filters::Design;
pub use fmr_nn::opening::OpenError;
pub use fourier::{Waves, mixed};
pub use generator::Stylegan;
pub use inversion::{Adam, Found, Objective, Schedule, Step};
pub use mapping::{Mapping, Truncation};
pub use modulation::{Modulated, WeightSums};
pub use network::Network;
pub use perceptor::Perceptor;
pub use plan::Plan;
pub use published::{Published, published};
pub use settings::{Composition, Latent, Start, StyleganSettings, register};
pub use synthesis::Synthesis;
