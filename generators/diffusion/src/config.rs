//! Hyper-parameters of the networks.

use fmr_nn::blocks::Modulation;
use fmr_nn::functional::PackedOrder;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Everything that a UNet, or the encoder half of one, depends on, one entry a level where levels may differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UnetConfig {
    /// Channels of the images.
    pub in_channels: usize,
    /// Channels that come out: those of the images, or twice as many where the network learns variances.
    pub out_channels: usize,
    /// Size of the embedding of time, a quarter of the embedding that residual blocks take.
    pub model_channels: usize,
    /// Channels of each level; each level but the last halves the resolution.
    pub widths: Vec<usize>,
    /// Residual blocks of a level on the way down; there is one more on the way up.
    pub blocks: usize,
    /// Levels with attention.
    pub attention: Vec<bool>,
    /// Heads of every attention.
    pub heads: Heads,
    /// Heads on the way up, where they are not those on the way down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder_heads: Option<usize>,
    /// Order of queries, keys and values.
    #[serde(default)]
    pub attention_order: AttentionOrder,
    /// Whether the embedding scales and shifts normalised values; else it is added before the normalisation.
    pub scale_shift_norm: bool,
    /// What changes the resolution.
    pub resampling: Resampling,
    /// Classes that the network is told, for a class-conditional one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
}

/// Heads of an attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heads {
    /// So many (`num_heads`).
    Count(usize),
    /// As many as there are slices of so many channels (`num_head_channels`).
    Channels(usize),
}

impl Heads {
    /// Heads over so many channels; none where they do not divide them.
    pub fn over(self, channels: usize) -> Option<usize> {
        let heads = match self {
            Self::Count(heads) => heads,
            Self::Channels(size) => channels.checked_div(size)?,
        };
        let fits = heads > 0 && channels.is_multiple_of(heads) && (self == Self::Count(heads) || self.splits(channels));
        fits.then_some(heads)
    }

    fn splits(self, channels: usize) -> bool {
        matches!(self, Self::Channels(size) if size > 0 && channels.is_multiple_of(size))
    }
}

/// Order of the channels of queries, keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttentionOrder {
    /// Head by head: improved-diffusion, and guided-diffusion unless told otherwise.
    #[default]
    Legacy,
    /// All queries, all keys, all values: guided-diffusion with `use_new_attention_order`.
    New,
}

impl AttentionOrder {
    pub(crate) fn packed(self) -> PackedOrder {
        match self {
            Self::Legacy => PackedOrder::HeadsFirst,
            Self::New => PackedOrder::KindsFirst,
        }
    }
}

/// What changes the resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resampling {
    /// Residual blocks (`resblock_updown`).
    Residual,
    /// A 3×3 convolution with stride 2, or after doubling (`conv_resample`).
    Convolution,
    /// Means and doubled pixels alone.
    Plain,
}

/// Groups of every normalisation.
pub(crate) const GROUPS: usize = 32;
/// Levels that a network may have.
const MOST_LEVELS: usize = 16;
/// Residual blocks that a level may have.
const MOST_BLOCKS: usize = 256;
/// Channels that a level, and classes that a network may have.
const MOST_CHANNELS: usize = 1 << 16;

/// Hyper-parameters that make no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// Too few or too many levels, or attention that is not said for each.
    #[error("a network has 1 to {MOST_LEVELS} levels, and attention is said for each of them")]
    Levels,
    /// A size is zero or beyond all measure.
    #[error("a level has 1 to {MOST_BLOCKS} residual blocks, and channels and classes are 1 to {MOST_CHANNELS}")]
    Sizes,
    /// Channels cannot be normalised.
    #[error("{0} channels cannot be normalised in {GROUPS} groups")]
    Groups(usize),
    /// Channels cannot be shared among heads.
    #[error("{0} channels cannot be shared among the heads of an attention")]
    Heads(usize),
    /// Neither the images' channels nor twice as many come out.
    #[error("{out} channels come out for images of {images}; there are as many, or twice as many with variances")]
    Output {
        /// Channels of the images.
        images: usize,
        /// Channels that come out.
        out: usize,
    },
}

impl UnetConfig {
    /// Size of the embedding that residual blocks take.
    pub fn embedding(&self) -> usize {
        4 * self.model_channels
    }

    /// Sides of images are multiples of this.
    pub fn factor(&self) -> usize {
        1 << self.widths.len().saturating_sub(1)
    }

    /// Whether the network learns variances.
    pub fn learns_variance(&self) -> bool {
        self.out_channels > self.in_channels
    }

    pub(crate) fn modulation(&self) -> Modulation {
        if self.scale_shift_norm { Modulation::ScaleShift } else { Modulation::Additive }
    }

    pub(crate) fn last_width(&self) -> usize {
        self.widths.last().copied().unwrap_or_default()
    }

    /// Heads on the way up.
    pub(crate) fn decoder_heads(&self) -> Heads {
        match (self.heads, self.decoder_heads) {
            (Heads::Count(_), Some(heads)) => Heads::Count(heads),
            (heads, _) => heads,
        }
    }

    /// Whether these make a UNet.
    ///
    /// # Errors
    /// A size that the architecture cannot have.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_encoder()?;
        let (images, out) = (self.in_channels, self.out_channels);
        if out == images || out == 2 * images { Ok(()) } else { Err(ConfigError::Output { images, out }) }
    }

    /// Whether these make the encoder half of a UNet.
    pub(crate) fn check_encoder(&self) -> Result<(), ConfigError> {
        let levels = self.widths.len();
        if !(1..=MOST_LEVELS).contains(&levels) || self.attention.len() != levels {
            return Err(ConfigError::Levels);
        }
        let fits = |size: &usize| (1..=MOST_CHANNELS).contains(size);
        let sizes = [self.in_channels, self.out_channels, self.model_channels, self.classes.unwrap_or(1)];
        if !sizes.iter().chain(&self.widths).all(fits) || !(1..=MOST_BLOCKS).contains(&self.blocks) {
            return Err(ConfigError::Sizes);
        }
        if let Some(width) = self.widths.iter().find(|width| !width.is_multiple_of(GROUPS)) {
            return Err(ConfigError::Groups(*width));
        }
        let attends = self.widths.iter().zip(&self.attention).filter(|(_, attends)| **attends).map(|(width, _)| *width);
        let apart = |width: &usize| self.heads.over(*width).is_none() || self.decoder_heads().over(*width).is_none();
        match attends.chain([self.last_width()]).find(apart) {
            Some(width) => Err(ConfigError::Heads(width)),
            None => Ok(()),
        }
    }
}
