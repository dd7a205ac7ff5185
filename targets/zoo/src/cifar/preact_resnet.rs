//! Residual networks whose blocks begin with the normalisation (He et al., 2016, second paper).

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional::Window;
use fmr_nn::layers::{BatchNorm, Conv2d, ConvNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;
use serde::{Deserialize, Serialize};

use super::{eps, pooled, unit};
use crate::family::{Classify, Config};
use crate::resnet::Block as Kind;

/// Hyper-parameters of a pre-activation ResNet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PreActResNetConfig {
    /// Kind of block.
    pub block: Kind,
    /// Channels after the first convolution.
    pub stem_width: usize,
    /// Channels that the blocks of each stage work in.
    pub widths: [usize; 4],
    /// Blocks of each stage.
    pub depths: [usize; 4],
    /// Number of logits.
    pub classes: usize,
    /// Added to the variance by the normalisations.
    #[serde(default = "eps")]
    pub eps: f32,
}

impl PreActResNetConfig {
    /// The published network of 18 layers, or that of 50, which has bottlenecks.
    pub(super) fn published(bottleneck: bool) -> Self {
        let (block, depths) = if bottleneck { (Kind::Bottleneck, [3, 4, 6, 3]) } else { (Kind::Basic, [2; 4]) };
        Self { block, stem_width: 64, widths: [64, 128, 256, 512], depths, classes: 10, eps: eps() }
    }
}

impl Config for PreActResNetConfig {
    fn classes(&mut self) -> &mut usize {
        &mut self.classes
    }
}

/// A block: its shortcut convolution reads what is normalised, a plain shortcut what came in.
#[derive(Module, Debug)]
struct Block {
    bn1: BatchNorm,
    /// Convolutions with the normalisation that follows.
    units: Vec<ConvNorm>,
    last: Conv2d,
    shortcut: Option<Conv2d>,
}

impl Block {
    fn new(b: &mut Builder, name: &str, c: &PreActResNetConfig, [input, planes]: [usize; 2], stride: usize) -> Self {
        let output = planes * c.block.expansion();
        let at = |part: &str, i: usize| format!("{name}.{part}{i}");
        let bn1 = BatchNorm::new(b, &at("bn", 1), input, c.eps);
        let mut inner = |i: usize, input: usize, size: usize, stride: usize| {
            unit(b, [&at("conv", i), &at("bn", i + 1)], [input, planes], size, stride, false, c.eps)
        };
        let (units, size) = match c.block {
            Kind::Basic => (vec![inner(1, input, 3, stride)], 3),
            Kind::Bottleneck => (vec![inner(1, input, 1, 1), inner(2, planes, 3, stride)], 1),
        };
        let last = at("conv", units.len() + 1);
        let last = Conv2d::new(b, &last, [planes, output], size, Window::same(1, size / 2), false);
        let shortcut = (stride != 1 || input != output)
            .then(|| Conv2d::new(b, &format!("{name}.shortcut.0"), [input, output], 1, Window::same(stride, 0), false));
        Self { bn1, units, last, shortcut }
    }

    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let y = self.bn1.probed(x.clone(), true, probe);
        let shortcut = match &self.shortcut {
            Some(conv) => conv.forward(y.clone()),
            None => x,
        };
        let y = self.units.iter().fold(y, |y, unit| unit.probed(y, true, probe));
        self.last.forward(y) + shortcut
    }

    fn folded(self) -> Self {
        Self { bn1: self.bn1.folded(), units: self.units.into_iter().map(ConvNorm::folded).collect(), ..self }
    }
}

/// A pre-activation ResNet. It ends without a normalisation.
#[derive(Module, Debug)]
pub struct PreActResNet {
    conv1: Conv2d,
    stages: Vec<Vec<Block>>,
    linear: Linear,
}

impl PreActResNet {
    /// A network of that configuration.
    pub(crate) fn new(b: &mut Builder, c: &PreActResNetConfig) -> Self {
        let conv1 = Conv2d::new(b, "conv1", [3, c.stem_width], 3, Window::same(1, 1), false);
        let mut channels = c.stem_width;
        let mut stages = Vec::new();
        for (i, (depth, planes)) in c.depths.into_iter().zip(c.widths).enumerate() {
            let mut stage = Vec::new();
            for k in 0..depth {
                let stride = if k == 0 && i > 0 { 2 } else { 1 };
                stage.push(Block::new(b, &format!("layer{}.{k}", i + 1), c, [channels, planes], stride));
                channels = planes * c.block.expansion();
            }
            stages.push(stage);
        }
        Self { conv1, stages, linear: Linear::new(b, "linear", [channels, c.classes], true) }
    }
}

impl Classify for PreActResNet {
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let mut x = self.conv1.forward(x);
        probe.see("conv1", &x);
        for (i, stage) in (1..).zip(&self.stages) {
            x = stage.iter().fold(x, |x, block| block.forward(x, probe));
            probe.see(format!("layer{i}"), &x);
        }
        self.linear.forward(pooled(x))
    }

    fn folded(self) -> Self {
        let fold = |stage: Vec<Block>| stage.into_iter().map(Block::folded).collect();
        Self { stages: self.stages.into_iter().map(fold).collect(), ..self }
    }
}
