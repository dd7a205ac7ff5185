//! Everything about a model that its weights depend on or cannot tell.

use serde::{Deserialize, Serialize};

use crate::config::{AttentionOrder, Heads, UnetConfig};
use crate::process::{FixedVariance, Training};
use crate::schedule::NoiseSchedule;

/// Network, training and images of a model. This project's own files carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ModelConfig {
    /// The network.
    pub unet: UnetConfig,
    /// The process that it was trained with.
    pub training: Training,
    /// Side of the training images.
    pub image_size: usize,
    /// Order of the images' channels.
    #[serde(default)]
    pub channel_order: ChannelOrder,
}

/// Order of the channels of colour images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelOrder {
    /// Red first.
    #[default]
    Rgb,
    /// Blue first: MMGeneration.
    Bgr,
}

/// What the weights of a model do not tell: the flags that it was trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Flags {
    /// Side of the training images.
    pub image_size: usize,
    /// Heads of every attention: `{ count = 4 }` for `num_heads`, `{ channels = 64 }` for `num_head_channels`.
    pub heads: Heads,
    /// Heads on the way up (`num_heads_upsample`), where they are not those on the way down.
    #[serde(default)]
    pub decoder_heads: Option<usize>,
    /// Order of queries, keys and values: `new` for `use_new_attention_order`.
    #[serde(default)]
    pub attention_order: AttentionOrder,
    /// How much noise each step adds (`noise_schedule`).
    pub noise_schedule: NoiseSchedule,
    /// Steps of the process (`diffusion_steps`).
    pub diffusion_steps: usize,
    /// Whether the network is told steps on a scale of 1000 (`rescale_timesteps`).
    #[serde(default)]
    pub rescale_timesteps: bool,
    /// Variance of a step of a network that does not learn it.
    #[serde(default)]
    pub fixed_variance: FixedVariance,
}

impl Flags {
    /// The process.
    pub fn training(&self) -> Training {
        Training {
            noise_schedule: self.noise_schedule,
            diffusion_steps: self.diffusion_steps,
            rescale_timesteps: self.rescale_timesteps,
            fixed_variance: self.fixed_variance,
        }
    }
}
