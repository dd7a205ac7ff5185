//! DenseNet (Huang et al., 2017): each layer sees the results of all before it.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional::{self as f, Window};
use fmr_nn::layers::{BatchNorm, Conv2d, ConvNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;
use serde::{Deserialize, Serialize};

use super::{eps, pooled, unit};
use crate::family::{Classify, Config};

/// Hyper-parameters of a DenseNet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DenseNetConfig {
    /// Layers of each dense block.
    pub depths: Vec<usize>,
    /// Channels that a layer adds.
    pub growth: usize,
    /// Share of the channels that is kept between blocks.
    pub reduction: f64,
    /// Number of logits.
    pub classes: usize,
    /// Added to the variance by the normalisations.
    #[serde(default = "eps")]
    pub eps: f32,
}

impl DenseNetConfig {
    /// The published network of 121 layers.
    pub(super) fn published() -> Self {
        Self { depths: vec![6, 12, 24, 16], growth: 32, reduction: 0.5, classes: 10, eps: eps() }
    }
}

impl Config for DenseNetConfig {
    fn classes(&mut self) -> &mut usize {
        &mut self.classes
    }
}

/// Four times the growth by 1×1, the growth by 3×3.
#[derive(Module, Debug)]
struct Layer {
    bn1: BatchNorm,
    conv1: ConvNorm,
    conv2: Conv2d,
}

impl Layer {
    fn new(b: &mut Builder, name: &str, input: usize, growth: usize, eps: f32) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        let wide = 4 * growth;
        Self {
            bn1: BatchNorm::new(b, &at("bn1"), input, eps),
            conv1: unit(b, [&at("conv1"), &at("bn2")], [input, wide], 1, 1, false, eps),
            conv2: Conv2d::new(b, &at("conv2"), [wide, growth], 3, Window::same(1, 1), false),
        }
    }

    /// The new channels in front of those that came in.
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let y = self.conv1.probed(self.bn1.probed(x.clone(), true, probe), true, probe);
        Tensor::cat(vec![self.conv2.forward(y), x], 1)
    }

    fn folded(self) -> Self {
        Self { bn1: self.bn1.folded(), conv1: self.conv1.folded(), ..self }
    }
}

/// Fewer channels and half the resolution.
#[derive(Module, Debug)]
struct Transition {
    bn: BatchNorm,
    conv: Conv2d,
}

/// A dense block, and what follows it unless it is the last.
#[derive(Module, Debug)]
struct Stage {
    layers: Vec<Layer>,
    transition: Option<Transition>,
}

/// A DenseNet.
#[derive(Module, Debug)]
pub struct DenseNet {
    conv1: Conv2d,
    stages: Vec<Stage>,
    bn: BatchNorm,
    linear: Linear,
}

impl DenseNet {
    /// A network of that configuration.
    pub(crate) fn new(b: &mut Builder, c: &DenseNetConfig) -> Self {
        let mut channels = 2 * c.growth;
        let conv1 = Conv2d::new(b, "conv1", [3, channels], 3, Window::same(1, 1), false);
        let mut stages = Vec::new();
        for (i, depth) in (1..).zip(&c.depths) {
            let mut layers = Vec::new();
            for k in 0..*depth {
                layers.push(Layer::new(b, &format!("dense{i}.{k}"), channels, c.growth, c.eps));
                channels += c.growth;
            }
            let transition = (i < c.depths.len()).then(|| {
                let input = channels;
                channels = (input as f64 * c.reduction) as usize;
                Transition {
                    bn: BatchNorm::new(b, &format!("trans{i}.bn"), input, c.eps),
                    conv: Conv2d::new(b, &format!("trans{i}.conv"), [input, channels], 1, Window::same(1, 0), false),
                }
            });
            stages.push(Stage { layers, transition });
        }
        let bn = BatchNorm::new(b, "bn", channels, c.eps);
        Self { conv1, stages, bn, linear: Linear::new(b, "linear", [channels, c.classes], true) }
    }
}

impl Classify for DenseNet {
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let mut x = self.conv1.forward(x);
        for (i, Stage { layers, transition }) in (1..).zip(&self.stages) {
            x = layers.iter().fold(x, |x, layer| layer.forward(x, probe));
            probe.see(format!("dense{i}"), &x);
            if let Some(Transition { bn, conv }) = transition {
                x = f::average_pool(conv.forward(bn.probed(x, true, probe)), 2);
                probe.see(format!("trans{i}"), &x);
            }
        }
        self.linear.forward(pooled(self.bn.probed(x, true, probe)))
    }

    fn folded(self) -> Self {
        let transition = |t: Transition| Transition { bn: t.bn.folded(), ..t };
        let stage = |stage: Stage| Stage {
            layers: stage.layers.into_iter().map(Layer::folded).collect(),
            transition: stage.transition.map(transition),
        };
        Self { stages: self.stages.into_iter().map(stage).collect(), bn: self.bn.folded(), ..self }
    }
}
