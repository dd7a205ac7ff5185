//! VQGAN (Esser et al., 2021; CompVis/taming-transformers), the generator g of the paper.
//!
//! An image becomes a map of vectors, each is replaced by its nearest row of a codebook, and the rows are decoded. The
//! search moves the vectors before they are replaced.

mod autoencoder;
mod blocks;
mod config;
mod generator;
mod quantizer;

pub use autoencoder::Autoencoder;
pub use config::{DdConfig, VqganConfig};
pub use generator::{Latent, Vqgan, VqganSettings, register};
pub use quantizer::{Codebook, nearest};
