//! The published models, by name.

use fmr_core::registry::RemoteFile;

use crate::config::{DdConfig, Quantizer, VqganConfig};

/// A published model: its hyper-parameters, and the files to look for.
#[derive(Debug, Clone, Copy)]
pub struct Published {
    /// Name, as in the tables of their authors.
    pub name: &'static str,
    /// Where the weights are published.
    pub source: &'static str,
    embed_dim: usize,
    n_embed: usize,
    ch_mult: &'static [usize],
    attn_resolutions: &'static [usize],
    quantizer: Quantizer,
}

const TAMING: &str = "CompVis/taming-transformers: last.ckpt and model.yaml";
const LATENT_DIFFUSION: &str = "CompVis/latent-diffusion: model.ckpt and config.yaml";

const fn model(
    name: &'static str,
    source: &'static str,
    [embed_dim, n_embed]: [usize; 2],
    ch_mult: &'static [usize],
    attn_resolutions: &'static [usize],
    quantizer: Quantizer,
) -> Published {
    Published { name, source, embed_dim, n_embed, ch_mult, attn_resolutions, quantizer }
}

const PUBLISHED: &[Published] = &[
    model("vqgan_imagenet_f16_16384", TAMING, [256, 16384], &[1, 1, 2, 2, 4], &[16], Quantizer::Nearest),
    model("vqgan_imagenet_f16_1024", TAMING, [256, 1024], &[1, 1, 2, 2, 4], &[16], Quantizer::Nearest),
    model("vqgan_gumbel_f8", TAMING, [256, 8192], &[1, 1, 2, 4], &[32], Quantizer::Gumbel),
    model("ldm_vq_f4", LATENT_DIFFUSION, [3, 8192], &[1, 2, 4], &[], Quantizer::Nearest),
    model("ldm_vq_f8", LATENT_DIFFUSION, [4, 16384], &[1, 2, 2, 4], &[32], Quantizer::Nearest),
    model("ldm_vq_f8_n256", LATENT_DIFFUSION, [4, 256], &[1, 2, 2, 4], &[32], Quantizer::Nearest),
    model("ldm_vq_f16", LATENT_DIFFUSION, [8, 16384], &[1, 1, 2, 2, 4], &[16], Quantizer::Nearest),
];

/// Addresses of taming-transformers' files at Heidelberg University: `last.ckpt` and `model.yaml`.
const HEIBOX: [(&str, &str, &str); 1] = [("vqgan_imagenet_f16_16384", "867b05fc8c4841768640", "274fb24ed38341bfa753")];

/// All published models; the first is the paper's.
pub fn published() -> &'static [Published] {
    PUBLISHED
}

impl Published {
    /// Where the model's weights and settings are downloaded from, where a stable address is known.
    pub fn downloads(&self) -> Vec<RemoteFile> {
        let files = HEIBOX.iter().filter(|(name, ..)| *name == self.name);
        let remote = |key, id: &str| {
            RemoteFile::new(key, format!("https://heibox.uni-heidelberg.de/f/{id}/?dl=1"))
                .with_licence("MIT (CompVis); no hash is published")
        };
        files.flat_map(|(_, weights, config)| [remote("weights", weights), remote("config", config)]).collect()
    }

    /// The model's hyper-parameters.
    pub fn config(&self) -> VqganConfig {
        VqganConfig {
            embed_dim: self.embed_dim,
            n_embed: self.n_embed,
            ddconfig: DdConfig {
                ch: 128,
                ch_mult: self.ch_mult.to_vec(),
                num_res_blocks: 2,
                attn_resolutions: self.attn_resolutions.to_vec(),
                resolution: 256,
                in_channels: 3,
                out_ch: 3,
                z_channels: self.embed_dim,
            },
            quantizer: self.quantizer,
        }
    }
}
