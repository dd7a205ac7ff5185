//! Convolutions in groups of channels.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use fmr_nn::functional::{self as f, Rectify, Reordered, Window};
use fmr_nn::weights::{Builder, Init};

/// A 3×3 convolution of as many channels as it gives, each group of which sees itself alone.
#[derive(Module, Debug)]
pub(crate) struct GroupedConv2d {
    weight: Param<Tensor<4>>,
    /// For each group, the order in which kernels read its weights.
    #[module(skip)]
    reordered: Vec<Option<Arc<Reordered>>>,
}

impl GroupedConv2d {
    /// A convolution without bias under `name.weight`; `groups` divides `channels`.
    pub(crate) fn new(b: &mut Builder, name: &str, channels: usize, groups: usize) -> Self {
        let (size, inputs) = (3, channels / groups.max(1));
        let init = Init::Normal((2.0 / (inputs * size * size) as f32).sqrt());
        Self {
            weight: b.param(&format!("{name}.weight"), [channels, inputs, size, size], init),
            reordered: (0..groups).map(|_| b.frozen().then(Arc::default)).collect(),
        }
    }

    /// `[n, channels, h, w]` to the same.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let width = x.dims()[1] / self.reordered.len();
        let weight = self.weight.val();
        let group = |(i, reordered): (usize, &Option<Arc<Reordered>>)| {
            let [x, weight] = [x.clone().narrow(1, i * width, width), weight.clone().narrow(0, i * width, width)];
            f::conv2d(x, weight, None, Window::same(1, 1), Rectify::None, reordered.clone())
        };
        Tensor::cat(self.reordered.iter().enumerate().map(group).collect(), 1)
    }
}
