//! LeNet-5 (LeCun et al., 1998) with max(0, ·) activations: this project's for MNIST, and pytorch-cifar's.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_core::preprocess::Filter;
use fmr_nn::component::Grey;
use fmr_nn::functional::{self as f, Pointwise, Window};
use fmr_nn::layers::{Conv2d, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;
use serde::{Deserialize, Serialize};

use crate::family::{Architecture, Classify, Config};
use crate::labels::LabelSet;
use crate::preprocess::{Preprocess, Resize};
use crate::registry::Entry;

/// How 2×2 blocks become one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// By their mean.
    #[default]
    Average,
    /// By the largest.
    Max,
}

/// Hyper-parameters of a LeNet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LeNetConfig {
    /// Channels of the images.
    #[serde(default = "one")]
    pub channels: usize,
    /// Zeros around the images: 2 for 28×28, none for 32×32.
    #[serde(default = "two")]
    pub padding: usize,
    /// How maps become smaller.
    #[serde(default)]
    pub pooling: Pooling,
    /// Number of logits.
    pub classes: usize,
}

fn one() -> usize {
    1
}

fn two() -> usize {
    2
}

impl Config for LeNetConfig {
    fn classes(&mut self) -> &mut usize {
        &mut self.classes
    }
}

/// The registered members of the family.
pub(crate) fn entries() -> Vec<Entry> {
    let entry = |name, [channels, padding]: [usize; 2], pooling, preprocess, labels, source| Entry {
        name,
        alias: None,
        architecture: Architecture::LeNet(LeNetConfig { channels, padding, pooling, classes: 10 }),
        preprocess,
        labels,
        source,
        sha256: &[],
        download: None,
        top1: None,
    };
    let mnist = Preprocess {
        input: [1, 28, 28],
        grey: Grey::Mean,
        resize: Resize::Squash { filter: Filter::Bilinear },
        mean: [0.1307; 3],
        std: [0.3081; 3],
    };
    let here = "trained here: experiments/recipes/lenet.toml";
    let (cifar, upstream) = (Preprocess::pytorch_cifar(), "kuangliu/pytorch-cifar, ckpt.pth of models.LeNet()");
    let twin = "kuangliu/pytorch-cifar's LeNet for one channel: conv1 of padding 2";
    vec![
        entry("lenet", [1, 2], Pooling::Average, mnist, LabelSet::Digits, here),
        entry("mnist-lenet", [1, 2], Pooling::Max, mnist, LabelSet::Digits, twin),
        entry("cifar-lenet", [3, 0], Pooling::Max, cifar, LabelSet::Cifar10, upstream),
    ]
}

/// Two 5×5 convolutions, each followed by pooling, and three linear layers.
#[derive(Module, Debug)]
pub struct LeNet {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
    #[module(skip)]
    pooling: Pooling,
}

impl LeNet {
    /// Keys `conv1`, `conv2`, `fc1`, `fc2`, `fc3`.
    pub(crate) fn new(b: &mut Builder, c: &LeNetConfig) -> Self {
        Self {
            conv1: Conv2d::new(b, "conv1", [c.channels, 6], 5, Window::same(1, c.padding), true),
            conv2: Conv2d::new(b, "conv2", [6, 16], 5, Window::same(1, 0), true),
            fc1: Linear::new(b, "fc1", [400, 120], true),
            fc2: Linear::new(b, "fc2", [120, 84], true),
            fc3: Linear::new(b, "fc3", [84, c.classes], true),
            pooling: c.pooling,
        }
    }

    /// Convolution, cut and pooling; a probe sees the convolution's result and the level's.
    fn level(&self, conv: &Conv2d, level: usize, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let x = if probe.on() {
            let x = conv.forward(x);
            probe.see(format!("conv{level}"), &x);
            f::pointwise(x, Pointwise::Relu)
        } else {
            conv.forward_relu(x)
        };
        let x = match self.pooling {
            Pooling::Average => f::average_pool(x, 2),
            Pooling::Max => f::max_pool(x, 2, 2, 0),
        };
        if probe.on() {
            probe.see(format!("pool{level}"), &x);
        }
        x
    }
}

impl Classify for LeNet {
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let x = self.level(&self.conv1, 1, x, probe);
        let x = self.level(&self.conv2, 2, x, probe);
        let x = self.fc1.forward(x.flatten::<2>(1, 3));
        probe.see("fc1", &x);
        let x = self.fc2.forward(f::pointwise(x, Pointwise::Relu));
        probe.see("fc2", &x);
        self.fc3.forward(f::pointwise(x, Pointwise::Relu))
    }

    fn folded(self) -> Self {
        self
    }
}
