//! Layers that models are built from. Field names follow PyTorch; weights are those of upstream.

mod conv_norm;
mod norm;

use std::sync::Arc;

use burn::module::{Module, Param, ParamId};
use burn::tensor::{Device, Tensor};

use crate::functional::{self as f, Rectify, Reordered, Window};
use crate::weights::{Builder, Init};

pub use conv_norm::ConvNorm;
pub use norm::{BatchNorm, GroupNorm, LayerNorm};

/// Two-dimensional convolution.
#[derive(Module, Debug)]
pub struct Conv2d {
    weight: Param<Tensor<4>>,
    bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    window: Window,
    #[module(skip)]
    depthwise: bool,
    #[module(skip)]
    reordered: Option<Arc<Reordered>>,
}

impl Conv2d {
    /// A `size × size` convolution under `name.weight` and, where `bias`, `name.bias`; He initialisation by fan-in.
    pub fn new(b: &mut Builder, name: &str, [cin, cout]: [usize; 2], size: usize, window: Window, bias: bool) -> Self {
        let fan_in = (cin * size * size) as f32;
        Self::with_init(b, name, [cin, cout], size, window, bias, Init::Normal((2.0 / fan_in).sqrt()))
    }

    /// As [`Conv2d::new`] with a different initialisation of the weights; biases start at zero.
    pub fn with_init(
        b: &mut Builder,
        name: &str,
        [cin, cout]: [usize; 2],
        size: usize,
        window: Window,
        bias: bool,
        init: Init,
    ) -> Self {
        Self::rectangular(b, name, [cin, cout], [size; 2], window, bias, init)
    }

    /// As [`Conv2d::with_init`] with a kernel of `[height, width]`.
    pub fn rectangular(
        b: &mut Builder,
        name: &str,
        [cin, cout]: [usize; 2],
        [height, width]: [usize; 2],
        window: Window,
        bias: bool,
        init: Init,
    ) -> Self {
        Self {
            weight: b.param(&format!("{name}.weight"), [cout, cin, height, width], init),
            bias: bias.then(|| b.param(&format!("{name}.bias"), [cout], Init::Zeros)),
            window,
            depthwise: false,
            reordered: b.frozen().then(Arc::default),
        }
    }

    /// A 1×1 convolution with bias that upstream stores as one over a sequence, `[cout, cin, 1]`.
    pub fn over_positions(b: &mut Builder, name: &str, [cin, cout]: [usize; 2], init: Init) -> Self {
        Self {
            weight: b.reshaped(&format!("{name}.weight"), &[cout, cin, 1], [cout, cin, 1, 1], init),
            bias: Some(b.param(&format!("{name}.bias"), [cout], Init::Zeros)),
            window: Window::same(1, 0),
            depthwise: false,
            reordered: b.frozen().then(Arc::default),
        }
    }

    /// A convolution that gives each channel a `size × size` kernel of its own, under `[channels, 1, size, size]`.
    pub fn depthwise(b: &mut Builder, name: &str, channels: usize, size: usize, window: Window, bias: bool) -> Self {
        Self { depthwise: true, ..Self::new(b, name, [1, channels], size, window, bias) }
    }

