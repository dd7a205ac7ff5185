//! Blocks that the convolutional families share: residual blocks, with or without an embedding that modulates them, and
//! attention over positions. Families differ in the names of the parameters, which are given.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::bridge::beside;
use crate::functional::{self as f, Activation, PackedOrder, Window};
use crate::layers::{Conv2d, GroupNorm, Linear};
use crate::probe::Probe;
use crate::weights::{Builder, Init};

/// Groups and eps of every normalisation of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Groups {
    /// Groups that channels are normalised in.
    pub count: usize,
    /// Added to the variance.
    pub eps: f32,
}

impl Groups {
    /// A normalisation of so many channels under `name`.
    pub fn norm(self, b: &mut Builder, name: &str, channels: usize) -> GroupNorm {
        GroupNorm::new(b, name, self.count, channels, self.eps)
    }
}

/// A 3×3 convolution with bias that keeps the size.
pub fn conv3(b: &mut Builder, name: &str, channels: [usize; 2]) -> Conv2d {
    Conv2d::new(b, name, channels, 3, Window::same(1, 1), true)
}

/// A 1×1 convolution with bias.
pub fn conv1(b: &mut Builder, name: &str, channels: [usize; 2]) -> Conv2d {
    Conv2d::new(b, name, channels, 1, Window::same(1, 0), true)
}

/// A change of resolution without parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resample {
    /// The same size.
    Same,
    /// Half the size: means of 2×2.
    Down,
    /// Twice the size: each pixel becomes 2×2.
    Up,
}

impl Resample {
    /// The images at the new size.
    pub fn forward(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Same => x,
            Self::Down => f::average_pool(x, 2),
            Self::Up => f::upsample2(x),
        }
    }
}

/// How an embedding enters a residual block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modulation {
    /// It is added before the second normalisation.
    Additive,
    /// It scales and shifts what the second normalisation gives.
    ScaleShift,
}

/// Upstream's names of a residual block's layers, below the block's own.
#[derive(Debug, Clone, Copy)]
pub struct ResidualNames {
    /// First normalisation.
    pub norm1: &'static str,
    /// First convolution.
    pub conv1: &'static str,
    /// Linear layer of the embedding; unused without one.
    pub embedding: &'static str,
    /// Second normalisation.
    pub norm2: &'static str,
    /// Second convolution.
    pub conv2: &'static str,
    /// 1×1 convolution of the shortcut, where the number of channels changes.
    pub shortcut: &'static str,
}

/// Sizes of a residual block.
#[derive(Debug, Clone, Copy)]
pub struct ResidualSizes {
    /// Channels in and out.
    pub channels: [usize; 2],
    /// Of the normalisations.
    pub groups: Groups,
    /// Size of the embedding and how it enters, for blocks with one.
    pub embedding: Option<(usize, Modulation)>,
    /// Between the first activation and the first convolution, and on the shortcut.
    pub resample: Resample,
    /// How the second convolution starts out: at zero, a block starts as its shortcut.
    pub zero_start: bool,
}

/// Two normalised, activated 3×3 convolutions around a shortcut.
#[derive(Module, Debug)]
pub struct ResidualBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    embedding: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
    #[module(skip)]
    modulation: Modulation,
    #[module(skip)]
    resample: Resample,
    #[module(skip)]
    name: String,
}

impl ResidualBlock {
    /// A block under `name`.
    pub fn new(b: &mut Builder, name: &str, names: &ResidualNames, sizes: ResidualSizes) -> Self {
        let ([cin, cout], at) = (sizes.channels, |part: &str| format!("{name}.{part}"));
        let modulation = sizes.embedding.map_or(Modulation::Additive, |(_, modulation)| modulation);
        let modulated = if modulation == Modulation::ScaleShift { 2 * cout } else { cout };
        let norm1 = sizes.groups.norm(b, &at(names.norm1), cin);
        let first = conv3(b, &at(names.conv1), [cin, cout]);
        let embedding = sizes.embedding.map(|(size, _)| Linear::new(b, &at(names.embedding), [size, modulated], true));
        let norm2 = sizes.groups.norm(b, &at(names.norm2), cout);
        let conv2 = if sizes.zero_start {
            Conv2d::with_init(b, &at(names.conv2), [cout, cout], 3, Window::same(1, 1), true, Init::Zeros)
        } else {
            conv3(b, &at(names.conv2), [cout, cout])
        };
        let shortcut = (cin != cout).then(|| conv1(b, &at(names.shortcut), [cin, cout]));
        let (resample, name) = (sizes.resample, name.to_owned());
        Self { norm1, conv1: first, embedding, norm2, conv2, shortcut, modulation, resample, name }
    }

