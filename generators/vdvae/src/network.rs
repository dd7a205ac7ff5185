//! Encoder, decoder and the distribution of images.

use burn::module::Module;
use fmr_nn::weights::Builder;

use crate::config::VdvaeConfig;
use crate::decoder::Decoder;
use crate::encoder::Encoder;
use crate::output::Output;

/// An Efficient-VDVAE.
#[derive(Module, Debug)]
pub struct Network {
    /// Images to skips.
    pub encoder: Encoder,
    /// Skips or latents to parameters of the output.
    pub decoder: Decoder,
    /// Parameters of the output to images.
    #[module(skip)]
    pub output: Output,
}

impl Network {
    /// A network of a sound configuration; see [`VdvaeConfig::check`].
    pub fn new(b: &mut Builder, config: &VdvaeConfig) -> Self {
        Self { encoder: Encoder::new(b, config), decoder: Decoder::new(b, config), output: Output::new(config) }
    }
}
