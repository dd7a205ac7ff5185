//! Layers that models are built from. Field names follow PyTorch; weights are those of upstream.

use std::sync::Arc;

use burn::module::{Module, Param, RunningState};
use burn::tensor::{Device, Tensor};

use crate::functional::{self as f, Activation, Pointwise, Rectify, Reordered, Window};
use crate::probe::Probe;
use crate::weights::{Builder, Init};

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

    /// As [`Conv2d::new`] with another initialisation of the weights; biases start at zero.
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
        let cut = |id, value: Tensor<4>| {
            Param::initialized(id, value.without_autodiff().narrow(0, 0, outputs)).set_require_grad(false)
        };
        let cut_bias = |bias: &Param<Tensor<1>>| {
            let value = bias.val().without_autodiff().narrow(0, 0, outputs);
            Param::initialized(bias.id, value).set_require_grad(false)
        };
        Self {
            weight: cut(self.weight.id, self.weight.val()),
            bias: self.bias.as_ref().map(cut_bias),
            window: self.window,
            depthwise: self.depthwise,
            reordered: Some(Arc::default()),
        }
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

    /// As [`Linear::new`] with another initialisation of the weights; biases start at zero.
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
}

/// Scale and shift of a normalisation.
#[derive(Module, Debug)]
struct Affine {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
}

impl Affine {
    fn new(b: &mut Builder, name: &str, size: usize) -> Self {
        Self {
            weight: b.param(&format!("{name}.weight"), [size], Init::Ones),
            bias: b.param(&format!("{name}.bias"), [size], Init::Zeros),
        }
    }
}

/// Group normalisation.
#[derive(Module, Debug)]
pub struct GroupNorm {
    affine: Affine,
    #[module(skip)]
    groups: usize,
    #[module(skip)]
    eps: f32,
}

impl GroupNorm {
    /// Over `groups` groups of `channels`.
    pub fn new(b: &mut Builder, name: &str, groups: usize, channels: usize, eps: f32) -> Self {
        Self { affine: Affine::new(b, name, channels), groups, eps }
    }

    /// Same shape, followed by the activation.
    pub fn forward(&self, x: Tensor<4>, activation: Activation) -> Tensor<4> {
        f::group_norm(x, self.affine.weight.val(), self.affine.bias.val(), self.groups, self.eps, activation)
    }

    /// As [`GroupNorm::forward`], with each normalised value `y` replaced by `y · (1 + scale) + shift` before the activation;
    /// `scale` and `shift` are `[n, channels]`.
    pub fn modulated(&self, x: Tensor<4>, scale: Tensor<2>, shift: Tensor<2>, activation: Activation) -> Tensor<4> {
        let [weight, bias] = [&self.affine.weight, &self.affine.bias].map(|p| p.val().unsqueeze::<2>());
        let gain = scale + 1.0;
        let (gamma, beta) = (gain.clone() * weight, gain * bias + shift);
        f::modulated_group_norm(x, gamma, beta, self.groups, self.eps, activation)
    }
}

/// Layer normalisation over the last dimension.
#[derive(Module, Debug)]
pub struct LayerNorm {
    affine: Affine,
    #[module(skip)]
    eps: f32,
}

impl LayerNorm {
    /// Over a last dimension of this size; `eps` is added to the variance.
    pub fn new(b: &mut Builder, name: &str, size: usize, eps: f32) -> Self {
        Self { affine: Affine::new(b, name, size), eps }
    }

    /// Same shape.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        f::layer_norm(x, self.affine.weight.val(), self.affine.bias.val(), self.eps)
    }
}

/// Batch normalisation: batch statistics in training; in evaluation it is folded into the convolution before it.
#[derive(Module, Debug)]
struct BatchNorm {
    affine: Affine,
    running_mean: RunningState<Tensor<1>>,
    running_var: RunningState<Tensor<1>>,
    #[module(skip)]
    eps: f32,
}

const MOMENTUM: f32 = 0.1;

impl BatchNorm {
    fn new(b: &mut Builder, name: &str, channels: usize, eps: f32) -> Self {
        let affine = Affine::new(b, name, channels);
        let (mean, zeros) = b.buffer(&format!("{name}.running_mean"), [channels], Init::Zeros);
        let (variance, ones) = b.buffer(&format!("{name}.running_var"), [channels], Init::Ones);
        Self {
            affine,
            running_mean: RunningState::with_id(mean, zeros),
            running_var: RunningState::with_id(variance, ones),
            eps,
        }
    }

