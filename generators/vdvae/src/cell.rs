//! Convolutions and residual cells.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional::{self as f, Pointwise, Window};
use fmr_nn::layers::Conv2d;
use fmr_nn::weights::{Builder, Init};

use crate::config::{Kernel, truncated};

/// Where an even kernel, which has no middle, has its additional row and column of zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Padding {
    /// Before: upstream's own rule.
    Before,
    /// After: the rule of PyTorch's `padding="same"`, which the first convolution of a cell has.
    After,
}

impl Padding {
    fn window(self, [height, width]: [usize; 2]) -> Window {
        let split = |side: usize| {
            let (small, large) = ((side - 1) / 2, side / 2);
            if self == Self::Before { [large, small] } else { [small, large] }
        };
        let ([top, bottom], [left, right]) = (split(height), split(width));
        Window { stride: 1, pad: [top, left, bottom, right] }
    }
}

/// Number of inputs and outputs that meet in a kernel, for the bounds of initial weights.
fn xavier([cin, cout]: [usize; 2], [height, width]: [usize; 2]) -> f32 {
    (6.0 / ((cin + cout) * height * width) as f32).sqrt()
}

/// A convolution that keeps the size, upstream's class `Conv2d`. `scale` multiplies the initial weights.
pub(crate) fn conv(b: &mut Builder, name: &str, channels: [usize; 2], kernel: Kernel, scale: f32) -> Conv2d {
    let kernel = kernel.sides();
    let init = Init::Uniform(xavier(channels, kernel) * scale);
    Conv2d::rectangular(b, name, channels, kernel, Padding::Before.window(kernel), true, init)
}

/// A 1×1 convolution.
pub(crate) fn projection(b: &mut Builder, name: &str, channels: [usize; 2]) -> Conv2d {
    conv(b, name, channels, Kernel::Square(1), 1.0)
}

/// A convolution that makes each block of `stride × stride` pixels one.
pub(crate) fn pooling(b: &mut Builder, name: &str, channels: [usize; 2], stride: usize) -> Conv2d {
    let window = Window { stride, pad: [0; 4] };
    Conv2d::rectangular(b, name, channels, [stride; 2], window, true, Init::Uniform(xavier(channels, [stride; 2])))
}

/// max(x, 0.1 x), after each change of resolution.
pub(crate) fn leaky(x: Tensor<4>) -> Tensor<4> {
    burn::tensor::activation::leaky_relu(x, 0.1)
}

/// What a cell is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CellSizes {
    /// Channels in.
    pub(crate) width: usize,
    /// Channels inside as a share of those that go in.
    pub(crate) ratio: f64,
    /// Channels out as a share of those that go in.
    pub(crate) output_ratio: f64,
    /// Inner convolutions.
    pub(crate) layers: usize,
    pub(crate) kernel: Kernel,
    /// Whether the outer convolutions are 1×1.
    pub(crate) one_by_one: bool,
    /// Scale of the last convolution's initial weights.
    pub(crate) init_scale: f32,
}

/// Activated convolutions through a bottleneck.
#[derive(Module, Debug)]
pub(crate) struct Cell {
    convs: Vec<Conv2d>,
    /// The last convolution as far as decoding needs it; see [`Cell::keep_first`].
    #[module(skip)]
    first_half: Option<Box<Conv2d>>,
}

impl Cell {
    /// A cell under `name.convs.1`, `name.convs.3`, …: activations stand at even places.
    pub(crate) fn new(b: &mut Builder, name: &str, sizes: CellSizes) -> Self {
        let inner = truncated(sizes.width, sizes.ratio);
        let outer = if sizes.one_by_one { Kernel::Square(1) } else { sizes.kernel };
        let at = |index: usize| format!("{name}.convs.{}", 2 * index + 1);
        let (input, sides) = ([sizes.width, inner], outer.sides());
        let fan_in = sizes.width * sides[0] * sides[1];
        let init = Init::Uniform(1.0 / (fan_in as f32).sqrt());
        let mut convs = vec![Conv2d::rectangular(b, &at(0), input, sides, Padding::After.window(sides), true, init)];
        convs.extend((1..=sizes.layers).map(|i| conv(b, &at(i), [inner; 2], sizes.kernel, 1.0)));
        let output = truncated(sizes.width, sizes.output_ratio);
        convs.push(conv(b, &at(sizes.layers + 1), [inner, output], outer, sizes.init_scale));
        Self { convs, first_half: None }
    }

    /// What the convolutions make of `x`.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.convs.iter().fold(x, |x, conv| conv.forward(f::pointwise(x, Pointwise::Silu)))
    }

    /// `x` and what the convolutions make of it.
    pub(crate) fn residual(&self, x: Tensor<4>) -> Tensor<4> {
        x.clone() + self.forward(x)
    }

    /// Prepares [`Cell::first`]: the weights must not change any more.
    pub(crate) fn keep_first(&mut self) {
        let half = |conv: &Conv2d| Box::new(conv.first_outputs(conv.channels()[1] / 2));
        self.first_half = self.convs.last().map(half);
    }

    /// The first half of the channels of [`Cell::forward`], without the cost of the others once it is prepared.
    pub(crate) fn first(&self, x: Tensor<4>) -> Tensor<4> {
        let Some((last, before)) = self.convs.split_last() else { return x };
        let x = before.iter().fold(x, |x, conv| conv.forward(f::pointwise(x, Pointwise::Silu)));
        let x = f::pointwise(x, Pointwise::Silu);
        match &self.first_half {
            Some(half) => half.forward(x),
            None => halves(last.forward(x))[0].clone(),
        }
    }
}

/// The two halves of the channels.
pub(crate) fn halves(x: Tensor<4>) -> [Tensor<4>; 2] {
    let half = x.dims()[1] / 2;
    [x.clone().narrow(1, 0, half), x.narrow(1, half, half)]
}
