//! Convolutions that a style modulates, as one ordinary convolution for a whole batch.
//!
//! Upstream scales weights by the style of each sample. Scaling the channels that come in and those that go out gives the
//! same: the weights stay constants, and a sample's result depends on that sample alone.

use std::sync::Arc;

use burn::tensor::Tensor;
use fmr_nn::bridge::beside;
use fmr_nn::functional::{self as f, Rectify, Reordered, Window};

/// What demodulation needs of weights `[o, i, k, k]`.
#[derive(Debug, Clone)]
pub struct WeightSums {
    /// Sums of squares over the kernel, over the mean square of the output's weights, `[i, o]`.
    energy: Tensor<2>,
    /// Root of the mean square of each output's weights, `[1, o]`.
    root: Tensor<2>,
}

impl WeightSums {
    /// Of a weight.
    pub fn new(weight: &Tensor<4>) -> Self {
        let [o, i, ..] = weight.dims();
        let squares = weight.clone() * weight.clone();
        let mean = squares.clone().mean_dim(3).mean_dim(2).mean_dim(1).reshape([o, 1]);
        let energy = squares.sum_dim(3).sum_dim(2).reshape([o, i]) / mean.clone();
        Self { energy: energy.swap_dims(0, 1), root: mean.sqrt().swap_dims(0, 1) }
    }

    /// The style that channels are scaled by, and what undoes its effect on the variance of outputs `[n, o]`.
    pub fn demodulated(&self, styles: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let styles = unit(styles);
        let sums = f::linear(styles.clone() * styles.clone(), self.energy.clone(), None);
        let root = beside(self.root.clone(), &sums);
        let scale = ((sums + 1e-8).sqrt() * root).recip();
        (styles, scale)
    }
}

/// Rows of mean square one, without the guard against zeros.
fn unit(x: Tensor<2>) -> Tensor<2> {
    let square = (x.clone() * x.clone()).mean_dim(1);
    x / square.sqrt()
}

/// A convolution that styles modulate.
#[derive(Debug)]
pub struct Modulated<'w> {
    /// Weights `[o, i, k, k]`.
    pub weight: Tensor<4>,
    /// Sums of the weights, where outputs are demodulated.
    pub sums: Option<&'w WeightSums>,
    /// Further factors of the channels that come in, `[1, 1]` or `[1, i]`, which demodulation does not undo.
    pub gain: Option<Tensor<2>>,
    /// Zeros on each side of the maps.
    pub padding: usize,
    /// The weights in other orders, where they never change.
    pub reordered: Option<Arc<Reordered>>,
}

impl Modulated<'_> {
    /// The convolution of `x [n, i, h, w]` with styles `[n, i]`, and what each of its planes is still to be multiplied by
    /// `[n, o]`, where outputs are demodulated.
    pub fn apply(self, x: Tensor<4>, styles: Tensor<2>) -> (Tensor<4>, Option<Tensor<2>>) {
        let (styles, outputs) = match self.sums {
            Some(sums) => {
                let (styles, outputs) = sums.demodulated(styles);
                (styles, Some(outputs))
            }
            None => (styles, None),
        };
        let scale = match self.gain {
            Some(gain) => styles * gain,
            None => styles,
        };
        let x = f::scale_planes(x, scale);
        let window = Window::same(1, self.padding);
        (f::conv2d(x, self.weight, None, window, Rectify::None, self.reordered), outputs)
    }
}
