//! Sizes of a VQGAN.

use serde::{Deserialize, Serialize};

/// Hyper-parameters by the names of the published yaml files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VqganConfig {
    /// Size of a codebook row.
    pub embed_dim: usize,
    /// Rows of the codebook.
    pub n_embed: usize,
    /// Encoder and decoder.
    pub ddconfig: DdConfig,
}

/// Sizes of encoder and decoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DdConfig {
    /// Channels of the first level; a multiple of 32.
    pub ch: usize,
    /// Channels of each level as a multiple of `ch`; each level but the last halves the resolution.
    pub ch_mult: Vec<usize>,
    /// Residual blocks of a level of the encoder; the decoder has one more.
    pub num_res_blocks: usize,
    /// Resolutions with attention; compared with `resolution` halved level by level, whatever the image's size.
    pub attn_resolutions: Vec<usize>,
    /// Side of the training images.
    pub resolution: usize,
    /// Channels of the encoder's input.
    pub in_channels: usize,
    /// Channels of the decoder's output.
    pub out_ch: usize,
    /// Channels of the encoder's output.
    pub z_channels: usize,
}

impl DdConfig {
    /// Image sides per latent side.
    pub fn factor(&self) -> usize {
        1 << (self.ch_mult.len() - 1)
    }

    /// Channels of a level.
    pub(crate) fn width(&self, level: usize) -> usize {
        self.ch * self.ch_mult[level]
    }

    /// Whether a level has attention.
    pub(crate) fn attends(&self, level: usize) -> bool {
        self.attn_resolutions.contains(&(self.resolution >> level))
    }
}
