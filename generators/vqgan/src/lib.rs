#![doc = include_str!("../README.md")]

mod autoencoder;
mod blocks;
mod checkpoint;
mod config;
mod diffusers;
mod generator;
mod gumbel;
mod published;
mod quantizer;
mod remap;
mod shapes;
mod yaml;

pub use autoencoder::Autoencoder;
pub use checkpoint::{Opened, SizesFrom, open, open_chosen};
pub use config::{DdConfig, Quantizer, Sizes, SizesError, VqganConfig};
pub use fmr_nn::opening::OpenError;
pub use generator::{Latent, Quantize, RowChoice, Vqgan, VqganSettings, register};
pub use gumbel::{Gumbel, largest};
pub use published::{Published, published};
pub use quantizer::{Codebook, Commitment, nearest, squared_distances};
pub use remap::{Remap, Unknown};
