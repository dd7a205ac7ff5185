//! The blocks between the patches and the class token.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use fmr_nn::functional::{self as f, Pointwise, Rectify, Window};
use fmr_nn::layers::{BatchNorm, Conv2d, LayerNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::transformer::Mlp;
use fmr_nn::weights::{Builder, Init};

use super::patches::BATCH_EPS;
use super::table::XcitConfig;
use super::{INIT, on_map};

/// Factor of each channel of what a branch adds; none once it is part of the branch.
type Scale = Option<Param<Tensor<1>>>;

fn scaled(x: Tensor<3>, scale: &Scale) -> Tensor<3> {
    match scale {
        Some(scale) => x * scale.val().unsqueeze(),
        None => x,
    }
}

/// Attention of the channels of a head over each other.
#[derive(Module, Debug)]
struct CrossCovariance {
    qkv: Linear,
    proj: Linear,
    temperature: Param<Tensor<3>>,
}

/// Smallest norm that a channel is divided by, squared.
const LEAST_SQUARE: f32 = 1e-24;

impl CrossCovariance {
    fn new(b: &mut Builder, name: &str, width: usize, heads: usize) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        Self {
            temperature: b.param(&at("temperature"), [heads, 1, 1], Init::Ones),
            qkv: Linear::with_init(b, &at("qkv"), [width, 3 * width], true, INIT),
            proj: Linear::with_init(b, &at("proj"), [width, width], true, INIT),
        }
    }

    /// `[n, tokens, width]` to the same.
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [n, tokens, width] = x.dims();
        let temperature = self.temperature.val();
        let heads = temperature.dims()[0];
        let channels = f::swapped(self.qkv.forward(x));
        let part = |i: usize| -> Tensor<3> {
            channels.clone().narrow(1, i * width, width).reshape([n * heads, width / heads, tokens])
        };
        let unit = |x: Tensor<3>| {
            let norm = (x.clone() * x.clone()).sum_dim(2).clamp_min(LEAST_SQUARE).sqrt();
            x / norm
        };
        // Attention divides scores by the root of the length of a row.
        let temperature = temperature.repeat_dim(0, n) * (tokens as f32).sqrt();
        let mixed = f::attention(unit(part(0)) * temperature, unit(part(1)), part(2), 1, false);
        self.proj.forward(f::swapped(mixed.reshape([n, width, tokens])))
    }
}

/// What positions tell their neighbours.
#[derive(Module, Debug)]
struct LocalPatches {
    conv1: Conv2d,
    bn: BatchNorm,
    conv2: Conv2d,
}

impl LocalPatches {
    fn new(b: &mut Builder, name: &str, width: usize) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        let window = Window::same(1, 1);
        Self {
            conv1: Conv2d::depthwise(b, &at("conv1"), width, 3, window, true),
            bn: BatchNorm::new(b, &at("bn"), width, BATCH_EPS),
            conv2: Conv2d::depthwise(b, &at("conv2"), width, 3, window, true),
        }
    }

    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let x = f::pointwise(self.conv1.forward(x), Pointwise::Gelu);
        self.conv2.forward(self.bn.probed(x, Rectify::None, probe))
    }
}

/// Attention of channels, neighbourhood, perceptron.
#[derive(Module, Debug)]
pub(super) struct Block {
    norm1: LayerNorm,
    attn: CrossCovariance,
    gamma1: Scale,
    norm3: LayerNorm,
    local_mp: LocalPatches,
    gamma3: Scale,
    norm2: LayerNorm,
    mlp: Mlp,
    gamma2: Scale,
    #[module(skip)]
    name: String,
}

impl Block {
    pub(super) fn new(b: &mut Builder, name: String, c: &XcitConfig) -> Self {
        let width = c.width;
        let at = |part: &str| format!("{name}.{part}");
        let gamma = |b: &mut Builder, part: &str| Some(b.param(&at(part), [width], Init::Ones));
        Self {
            norm1: LayerNorm::new(b, &at("norm1"), width, c.eps),
            attn: CrossCovariance::new(b, &at("attn"), width, c.heads),
            gamma1: gamma(b, "gamma1"),
            norm3: LayerNorm::new(b, &at("norm3"), width, c.eps),
            local_mp: LocalPatches::new(b, &at("local_mp"), width),
            gamma3: gamma(b, "gamma3"),
            norm2: LayerNorm::new(b, &at("norm2"), width, c.eps),
            mlp: Mlp::new(b, &at("mlp"), [width, 4 * width], INIT),
            gamma2: gamma(b, "gamma2"),
            name,
        }
    }

    /// `[n, h·w, width]` to the same. The neighbourhood comes before the perceptron, although its number is higher.
    pub(super) fn forward(&self, x: Tensor<3>, size: [usize; 2], probe: &mut Probe<'_>) -> Tensor<3> {
        let mixed = self.attn.forward(self.norm1.forward(x.clone()));
        if probe.on() {
            probe.see(format!("{}.attn", self.name), &mixed);
        }
        let x = x + scaled(mixed, &self.gamma1);
        let near = on_map(self.norm3.forward(x.clone()), size, |map| self.local_mp.forward(map, probe));
        if probe.on() {
            probe.see(format!("{}.local_mp", self.name), &near);
        }
        let x = x + scaled(near, &self.gamma3);
        let x = x.clone() + scaled(self.mlp.forward(self.norm2.forward(x)), &self.gamma2);
        probe.see(&self.name, &x);
        x
    }

    pub(super) fn folded(self) -> Self {
        let [gamma1, gamma2, gamma3] =
            [self.gamma1, self.gamma2, self.gamma3].map(|gamma| gamma.map(|gamma| gamma.val().without_autodiff()));
        let LocalPatches { conv1, bn, conv2 } = self.local_mp;
        let conv2 = match &gamma3 {
            Some(gamma) => conv2.scaled(gamma, None),
            None => conv2,
        };
        let proj = match &gamma1 {
            Some(gamma) => self.attn.proj.scaled(gamma),
            None => self.attn.proj,
        };
        let mlp = match &gamma2 {
            Some(gamma) => self.mlp.scaled(gamma),
            None => self.mlp,
        };
        Self {
            attn: CrossCovariance { proj, ..self.attn },
            gamma1: None,
            local_mp: LocalPatches { conv1, bn: bn.folded(), conv2 },
            gamma3: None,
            mlp,
            gamma2: None,
            ..self
        }
    }
}
