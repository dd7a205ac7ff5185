//! Patches of a map as tokens.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional::Window;
use fmr_nn::layers::{Conv2d, LayerNorm};
use fmr_nn::weights::{Builder, Init};

use super::to_tokens;

/// A convolution whose stride is its size, and optionally a layer normalisation of its result.
#[derive(Module, Debug)]
pub(crate) struct PatchEmbed {
    proj: Conv2d,
    norm: Option<LayerNorm>,
}

impl PatchEmbed {
    /// Patches of `side × side`; keys `proj` and, where `eps` is given, `norm` below `name`.
    pub(crate) fn new(b: &mut Builder, name: &str, channels: [usize; 2], side: usize, eps: Option<f32>) -> Self {
        let [proj, norm] = ["proj", "norm"].map(|part| format!("{name}.{part}"));
        Self::named(b, [&proj, &norm], channels, side, eps)
    }

    /// As [`PatchEmbed::new`] with the full names of both layers.
    pub(crate) fn named(
        b: &mut Builder,
        [proj, norm]: [&str; 2],
        channels: [usize; 2],
        side: usize,
        eps: Option<f32>,
    ) -> Self {
        let window = Window::same(side, 0);
        let proj = Conv2d::with_init(b, proj, channels, side, window, true, Init::Normal(0.02));
        let norm = eps.map(|eps| LayerNorm::new(b, norm, channels[1], eps));
        Self { proj, norm }
    }

    /// `[n, c, h, w]` to tokens, and how many of them there are in height and width.
    pub(crate) fn forward(&self, x: Tensor<4>) -> (Tensor<3>, [usize; 2]) {
        let x = self.proj.forward(x);
        let [_, _, h, w] = x.dims();
        let x = to_tokens(x);
        let x = match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        (x, [h, w])
    }
}
