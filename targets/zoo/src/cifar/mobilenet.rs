//! MobileNet (Howard et al., 2017).

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional::Window;
use fmr_nn::layers::{ConvNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;
use serde::{Deserialize, Serialize};

use super::{eps, pooled, unit};
use crate::family::{Classify, Config};

/// Hyper-parameters of a MobileNet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MobileNetConfig {
    /// Channels of the first convolution.
    pub stem: usize,
    /// Channels that go out of each block, and its stride.
    pub blocks: Vec<[usize; 2]>,
    /// Number of logits.
    pub classes: usize,
    /// Added to the variance by the normalisations.
    #[serde(default = "eps")]
    pub eps: f32,
}

impl MobileNetConfig {
    /// The published network.
    pub(super) fn published() -> Self {
        let middle = [[512, 1]; 5];
        let first = [[64, 1], [128, 2], [128, 1], [256, 2], [256, 1], [512, 2]];
        let blocks = first.into_iter().chain(middle).chain([[1024, 2], [1024, 1]]).collect();
        Self { stem: 32, blocks, classes: 10, eps: eps() }
    }
}

impl Config for MobileNetConfig {
    fn classes(&mut self) -> &mut usize {
        &mut self.classes
    }
}

/// A depthwise convolution and a 1×1 convolution.
#[derive(Module, Debug)]
struct Block {
    depthwise: ConvNorm,
    pointwise: ConvNorm,
}

/// A MobileNet.
#[derive(Module, Debug)]
pub struct MobileNet {
    stem: ConvNorm,
    blocks: Vec<Block>,
    linear: Linear,
}

impl MobileNet {
    /// A network of that configuration.
    pub(crate) fn new(b: &mut Builder, c: &MobileNetConfig) -> Self {
        let stem = unit(b, ["conv1", "bn1"], [3, c.stem], 3, 1, false, c.eps);
        let mut channels = c.stem;
        let mut blocks = Vec::new();
        for (i, &[width, stride]) in c.blocks.iter().enumerate() {
            let [conv1, bn1, conv2, bn2] = ["conv1", "bn1", "conv2", "bn2"].map(|part| format!("layers.{i}.{part}"));
            blocks.push(Block {
                depthwise: ConvNorm::depthwise(b, &conv1, &bn1, channels, 3, Window::same(stride, 1), c.eps),
                pointwise: unit(b, [&conv2, &bn2], [channels, width], 1, 1, false, c.eps),
            });
            channels = width;
        }
        Self { stem, blocks, linear: Linear::new(b, "linear", [channels, c.classes], true) }
    }
}

impl Classify for MobileNet {
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let mut x = self.stem.probed(x, true, probe);
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.pointwise.probed(block.depthwise.probed(x, true, probe), true, probe);
            probe.see(format!("layers.{i}"), &x);
        }
        self.linear.forward(pooled(x))
    }

    fn folded(self) -> Self {
        let fold = |b: Block| Block { depthwise: b.depthwise.folded(), pointwise: b.pointwise.folded() };
        Self { stem: self.stem.folded(), blocks: self.blocks.into_iter().map(fold).collect(), ..self }
    }
}
