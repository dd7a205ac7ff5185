//! Hyper-parameters of a VQGAN, and the sizes that follow from them.

use serde::{Deserialize, Serialize};

/// How vectors become rows of the codebook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantizer {
    /// The nearest row (VQModel).
    #[default]
    Nearest,
    /// The row with the largest logit of a projection (GumbelVQ).
    Gumbel,
}

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
    /// How vectors become rows.
    #[serde(default, skip_serializing_if = "is_default")]
    pub quantizer: Quantizer,
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

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Everything that names and shapes of the parameters depend on, one entry a level where levels may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// Channels of the images that go in.
    pub in_channels: usize,
    /// Channels of the images that come out.
    pub out_channels: usize,
    /// Channels between encoder or decoder and the 1×1 convolutions around the quantiser.
    pub z_channels: usize,
    /// Size of a codebook row.
    pub embed_dim: usize,
    /// Rows of the codebook.
    pub n_embed: usize,
    /// Channels after the first convolution.
    pub first: usize,
    /// Channels of each level.
    pub widths: Vec<usize>,
    /// Residual blocks of a level of the encoder; the decoder has one more.
    pub blocks: usize,
    /// Levels of the encoder with attention.
    pub encoder_attention: Vec<bool>,
    /// Levels of the decoder with attention.
    pub decoder_attention: Vec<bool>,
    /// Whether the lowest resolution has attention between its two further blocks.
    pub middle_attention: bool,
    /// Whether a convolution stands at each change of resolution; else halving is by averages of 2×2.
    pub resample_with_conv: bool,
    /// Groups of every group normalisation.
    pub groups: usize,
    /// How vectors become rows.
    pub quantizer: Quantizer,
}

/// Channels and blocks that a level may have.
const MOST_CHANNELS: usize = 1 << 14;
/// Values that a codebook may have.
const MOST_CODEBOOK: usize = 1 << 25;

impl Sizes {
    /// Image sides per latent side.
    pub fn factor(&self) -> usize {
        let halvings = u32::try_from(self.widths.len().max(1) - 1).ok();
        halvings.and_then(|halvings| 1usize.checked_shl(halvings)).unwrap_or(usize::MAX)
    }

    /// A short name, e.g. `vqgan-f16-16384`.
    pub fn name(&self) -> String {
        let kind = if self.quantizer == Quantizer::Gumbel { "gumbel-vq" } else { "vqgan" };
        format!("{kind}-f{}-{}", self.factor(), self.n_embed)
    }

    /// What makes no model of these sizes.
    ///
    /// # Errors
    /// A size that the architecture cannot have.
    pub fn check(&self) -> Result<(), SizesError> {
        if self.widths.is_empty() || self.widths.len() > 16 {
            return Err(SizesError::Levels(self.widths.len()));
        }
        let zero = [self.in_channels, self.out_channels, self.z_channels, self.embed_dim, self.n_embed, self.groups];
        if zero.contains(&0) {
            return Err(SizesError::Zero);
        }
        let channels = self.widths.iter().chain([&self.first]);
        if let Some(bad) = channels.clone().find(|c| **c == 0 || *c % self.groups != 0) {
            return Err(SizesError::Groups { channels: *bad, groups: self.groups });
        }
        // A file may claim any size. These limits are far beyond every published model, and keep what is built small.
        let largest = channels.clone().chain([&self.in_channels, &self.out_channels, &self.z_channels, &self.blocks]);
        if let Some(absurd) = largest.copied().find(|size| *size > MOST_CHANNELS) {
            return Err(SizesError::Large(absurd));
        }
        if self.n_embed.saturating_mul(self.embed_dim) > MOST_CODEBOOK {
            return Err(SizesError::Codebook { rows: self.n_embed, values: self.embed_dim });
        }
        if self.quantizer == Quantizer::Gumbel && self.embed_dim != self.z_channels {
            return Err(SizesError::Gumbel { embed_dim: self.embed_dim, z_channels: self.z_channels });
        }
        Ok(())
    }
}

/// Sizes of which no model can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SizesError {
    /// Too few or too many levels.
    #[error("there are {0} levels instead of 1 to 16")]
    Levels(usize),
    /// A size that has to be there is zero.
    #[error("a number of channels, codes or groups is zero")]
    Zero,
    /// Channels that a normalisation cannot share out.
    #[error("{channels} channels are not a multiple of the {groups} groups of a normalisation")]
    Groups {
        /// Channels of a level.
        channels: usize,
        /// Groups of its normalisation.
        groups: usize,
    },
    /// Far beyond every published model.
    #[error("a size of {0} is larger than {MOST_CHANNELS}")]
    Large(usize),
    /// The same of the codebook.
    #[error("a codebook of {rows} rows of {values} values is too large")]
    Codebook {
        /// Number of codes.
        rows: usize,
        /// Length of each.
        values: usize,
    },
    /// A Gumbel quantiser maps nothing in between.
    #[error("a Gumbel quantiser needs embed_dim = z_channels, not {embed_dim} and {z_channels}")]
    Gumbel {
        /// Length of a code.
        embed_dim: usize,
        /// Channels of the encoder's result.
        z_channels: usize,
    },
}

impl From<&VqganConfig> for Sizes {
    fn from(config: &VqganConfig) -> Self {
        let dd = &config.ddconfig;
        let halved = |level: usize| u32::try_from(level).ok().and_then(|level| dd.resolution.checked_shr(level));
        let attends = |level: usize| dd.attn_resolutions.contains(&halved(level).unwrap_or_default());
        let attention: Vec<bool> = (0..dd.ch_mult.len()).map(attends).collect();
        Self {
            in_channels: dd.in_channels,
            out_channels: dd.out_ch,
            z_channels: dd.z_channels,
            embed_dim: config.embed_dim,
            n_embed: config.n_embed,
            first: dd.ch,
            widths: dd.ch_mult.iter().map(|m| dd.ch.saturating_mul(*m)).collect(),
            blocks: dd.num_res_blocks,
            encoder_attention: attention.clone(),
            decoder_attention: attention,
            middle_attention: true,
            resample_with_conv: true,
            groups: 32,
            quantizer: config.quantizer,
        }
    }
}
