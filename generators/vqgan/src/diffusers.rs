//! VQModel of Hugging Face's diffusers: the same network under other names, which are brought over by a table:
//! [`fmr_checkpoint::rename::tables::vqgan_from_diffusers`].

use fmr_checkpoint::shown;
use fmr_nn::weights::StateDict;
use serde::Deserialize;

use crate::config::{Quantizer, Sizes};

/// The parts of `config.json` that the network depends on.
#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    block_out_channels: Vec<usize>,
    down_block_types: Vec<String>,
    up_block_types: Vec<String>,
    layers_per_block: usize,
    latent_channels: usize,
    num_vq_embeddings: usize,
    #[serde(default = "three")]
    in_channels: usize,
    #[serde(default = "three")]
    out_channels: usize,
    #[serde(default = "groups")]
    norm_num_groups: usize,
    #[serde(default)]
    vq_embed_dim: Option<usize>,
    #[serde(default)]
    act_fn: Option<String>,
    #[serde(default)]
    norm_type: Option<String>,
    #[serde(default)]
    mid_block_add_attention: Option<bool>,
    #[serde(default)]
    lookup_from_codebook: bool,
}

fn three() -> usize {
    3
}

fn groups() -> usize {
    32
}

impl Config {
    /// The sizes, or what makes this another model.
    pub(crate) fn sizes(&self) -> Result<Sizes, String> {
        let only = |key: &str, value: &Option<String>, allowed: &str| match value.as_deref() {
            None => Ok(()),
            Some(value) if value == allowed => Ok(()),
            Some(value) => {
                let value = shown::quoted(value, shown::TEXT);
                Err(format!("{key} is {value}; only {allowed:?} is understood"))
            }
        };
        only("act_fn", &self.act_fn, "silu")?;
        only("norm_type", &self.norm_type, "group")?;
        if self.lookup_from_codebook {
            return Err("lookup_from_codebook is true; latents that are codes are not understood".to_owned());
        }
        let levels = self.block_out_channels.len();
        if levels == 0 || self.down_block_types.len() != levels || self.up_block_types.len() != levels {
            return Err("block_out_channels, down_block_types and up_block_types differ in length".to_owned());
        }
        let attends = |kind: &String, plain: &str, attention: &str| match kind.as_str() {
            k if k == plain => Ok(false),
            k if k == attention => Ok(true),
            other => Err(format!("blocks of type {} are not understood", shown::quoted(other, shown::TEXT))),
        };
        let down = self.down_block_types.iter();
        let up = self.up_block_types.iter().rev();
        Ok(Sizes {
            in_channels: self.in_channels,
            out_channels: self.out_channels,
            z_channels: self.latent_channels,
            embed_dim: self.vq_embed_dim.unwrap_or(self.latent_channels),
            n_embed: self.num_vq_embeddings,
            first: self.block_out_channels[0],
            widths: self.block_out_channels.clone(),
            blocks: self.layers_per_block,
            encoder_attention: down
                .map(|k| attends(k, "DownEncoderBlock2D", "AttnDownEncoderBlock2D"))
                .collect::<Result<_, _>>()?,
            decoder_attention: up
                .map(|k| attends(k, "UpDecoderBlock2D", "AttnUpDecoderBlock2D"))
                .collect::<Result<_, _>>()?,
            middle_attention: self.mid_block_add_attention.unwrap_or(true),
            resample_with_conv: true,
            groups: self.norm_num_groups,
            quantizer: Quantizer::Nearest,
        })
    }
}

/// Whether parameters carry the names of diffusers.
pub(crate) fn is_layout(tensors: &StateDict) -> bool {
    tensors.keys().any(|key| key.starts_with("encoder.down_blocks.") || key.starts_with("encoder.mid_block."))
}