    /// `x [n, cin, h, w]`, and the activated embedding `[n, size]` of a block that has one.
    pub fn forward(&self, x: Tensor<4>, embedding: Option<&Tensor<2>>, probe: &mut Probe<'_>) -> Tensor<4> {
        let y = self.resample.forward(self.norm1.forward(x.clone(), Activation::Silu));
        let x = self.resample.forward(x);
        let y = self.conv1.forward(y);
        let entering = self.embedding.as_ref().zip(embedding).map(|(linear, value)| linear.forward(value.clone()));
        let y = match (entering, self.modulation) {
            (None, _) => self.norm2.forward(y, Activation::Silu),
            (Some(shift), Modulation::Additive) => {
                let [n, c] = shift.dims();
                let y = y.clone() + beside(shift.reshape([n, c, 1, 1]), &y);
                self.norm2.forward(y, Activation::Silu)
            }
            (Some(both), Modulation::ScaleShift) => {
                let half = both.dims()[1] / 2;
                let [scale, shift] = [0, half].map(|at| both.clone().narrow(1, at, half));
                self.norm2.modulated(y, scale, shift, Activation::Silu)
            }
        };
        let y = self.conv2.forward(y);
        let y = match &self.shortcut {
            Some(conv) => conv.forward(x) + y,
            None => x + y,
        };
        probe.see(&self.name, &y);
        y
    }
}

/// How an attention block comes to queries, keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projections {
    /// A 1×1 convolution each, under these names, and one for the result.
    Separate([&'static str; 4]),
    /// One convolution over positions under the first name, and one for the result under the second.
    Packed([&'static str; 2], PackedOrder),
}

/// Self-attention over all positions, around a shortcut.
#[derive(Module, Debug)]
pub struct AttentionBlock {
    norm: GroupNorm,
    /// One convolution, or three.
    projections: Vec<Conv2d>,
    proj_out: Conv2d,
    #[module(skip)]
    order: PackedOrder,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    name: String,
}

impl AttentionBlock {
    /// A block under `name`, its normalisation under `name.norm`.
    pub fn new(
        b: &mut Builder,
        name: &str,
        channels: usize,
        heads: usize,
        groups: Groups,
        projections: Projections,
    ) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        let norm = groups.norm(b, &at("norm"), channels);
        let init = |size: usize| Init::Normal((1.0 / size as f32).sqrt());
        let (projections, proj_out, order) = match projections {
            Projections::Separate([q, k, v, out]) => {
                let projections = [q, k, v].map(|part| conv1(b, &at(part), [channels; 2])).into();
                (projections, conv1(b, &at(out), [channels; 2]), PackedOrder::KindsFirst)
            }
            Projections::Packed([qkv, out], order) => {
                let packed = Conv2d::over_positions(b, &at(qkv), [channels, 3 * channels], init(channels));
                (vec![packed], Conv2d::over_positions(b, &at(out), [channels; 2], Init::Zeros), order)
            }
        };
        Self { norm, projections, proj_out, order, heads, name: name.to_owned() }
    }

    /// Same shape.
    pub fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let y = self.norm.forward(x.clone(), Activation::Identity);
        let mixed = match &self.projections[..] {
            [q, k, v] => {
                let (q, k, v) = (q.forward(y.clone()), k.forward(y.clone()), v.forward(y));
                f::spatial_self_attention(q, k, v, self.heads)
            }
            packed => {
                let qkv = packed.iter().fold(y, |y, conv| conv.forward(y));
                if probe.on() {
                    probe.see(format!("{}.qkv", self.name), &qkv);
                }
                f::packed_spatial_attention(qkv, self.heads, self.order)
            }
        };
        let y = x + self.proj_out.forward(mixed);
        probe.see(&self.name, &y);
        y
    }
}
