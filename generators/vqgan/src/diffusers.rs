//! VQModel of Hugging Face's diffusers: the same network under other names.

use fmr_nn::weights::{StateDict, Stored};
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
            Some(value) => Err(format!("{key} is {value:?}; only {allowed:?} is understood")),
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
            other => Err(format!("blocks of type {other:?} are not understood")),
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

/// The parameters under the names of taming-transformers; matrices of attention become 1×1 kernels. A name that is
/// not understood stays as it is, to be reported.
pub(crate) fn to_taming(tensors: StateDict) -> StateDict {
    let level = |key: &str| key.strip_prefix("decoder.up_blocks.")?.split('.').next()?.parse::<usize>().ok();
    let levels = tensors.keys().filter_map(|key| level(key)).max().map_or(0, |last| last + 1);
    let rename = |(key, mut stored): (String, Stored)| {
        let name = name(&key, levels);
        let is_attention = name.contains(".attn") && !name.contains(".norm.");
        if is_attention && stored.shape.len() == 2 {
            stored.shape.extend([1, 1]);
        }
        (name, stored)
    };
    tensors.into_iter().map(rename).collect()
}

fn name(key: &str, levels: usize) -> String {
    let parts: Vec<&str> = key.split('.').collect();
    match parts.as_slice() {
        [side, "down_blocks", i, "resnets", j, rest @ ..] => format!("{side}.down.{i}.block.{j}.{}", block(rest)),
        [side, "down_blocks", i, "attentions", j, rest @ ..] => format!("{side}.down.{i}.attn.{j}.{}", attention(rest)),
        [side, "down_blocks", i, "downsamplers", "0", rest @ ..] => {
            format!("{side}.down.{i}.downsample.{}", rest.join("."))
        }
        [side, "up_blocks", i, rest @ ..] => {
            let i = i.parse::<usize>().ok().and_then(|i| (levels - 1).checked_sub(i)).unwrap_or_default();
            match rest {
                ["resnets", j, rest @ ..] => format!("{side}.up.{i}.block.{j}.{}", block(rest)),
                ["attentions", j, rest @ ..] => format!("{side}.up.{i}.attn.{j}.{}", attention(rest)),
                ["upsamplers", "0", rest @ ..] => format!("{side}.up.{i}.upsample.{}", rest.join(".")),
                _ => key.to_owned(),
            }
        }
        [side, "mid_block", "resnets", j @ ("0" | "1"), rest @ ..] => {
            let number = if *j == "0" { 1 } else { 2 };
            format!("{side}.mid.block_{number}.{}", block(rest))
        }
        [side, "mid_block", "attentions", "0", rest @ ..] => format!("{side}.mid.attn_1.{}", attention(rest)),
        [side, "conv_norm_out", rest @ ..] => format!("{side}.norm_out.{}", rest.join(".")),
        _ => key.to_owned(),
    }
}

fn block(rest: &[&str]) -> String {
    rest.join(".").replace("conv_shortcut", "nin_shortcut")
}

/// Names of today and of old files.
fn attention(rest: &[&str]) -> String {
    match rest {
        ["group_norm", last] => format!("norm.{last}"),
        ["to_q" | "query", last] => format!("q.{last}"),
        ["to_k" | "key", last] => format!("k.{last}"),
        ["to_v" | "value", last] => format!("v.{last}"),
        ["to_out", "0", last] | ["proj_attn", last] => format!("proj_out.{last}"),
        other => other.join("."),
    }
}
