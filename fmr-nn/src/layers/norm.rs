//! Normalisations.

use burn::module::{Module, Param, RunningState};
use burn::tensor::Tensor;

use super::constant;
use crate::functional::{self as f, Activation, Rectify};
use crate::probe::Probe;
use crate::weights::{Builder, Init};

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

/// Batch normalisation: batch statistics in training; in evaluation, after [`BatchNorm::folded`], the running ones.
#[derive(Module, Debug)]
pub struct BatchNorm {
    affine: Affine,
    /// None once folded: `affine` is then all there is to do.
    running: Option<Running>,
    #[module(skip)]
    eps: f32,
    #[module(skip)]
    name: String,
    /// Whether upstream's module ends with the cut.
    #[module(skip)]
    cuts: bool,
}

/// Statistics of the images seen in training.
#[derive(Module, Debug)]
struct Running {
    mean: RunningState<Tensor<1>>,
    variance: RunningState<Tensor<1>>,
}

const MOMENTUM: f32 = 0.1;

impl BatchNorm {
    /// Over `channels`; `eps` is added to the variance.
    pub fn new(b: &mut Builder, name: &str, channels: usize, eps: f32) -> Self {
        let affine = Affine::new(b, name, channels);
        let (mean, zeros) = b.buffer(&format!("{name}.running_mean"), [channels], Init::Zeros);
        let (variance, ones) = b.buffer(&format!("{name}.running_var"), [channels], Init::Ones);
        let (mean, variance) = (RunningState::with_id(mean, zeros), RunningState::with_id(variance, ones));
        Self { affine, running: Some(Running { mean, variance }), eps, name: name.to_owned(), cuts: false }
    }

    /// The same layer for a probe that takes upstream's module to end with the cut, as timm's do.
    #[must_use]
    pub fn with_cut(self) -> Self {
        Self { cuts: true, ..self }
    }

    /// `[n, c, h, w]` to the same, cut off as `rectify` says: with batch statistics before [`BatchNorm::folded`], with
    /// the running ones after it.
    pub fn forward(&self, x: Tensor<4>, rectify: impl Into<Rectify>) -> Tensor<4> {
        match (&self.running, rectify.into()) {
            (None, rectify) => f::channel_affine(x, self.affine.weight.val(), self.affine.bias.val(), rectify),
            (Some(running), Rectify::Relu) => self.train(running, x, Activation::Relu),
            (Some(running), rectify) => f::rectify(self.train(running, x, Activation::Identity), rectify),
        }
    }

    /// As [`BatchNorm::forward`], and always in evaluation mode where a probe looks: it sees the value before the
    /// cut, or after it ([`BatchNorm::with_cut`]).
    pub fn probed(&self, x: Tensor<4>, rectify: impl Into<Rectify>, probe: &mut Probe<'_>) -> Tensor<4> {
        if !probe.on() {
            return self.forward(x, rectify);
        }
        let (scale, shift) = self.evaluated();
        let y = f::channel_affine(x, scale, shift, Rectify::None);
        let cut = f::rectify(y.clone(), rectify.into());
        probe.see(&self.name, if self.cuts { &cut } else { &y });
        cut
    }

    /// The same function in evaluation mode.
    #[must_use]
    pub fn folded(self) -> Self {
        let (scale, shift) = self.evaluated();
        let affine = Affine { weight: constant(&self.affine.weight, scale), bias: constant(&self.affine.bias, shift) };
        Self { affine, running: None, ..self }
    }

    /// Scale and shift of each channel in evaluation mode.
    pub(super) fn evaluated(&self) -> (Tensor<1>, Tensor<1>) {
        let (weight, bias) = (self.affine.weight.val().without_autodiff(), self.affine.bias.val().without_autodiff());
        let Some(running) = &self.running else { return (weight, bias) };
        let scale = weight / (running.variance.value_sync() + self.eps).sqrt();
        let shift = bias - running.mean.value_sync() * scale.clone();
        (scale, shift)
    }

    fn train(&self, running: &Running, x: Tensor<4>, activation: Activation) -> Tensor<4> {
        let [n, _, h, w] = x.dims();
        let moments = f::channel_moments(x.clone());
        let count = (n * h * w) as f32;
        // PyTorch keeps the unbiased variance and normalises with the biased one.
        let unbiased = count / (count - 1.0).max(1.0);
        blend(&running.mean, moments.mean.clone());
        blend(&running.variance, moments.variance.iter().map(|v| v * unbiased).collect());
        f::batch_norm(x, moments, self.affine.weight.val(), self.affine.bias.val(), self.eps, activation)
    }
}

fn blend(state: &RunningState<Tensor<1>>, batch: Vec<f32>) {
    let old = state.value_sync();
    let device = old.device();
    let batch = Tensor::<1>::from_floats(batch.as_slice(), &device);
    state.update(old * (1.0 - MOMENTUM) + batch * MOMENTUM);
    let _ = state.value_sync();
}
