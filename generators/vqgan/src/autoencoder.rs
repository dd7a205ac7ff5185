//! Encoder, quantiser, decoder.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional::{Activation, Window};
use fmr_nn::layers::{Conv2d, GroupNorm};
use fmr_nn::probe::Probe;
use fmr_nn::weights::{Builder, Init};

use crate::blocks::{Level, LevelSizes, Middle, Resample, conv3, norm};
use crate::config::{Quantizer, Sizes, VqganConfig};
use crate::gumbel::Gumbel;
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
    fn new(b: &mut Builder, s: &Sizes) -> Self {
        let levels = s.widths.len();
        let conv_in = conv3(b, "encoder.conv_in", [s.in_channels, s.first]);
        let down = (0..levels)
            .map(|i| {
                let sizes = LevelSizes {
                    channels: [if i == 0 { s.first } else { s.widths[i - 1] }, s.widths[i]],
                    blocks: s.blocks,
                    attends: s.encoder_attention[i],
                    resample: if i + 1 < levels { Resample::Down } else { Resample::None },
                    resample_with_conv: s.resample_with_conv,
                    groups: s.groups,
                };
                Level::new(b, &format!("encoder.down.{i}"), sizes)
            })
            .collect();
        let last = s.widths[levels - 1];
        Self {
            conv_in,
            down,
            mid: Middle::new(b, "encoder.mid", s.groups, last, s.middle_attention),
            norm_out: norm(b, "encoder.norm_out", s.groups, last),
            conv_out: conv3(b, "encoder.conv_out", [last, s.z_channels]),
        }
    }

    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let x = self.conv_in.forward(x);
        probe.see("encoder.conv_in", &x);
        let x = self.down.iter().fold(x, |x, level| level.forward(x, probe));
        let x = self.mid.forward(x, probe);
        let h = self.conv_out.forward(activated(&self.norm_out, x, "encoder.norm_out", probe));
        probe.see("encoder.conv_out", &h);
        h
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
    fn new(b: &mut Builder, s: &Sizes) -> Self {
        let levels = s.widths.len();
        let last = s.widths[levels - 1];
        let conv_in = conv3(b, "decoder.conv_in", [s.z_channels, last]);
        let mid = Middle::new(b, "decoder.mid", s.groups, last, s.middle_attention);
        let up = (0..levels)
            .rev()
            .map(|i| {
                let sizes = LevelSizes {
                    channels: [s.widths[(i + 1).min(levels - 1)], s.widths[i]],
                    blocks: s.blocks + 1,
                    attends: s.decoder_attention[i],
                    resample: if i > 0 { Resample::Up } else { Resample::None },
                    resample_with_conv: s.resample_with_conv,
                    groups: s.groups,
                };
                Level::new(b, &format!("decoder.up.{i}"), sizes)
            })
            .collect();
        Self {
            conv_in,
            mid,
            up,
            norm_out: norm(b, "decoder.norm_out", s.groups, s.widths[0]),
            conv_out: conv3(b, "decoder.conv_out", [s.widths[0], s.out_channels]),
        }
    }

    fn forward(&self, z: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let x = self.conv_in.forward(z);
        probe.see("decoder.conv_in", &x);
        let x = self.mid.forward(x, probe);
        let x = self.up.iter().fold(x, |x, level| level.forward(x, probe));
        let y = self.conv_out.forward(activated(&self.norm_out, x, "decoder.norm_out", probe));
        probe.see("decoder.conv_out", &y);
        y
    }
}

/// Normalised and activated; a probe is shown the normalisation alone, as upstream's module gives it.
fn activated(norm: &GroupNorm, x: Tensor<4>, name: &str, probe: &mut Probe<'_>) -> Tensor<4> {
    if probe.on() {
        probe.see(name, &norm.forward(x.clone(), Activation::Identity));
    }
    norm.forward(x, Activation::Silu)
}

/// The model. Images inside are in [-1, 1].
#[derive(Module, Debug)]
pub struct Autoencoder {
    encoder: Encoder,
    quant_conv: Conv2d,
    /// The rows that vectors are replaced by.
    pub codebook: Codebook,
    /// Chooses rows in a GumbelVQ.
    pub gumbel: Option<Gumbel>,
    post_quant_conv: Conv2d,
    decoder: Decoder,
}

impl Autoencoder {
    /// A model with parameters from `b`, keys as in taming-transformers.
    pub fn new(b: &mut Builder, c: &VqganConfig) -> Self {
        Self::with_sizes(b, &c.into())
    }

    /// As [`Autoencoder::new`] of any [`Sizes`], which [`Sizes::check`] lets pass.
    pub fn with_sizes(b: &mut Builder, s: &Sizes) -> Self {
        let (z, e) = (s.z_channels, s.embed_dim);
        let window = Window::same(1, 0);
        let encoder = Encoder::new(b, s);
        // Latents start small, so that the paper's step of 0.001 is a noticeable part of the distance between rows.
        let small = Init::Normal(0.1 / (z as f32).sqrt());
        let quant_conv = Conv2d::with_init(b, "quant_conv", [z, e], 1, window, true, small);
        let (rows, gumbel) = match s.quantizer {
            Quantizer::Nearest => ("quantize.embedding.weight", None),
            Quantizer::Gumbel => ("quantize.embed.weight", Some(Gumbel::new(b, "quantize.proj", [e, s.n_embed]))),
        };
        let large = Init::Normal(10.0 / (e as f32).sqrt());
        Self {
            encoder,
            quant_conv,
            codebook: Codebook::new(b, rows, [s.n_embed, e]),
            gumbel,
            post_quant_conv: Conv2d::with_init(b, "post_quant_conv", [e, z], 1, window, true, large),
            decoder: Decoder::new(b, s),
        }
    }

    /// Images `[n, 3, H, W]` in [-1, 1] to latents before quantisation `[n, e, H/f, W/f]`.
    pub fn encode(&self, x: Tensor<4>) -> Tensor<4> {
        self.encode_probed(x, &mut Probe::off())
    }

    /// As [`Autoencoder::encode`], showing activations by upstream's module names.
    pub fn encode_probed(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        self.before_quantizer(self.hidden(x, probe))
    }

    /// Images to the encoder's output `[n, z, H/f, W/f]`.
    pub fn hidden(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        self.encoder.forward(x, probe)
    }

    /// The encoder's output to latents before quantisation.
    pub fn before_quantizer(&self, h: Tensor<4>) -> Tensor<4> {
        self.quant_conv.forward(h)
    }

    /// Latents to the decoder's input `[n, z, H/f, W/f]`.
    pub fn after_quantizer(&self, z: Tensor<4>) -> Tensor<4> {
        self.post_quant_conv.forward(z)
    }

    /// Latents, decoded as they are, to images around [-1, 1].
    pub fn decode(&self, z: Tensor<4>) -> Tensor<4> {
        self.decode_probed(z, &mut Probe::off())
    }

    /// As [`Autoencoder::decode`], showing activations by upstream's module names.
    pub fn decode_probed(&self, z: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        self.decoder.forward(self.after_quantizer(z), probe)
    }
}
