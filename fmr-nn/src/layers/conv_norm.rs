//! Convolution and batch normalisation together.

use burn::module::Module;
use burn::tensor::Tensor;

use super::{BatchNorm, Conv2d};
use crate::functional::{self as f, Rectify, Window};
use crate::probe::Probe;
use crate::weights::Builder;

/// Convolution, batch normalisation, and optionally a cut: the unit of ResNets and EfficientNets.
#[derive(Module, Debug)]
pub struct ConvNorm {
    conv: Conv2d,
    norm: Option<BatchNorm>,
    /// Upstream's names of the two modules.
    #[module(skip)]
    names: [String; 2],
}

impl ConvNorm {
    /// Convolution without bias under `conv`, normalisation under `norm`.
    pub fn new(
        b: &mut Builder,
        conv: &str,
        norm: &str,
        channels: [usize; 2],
        size: usize,
        window: Window,
        eps: f32,
    ) -> Self {
        let layer = Conv2d::new(b, conv, channels, size, window, false);
        Self::around(b, layer, [conv, norm], eps)
    }

    /// As [`ConvNorm::new`] with a kernel for each channel.
    pub fn depthwise(
        b: &mut Builder,
        conv: &str,
        norm: &str,
        channels: usize,
        size: usize,
        window: Window,
        eps: f32,
    ) -> Self {
        let layer = Conv2d::depthwise(b, conv, channels, size, window, false);
        Self::around(b, layer, [conv, norm], eps)
    }

    /// A convolution that is there, and a normalisation of its result; `names` are those of both.
    pub fn around(b: &mut Builder, conv: Conv2d, names: [&str; 2], eps: f32) -> Self {
        let [_, channels] = conv.channels();
        let norm = Some(BatchNorm::new(b, names[1], channels, eps));
        Self { conv, norm, names: names.map(str::to_owned) }
    }

    /// As [`BatchNorm::with_cut`].
    #[must_use]
    pub fn with_cut(self) -> Self {
        Self { norm: self.norm.map(BatchNorm::with_cut), ..self }
    }

    /// With batch statistics while the normalisation is there, with the folded ones after [`ConvNorm::folded`].
    pub fn forward(&self, x: Tensor<4>, rectify: impl Into<Rectify>) -> Tensor<4> {
        match &self.norm {
            None => self.conv.run(x, rectify.into()),
            Some(norm) => norm.forward(self.conv.run(x, Rectify::None), rectify),
        }
    }

    /// As [`ConvNorm::forward`]. To a probe it shows both modules, or the normalisation alone once folded, and always
    /// in evaluation mode: with running statistics.
    pub fn probed(&self, x: Tensor<4>, rectify: impl Into<Rectify>, probe: &mut Probe<'_>) -> Tensor<4> {
        match &self.norm {
            _ if !probe.on() => self.forward(x, rectify),
            Some(norm) => {
                let y = self.conv.run(x, Rectify::None);
                probe.see(&self.names[0], &y);
                norm.probed(y, rectify, probe)
            }
            None => {
                let y = self.conv.run(x, Rectify::None);
                probe.see(&self.names[1], &y);
                f::rectify(y, rectify.into())
            }
        }
    }

    /// The same function in evaluation mode: running statistics folded into the convolution.
    #[must_use]
    pub fn folded(self) -> Self {
        let Some(norm) = self.norm else { return self };
        let (scale, shift) = norm.evaluated();
        Self { conv: self.conv.scaled(&scale, Some(shift)), norm: None, names: self.names }
    }
}
