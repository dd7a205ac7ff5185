//! Encoder, quantiser, decoder.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional::{Activation, Window};
use fmr_nn::layers::{Conv2d, GroupNorm};
use fmr_nn::weights::{Builder, Init};

use crate::blocks::{Level, Middle, Resample, conv3, norm};
use crate::config::{DdConfig, VqganConfig};
use crate::quantizer::Codebook;

#[derive(Module, Debug)]
struct Encoder {
    conv_in: Conv2d,
    down: Vec<Level>,
    mid: Middle,
    norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Encoder {
    fn new(b: &mut Builder, c: &DdConfig) -> Self {
        let levels = c.ch_mult.len();
        let conv_in = conv3(b, "encoder.conv_in", [c.in_channels, c.ch]);
        let down = (0..levels)
            .map(|i| {
                let cin = if i == 0 { c.ch } else { c.width(i - 1) };
                let resample = if i + 1 < levels { Resample::Down } else { Resample::None };
                Level::new(b, &format!("encoder.down.{i}"), [cin, c.width(i)], c.num_res_blocks, c.attends(i), resample)
            })
            .collect();
        let last = c.width(levels - 1);
        Self {
            conv_in,
            down,
            mid: Middle::new(b, "encoder.mid", last),
            norm_out: norm(b, "encoder.norm_out", last),
            conv_out: conv3(b, "encoder.conv_out", [last, c.z_channels]),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.down.iter().fold(self.conv_in.forward(x), |x, level| level.forward(x, false));
        let x = self.norm_out.forward(self.mid.forward(x), Activation::Silu);
        self.conv_out.forward(x)
    }
}

#[derive(Module, Debug)]
struct Decoder {
    conv_in: Conv2d,
    mid: Middle,
    /// In order of execution: the last level first.
    up: Vec<Level>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Decoder {
    fn new(b: &mut Builder, c: &DdConfig) -> Self {
        let levels = c.ch_mult.len();
        let last = c.width(levels - 1);
        let conv_in = conv3(b, "decoder.conv_in", [c.z_channels, last]);
        let mid = Middle::new(b, "decoder.mid", last);
        let up = (0..levels)
            .rev()
            .map(|i| {
                let cin = c.width((i + 1).min(levels - 1));
                let resample = if i > 0 { Resample::Up } else { Resample::None };
                Level::new(
                    b,
                    &format!("decoder.up.{i}"),
                    [cin, c.width(i)],
                    c.num_res_blocks + 1,
                    c.attends(i),
                    resample,
                )
            })
            .collect();
        Self {
            conv_in,
            mid,
            up,
            norm_out: norm(b, "decoder.norm_out", c.width(0)),
            conv_out: conv3(b, "decoder.conv_out", [c.width(0), c.out_ch]),
        }
    }

    fn forward(&self, z: Tensor<4>) -> Tensor<4> {
        let x = self.mid.forward(self.conv_in.forward(z));
        let x = self.up.iter().fold(x, |x, level| level.forward(x, true));
        self.conv_out.forward(self.norm_out.forward(x, Activation::Silu))
    }
}

/// The model. Images inside are in [-1, 1].
#[derive(Module, Debug)]
pub struct Autoencoder {
    encoder: Encoder,
    quant_conv: Conv2d,
    /// The rows that vectors are replaced by.
    pub codebook: Codebook,
    post_quant_conv: Conv2d,
    decoder: Decoder,
}

impl Autoencoder {
    /// A model with parameters from `b`, keys as in taming-transformers.
    pub fn new(b: &mut Builder, c: &VqganConfig) -> Self {
        let (z, e) = (c.ddconfig.z_channels, c.embed_dim);
        let window = Window::same(1, 0);
        Self {
            encoder: Encoder::new(b, &c.ddconfig),
            // Latents start small, so that the paper's step of 0.001 is a noticeable part of the distance between rows.
            quant_conv: Conv2d::with_init(
                b,
                "quant_conv",
                [z, e],
                1,
                window,
                true,
                Init::Normal(0.1 / (z as f32).sqrt()),
            ),
            codebook: Codebook::new(b, "quantize.embedding.weight", [c.n_embed, e]),
            post_quant_conv: Conv2d::with_init(
                b,
                "post_quant_conv",
                [e, z],
                1,
                window,
                true,
                Init::Normal(10.0 / (e as f32).sqrt()),
            ),
            decoder: Decoder::new(b, &c.ddconfig),
        }
    }

    /// Images `[n, 3, H, W]` in [-1, 1] to latents before quantisation `[n, e, H/f, W/f]`.
    pub fn encode(&self, x: Tensor<4>) -> Tensor<4> {
        self.quant_conv.forward(self.encoder.forward(x))
    }

    /// Latents, decoded as they are, to images around [-1, 1].
    pub fn decode(&self, z: Tensor<4>) -> Tensor<4> {
        self.decoder.forward(self.post_quant_conv.forward(z))
    }
}