    fn train(&self, x: Tensor<4>, activation: Activation) -> Tensor<4> {
        let [n, _, h, w] = x.dims();
        let moments = f::channel_moments(x.clone());
        let count = (n * h * w) as f32;
        // PyTorch keeps the unbiased variance and normalises with the biased one.
        let unbiased = count / (count - 1.0).max(1.0);
        blend(&self.running_mean, moments.mean.clone());
        blend(&self.running_var, moments.variance.iter().map(|v| v * unbiased).collect());
        f::batch_norm(x, moments, self.affine.weight.val(), self.affine.bias.val(), self.eps, activation)
    }

    /// Scale and shift of each channel with the running statistics.
    fn running(&self) -> (Tensor<1>, Tensor<1>) {
        let scale = self.affine.weight.val().without_autodiff() / (self.running_var.value_sync() + self.eps).sqrt();
        let shift = self.affine.bias.val().without_autodiff() - self.running_mean.value_sync() * scale.clone();
        (scale, shift)
    }
}

fn blend(state: &RunningState<Tensor<1>>, batch: Vec<f32>) {
    let old = state.value_sync();
    let device = old.device();
    let batch = Tensor::<1>::from_floats(batch.as_slice(), &device);
    state.update(old * (1.0 - MOMENTUM) + batch * MOMENTUM);
    let _ = state.value_sync();
}

/// Convolution without bias, batch normalisation, and optionally a cut: the unit of ResNets and EfficientNets.
#[derive(Module, Debug)]
pub struct ConvNorm {
    conv: Conv2d,
    norm: Option<BatchNorm>,
    /// Upstream's names of the two modules.
    #[module(skip)]
    names: [String; 2],
}

impl ConvNorm {
    /// Convolution under `conv`, normalisation under `norm`.
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
        Self::of(b, layer, [conv, norm], channels[1], eps)
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
        Self::of(b, layer, [conv, norm], channels, eps)
    }

    fn of(b: &mut Builder, conv: Conv2d, names: [&str; 2], channels: usize, eps: f32) -> Self {
        let norm = Some(BatchNorm::new(b, names[1], channels, eps));
        Self { conv, norm, names: names.map(str::to_owned) }
    }

    /// With batch statistics while the normalisation is there, with the folded ones after [`ConvNorm::folded`].
    pub fn forward(&self, x: Tensor<4>, rectify: impl Into<Rectify>) -> Tensor<4> {
        let rectify = rectify.into();
        let Some(norm) = &self.norm else { return self.conv.run(x, rectify) };
        let y = self.conv.run(x, Rectify::None);
        match rectify {
            Rectify::None => norm.train(y, Activation::Identity),
            Rectify::Relu => norm.train(y, Activation::Relu),
            Rectify::Relu6 => f::pointwise(norm.train(y, Activation::Identity), Pointwise::Relu6),
        }
    }

    /// As [`ConvNorm::forward`]. To a probe it shows both modules, or the normalisation alone once folded, and always
    /// in evaluation mode: with running statistics.
    pub fn probed(&self, x: Tensor<4>, rectify: impl Into<Rectify>, probe: &mut Probe<'_>) -> Tensor<4> {
        if !probe.on() {
            return self.forward(x, rectify);
        }
        let mut y = self.conv.run(x, Rectify::None);
        if let Some(norm) = &self.norm {
            probe.see(&self.names[0], &y);
            let (scale, shift) = norm.running();
            let channels = scale.dims()[0];
            y = y * scale.reshape([1, channels, 1, 1]) + shift.reshape([1, channels, 1, 1]);
        }
        probe.see(&self.names[1], &y);
        match rectify.into() {
            Rectify::None => y,
            Rectify::Relu => f::pointwise(y, Pointwise::Relu),
            Rectify::Relu6 => f::pointwise(y, Pointwise::Relu6),
        }
    }

    /// The same function in evaluation mode: running statistics folded into the convolution.
    pub fn folded(self) -> Self {
        let Some(norm) = self.norm else { return self };
        let (scale, shift) = norm.running();
        let weight = self.conv.weight.val().without_autodiff();
        let [o, ..] = weight.dims();
        let weight = weight * scale.reshape([o, 1, 1, 1]);
        Self {
            conv: Conv2d {
                weight: Param::initialized(self.conv.weight.id, weight).set_require_grad(false),
                bias: Some(Param::initialized(norm.affine.bias.id, shift).set_require_grad(false)),
                window: self.conv.window,
                depthwise: self.conv.depthwise,
                reordered: Some(Arc::default()),
            },
            norm: None,
            names: self.names,
        }
    }
}
