//! EfficientNet-B0 (Tan & Le, 2019) as pytorch-cifar has it: swish, squeeze and excitation, a first convolution of
//! stride 1.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use fmr_nn::functional::{self as f, Pointwise, Rectify, Window};
use fmr_nn::layers::{Conv2d, ConvNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;
use serde::{Deserialize, Serialize};

use super::{eps, pooled, unit};
use crate::efficientnet::{LITE, StageConfig};
use crate::family::{Classify, Config};

/// Hyper-parameters of an EfficientNet-B0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EfficientNetB0Config {
    /// The stages; the first takes what the first convolution gives.
    pub stages: Vec<StageConfig>,
    /// Channels of a block's squeeze for each channel that comes in.
    #[serde(default = "quarter")]
    pub se_ratio: f64,
    /// Number of logits.
    pub classes: usize,
    /// Added to the variance by the normalisations.
    #[serde(default = "eps")]
    pub eps: f32,
}

fn quarter() -> f64 {
    0.25
}

impl EfficientNetB0Config {
    /// The published network. Its stages are those of EfficientNet-lite0.
    pub(super) fn published() -> Self {
        Self { stages: LITE.to_vec(), se_ratio: quarter(), classes: 10, eps: eps() }
    }
}

impl Config for EfficientNetB0Config {
    fn classes(&mut self) -> &mut usize {
        &mut self.classes
    }
}

/// A factor for each channel, found from the mean of all.
#[derive(Module, Debug)]
struct Excitation {
    se1: Conv2d,
    se2: Conv2d,
}

/// 1×1 to more channels, a depthwise convolution, excitation, 1×1 back.
#[derive(Module, Debug)]
struct Block {
    /// Upstream has its parameters also where nothing is expanded, and does not use them there.
    expand: ConvNorm,
    depthwise: ConvNorm,
    excitation: Excitation,
    project: ConvNorm,
    #[module(skip)]
    expands: bool,
    #[module(skip)]
    skips: bool,
    #[module(skip)]
    name: String,
}

fn swish(x: Tensor<4>) -> Tensor<4> {
    f::pointwise(x, Pointwise::Silu)
}

impl Block {
    fn new(b: &mut Builder, name: String, s: &StageConfig, c: &EfficientNetB0Config) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        let wide = s.input * s.expansion;
        let squeezed = (s.input as f64 * c.se_ratio) as usize;
        let whole = Window::same(1, 0);
        Self {
            expand: unit(b, [&at("conv1"), &at("bn1")], [s.input, wide], 1, 1, false, c.eps),
            depthwise: ConvNorm::depthwise(
                b,
                &at("conv2"),
                &at("bn2"),
                wide,
                s.kernel,
                Window::same(s.stride, s.kernel / 2),
                c.eps,
            ),
            excitation: Excitation {
                se1: Conv2d::new(b, &at("se.se1"), [wide, squeezed], 1, whole, true),
                se2: Conv2d::new(b, &at("se.se2"), [squeezed, wide], 1, whole, true),
            },
            project: unit(b, [&at("conv3"), &at("bn3")], [wide, s.output], 1, 1, false, c.eps),
            expands: s.expansion != 1,
            skips: s.stride == 1 && s.input == s.output,
            name,
        }
    }

    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let y = match self.expands {
            true => swish(self.expand.probed(x.clone(), Rectify::None, probe)),
            false => x.clone(),
        };
        let y = swish(self.depthwise.probed(y, Rectify::None, probe));
        let Excitation { se1, se2 } = &self.excitation;
        let mean = y.clone().mean_dim(3).mean_dim(2);
        let y = y * sigmoid(se2.forward(swish(se1.forward(mean))));
        let y = self.project.probed(y, Rectify::None, probe);
        let y = if self.skips { y + x } else { y };
        probe.see(&self.name, &y);
        y
    }

    fn folded(self) -> Self {
        Self {
            expand: self.expand.folded(),
            depthwise: self.depthwise.folded(),
            project: self.project.folded(),
            ..self
        }
    }
}

/// An EfficientNet-B0.
#[derive(Module, Debug)]
pub struct EfficientNetB0 {
    stem: ConvNorm,
    blocks: Vec<Block>,
    linear: Linear,
}

impl EfficientNetB0 {
    /// A network of that configuration.
    pub(crate) fn new(b: &mut Builder, c: &EfficientNetB0Config) -> Self {
        let mut channels = c.stages.first().map_or(0, |stage| stage.input);
        let stem = unit(b, ["conv1", "bn1"], [3, channels], 3, 1, false, c.eps);
        let mut blocks = Vec::new();
        for stage in &c.stages {
            for k in 0..stage.repeats {
                let stride = if k == 0 { stage.stride } else { 1 };
                let sizes = StageConfig { input: channels, stride, ..*stage };
                blocks.push(Block::new(b, format!("layers.{}", blocks.len()), &sizes, c));
                channels = stage.output;
            }
        }
        Self { stem, blocks, linear: Linear::new(b, "linear", [channels, c.classes], true) }
    }
}

impl Classify for EfficientNetB0 {
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let x = swish(self.stem.probed(x, Rectify::None, probe));
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x, probe));
        self.linear.forward(pooled(x))
    }

    fn folded(self) -> Self {
        Self { stem: self.stem.folded(), blocks: self.blocks.into_iter().map(Block::folded).collect(), ..self }
    }
}