    /// `[n, cin, h, w]` to `[n, cout, h', w']`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.run(x, Rectify::None)
    }

    /// [`Conv2d::forward`] followed by max(0, ·).
    pub fn forward_relu(&self, x: Tensor<4>) -> Tensor<4> {
        self.run(x, Rectify::Relu)
    }

    /// The layer that computes the first `outputs` channels of this one, which must not change any more.
    #[must_use]
    pub fn first_outputs(&self, outputs: usize) -> Self {
        let cut_bias = |bias: &Param<Tensor<1>>| constant(bias, bias.val().without_autodiff().narrow(0, 0, outputs));
        Self {
            weight: constant(&self.weight, self.weight.val().without_autodiff().narrow(0, 0, outputs)),
            bias: self.bias.as_ref().map(cut_bias),
            window: self.window,
            depthwise: self.depthwise,
            reordered: Some(Arc::default()),
        }
    }

    /// The layer whose result is this one's times `scale [cout]` plus `shift [cout]`, for evaluation.
    #[must_use]
    pub fn scaled(self, scale: &Tensor<1>, shift: Option<Tensor<1>>) -> Self {
        let [outputs, ..] = self.weight.val().dims();
        let weight = self.weight.val().without_autodiff() * scale.clone().reshape([outputs, 1, 1, 1]);
        let weight = constant(&self.weight, weight);
        let own = self.bias.as_ref().map(|bias| bias.val().without_autodiff() * scale.clone());
        let bias = match (own, shift) {
            (Some(own), Some(shift)) => Some(own + shift),
            (own, shift) => own.or(shift),
        };
        let id = self.bias.as_ref().map_or_else(ParamId::new, |bias| bias.id);
        let bias = bias.map(|bias| Param::initialized(id, bias).set_require_grad(false));
        Self { weight, bias, reordered: Some(Arc::default()), ..self }
    }

    fn run(&self, x: Tensor<4>, rectify: Rectify) -> Tensor<4> {
        let bias = self.bias.as_ref().map(Param::val);
        if self.depthwise {
            f::depthwise_conv2d(x, self.weight.val(), bias, self.window, rectify)
        } else {
            f::conv2d(x, self.weight.val(), bias, self.window, rectify, self.reordered.clone())
        }
    }

    /// Input and output channels.
    pub fn channels(&self) -> [usize; 2] {
        let [o, i, ..] = self.weight.val().dims();
        [i, o]
    }
}

/// Affine map of the last dimension.
#[derive(Module, Debug)]
pub struct Linear {
    weight: Param<Tensor<2>>,
    bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// A layer under `name.weight` (upstream `[out, in]`) and, where `bias`, `name.bias`; uniform ±1/√in.
    pub fn new(b: &mut Builder, name: &str, [input, output]: [usize; 2], bias: bool) -> Self {
        Self::with_init(b, name, [input, output], bias, Init::Uniform(1.0 / (input as f32).sqrt()))
    }

    /// As [`Linear::new`] with a different initialisation of the weights; biases start at zero.
    pub fn with_init(b: &mut Builder, name: &str, shape: [usize; 2], bias: bool, init: Init) -> Self {
        Self {
            weight: b.transposed(&format!("{name}.weight"), shape, init),
            bias: bias.then(|| b.param(&format!("{name}.bias"), [shape[1]], Init::Zeros)),
        }
    }

    /// As [`Linear::with_init`] under the two full names given, for layouts that name parameters otherwise.
    pub fn named(b: &mut Builder, weight: &str, bias: Option<&str>, shape: [usize; 2], init: Init) -> Self {
        Self {
            weight: b.transposed(weight, shape, init),
            bias: bias.map(|name| b.param(name, [shape[1]], Init::Zeros)),
        }
    }

    /// The device of the parameters.
    pub fn device(&self) -> Device {
        self.weight.val().device()
    }

    /// `[.., in]` to `[.., out]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        f::linear(x, self.weight.val(), self.bias.as_ref().map(Param::val))
    }

    /// The layer whose result is this one's times `scale [out]`, for evaluation.
    #[must_use]
    pub fn scaled(self, scale: &Tensor<1>) -> Self {
        let weight = self.weight.val().without_autodiff() * scale.clone().unsqueeze::<2>();
        let bias = self.bias.map(|bias| constant(&bias, bias.val().without_autodiff() * scale.clone()));
        Self { weight: constant(&self.weight, weight), bias }
    }
}

/// A value that will not be trained, under the identity of the parameter that it derives from.
fn constant<const D: usize>(parameter: &Param<Tensor<D>>, value: Tensor<D>) -> Param<Tensor<D>> {
    Param::initialized(parameter.id, value).set_require_grad(false)
}
