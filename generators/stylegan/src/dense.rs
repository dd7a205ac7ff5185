//! Fully connected layers whose weights have a gain.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use fmr_nn::bridge::beside;
use fmr_nn::functional::{self as f, Filtering};
use fmr_nn::weights::{Builder, Init};

/// Slope of leaky rectifiers.
pub(crate) const SLOPE: f32 = 0.2;
/// What leaky rectifiers are multiplied by, so that variances stay: √2.
pub(crate) const GAIN: f32 = std::f32::consts::SQRT_2;

/// Gains of a fully connected layer, and whether a leaky rectifier follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DenseSettings {
    /// What weights are multiplied by.
    pub weight_gain: f64,
    /// What biases are multiplied by.
    pub bias_gain: f64,
    /// Whether a leaky rectifier of slope 0.2, times √2, follows.
    pub rectified: bool,
}

impl DenseSettings {
    /// Settings of a layer that takes so many values and learns at a rate multiplied by `rate`.
    pub fn new(inputs: usize, rate: f64, rectified: bool) -> Self {
        Self { weight_gain: rate / (inputs.max(1) as f64).sqrt(), bias_gain: rate, rectified }
    }
}

/// A fully connected layer of `x [n, in]` with `weight [in, out]` and `bias [out]`.
pub fn fully_connected(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, settings: DenseSettings) -> Tensor<2> {
    let y = f::linear(x * settings.weight_gain, weight, bias.map(|bias| bias * settings.bias_gain));
    if settings.rectified { leaky(y) } else { y }
}

/// A leaky rectifier, times √2.
fn leaky(x: Tensor<2>) -> Tensor<2> {
    let [n, d] = x.dims();
    let rectifier = Arc::new(Filtering::none(SLOPE, GAIN, None));
    f::filtered_leaky_relu(x.reshape([n, d, 1, 1]), None, None, &rectifier).reshape([n, d])
}

/// Rows of mean square one.
pub(crate) fn normalised(x: Tensor<2>) -> Tensor<2> {
    let square = (x.clone() * x.clone()).mean_dim(1);
    x / (square + 1e-8).sqrt()
}

/// A fully connected layer.
#[derive(Module, Debug)]
pub(crate) struct Dense {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    settings: DenseSettings,
}

impl Dense {
    /// A layer under `name.weight [out, in]` and `name.bias`. Weights start normal, over the rate of learning.
    pub(crate) fn new(b: &mut Builder, name: &str, shape: [usize; 2], settings: DenseSettings, bias: Init) -> Self {
        let deviation = 1.0 / settings.bias_gain as f32;
        Self {
            weight: b.transposed(&format!("{name}.weight"), shape, Init::Normal(deviation)),
            bias: b.param(&format!("{name}.bias"), [shape[1]], bias),
            settings,
        }
    }

    /// The layer with biases of these values.
    pub(crate) fn with_bias<const N: usize>(self, values: [f32; N]) -> Self {
        let bias = self.bias.map(|bias| Tensor::from_data(TensorData::from(values), &bias.device()));
        Self { bias, ..self }
    }

    /// `[n, in]` to `[n, out]`.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let bias = beside(self.bias.val(), &x);
        fully_connected(x, self.weight.val(), Some(bias), self.settings)
    }
}
