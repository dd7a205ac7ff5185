//! Patches and their positions.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use fmr_nn::functional::{self as f, Pointwise, Rectify, Window};
use fmr_nn::layers::{Conv2d, ConvNorm};
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;

use super::INIT;
use super::table::XcitConfig;

/// Added to the variance by batch normalisations.
pub(super) const BATCH_EPS: f32 = 1e-5;

/// 3×3 convolutions with batch normalisations, GELU between them.
#[derive(Module, Debug)]
pub(super) struct ConvPatches {
    layers: Vec<ConvNorm>,
}

impl ConvPatches {
    pub(super) fn new(b: &mut Builder, c: &XcitConfig) -> Self {
        let strides = c.patch.strides();
        let mut channels = 3;
        let layers = strides.iter().enumerate().map(|(i, stride)| {
            let width = c.width >> (strides.len() - 1 - i);
            let names = [0, 1].map(|part| format!("patch_embed.proj.{}.{part}", 2 * i));
            let shape = [std::mem::replace(&mut channels, width), width];
            ConvNorm::new(b, &names[0], &names[1], shape, 3, Window::same(*stride, 1), BATCH_EPS)
        });
        Self { layers: layers.collect() }
    }

    pub(super) fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let last = self.layers.len().saturating_sub(1);
        self.layers.iter().enumerate().fold(x, |x, (i, layer)| {
            let x = layer.probed(x, Rectify::None, probe);
            if i < last { f::pointwise(x, Pointwise::Gelu) } else { x }
        })
    }

    pub(super) fn folded(self) -> Self {
        Self { layers: self.layers.into_iter().map(ConvNorm::folded).collect() }
    }
}

/// Frequencies of each direction, sine and cosine counted apart.
const FREQUENCIES: usize = 32;

/// Sines of the positions, brought to the width of tokens.
#[derive(Module, Debug)]
pub(super) struct Positions {
    token_projection: Conv2d,
}

impl Positions {
    pub(super) fn new(b: &mut Builder, width: usize) -> Self {
        let (name, window) = ("pos_embed.token_projection", Window::same(1, 0));
        Self { token_projection: Conv2d::with_init(b, name, [2 * FREQUENCIES, width], 1, window, true, INIT) }
    }

    /// `[1, width, h, w]`.
    pub(super) fn forward(&self, [h, w]: [usize; 2], device: &Device) -> Tensor<4> {
        let mut values = Vec::with_capacity(2 * FREQUENCIES * h * w);
        for channel in 0..FREQUENCIES {
            values.extend((0..h).flat_map(|y| std::iter::repeat_n(wave(channel, y, h), w)));
        }
        for channel in 0..FREQUENCIES {
            values.extend((0..h).flat_map(|_| (0..w).map(|x| wave(channel, x, w))));
        }
        let table = TensorData::new(values, [1, 2 * FREQUENCIES, h, w]);
        self.token_projection.forward(Tensor::from_data(table, &device.clone().inner()))
    }
}

/// A position as one of the frequencies sees it, in single precision as upstream.
fn wave(channel: usize, at: usize, of: usize) -> f32 {
    let angle = (at + 1) as f32 / (of as f32 + 1e-6) * (2.0 * std::f32::consts::PI);
    let period = 10_000_f32.powf((channel / 2 * 2) as f32 / FREQUENCIES as f32);
    let angle = angle / period;
    if channel.is_multiple_of(2) { angle.sin() } else { angle.cos() }
}
