//! LeNet-5 (LeCun et al., 1998) with max(0, ·) activations, for 28×28 grey images.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_core::preprocess::Filter;
use fmr_nn::functional::{self as f, Pointwise, Window};
use fmr_nn::layers::{Conv2d, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;
use serde::{Deserialize, Serialize};

use crate::labels::LabelSet;
use crate::preprocess::{Preprocess, Resize};
use crate::registry::{Architecture, Entry};

/// Hyper-parameters of a LeNet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LeNetConfig {
    /// Number of logits.
    pub classes: usize,
}

/// The registered members of the family.
pub(crate) fn entries() -> Vec<Entry> {
    vec![Entry {
        name: "lenet",
        alias: None,
        architecture: Architecture::LeNet(LeNetConfig { classes: 10 }),
        preprocess: Preprocess {
            input: [1, 28, 28],
            resize: Resize::Squash { filter: Filter::Bilinear },
            mean: [0.1307; 3],
            std: [0.3081; 3],
        },
        labels: LabelSet::Digits,
        source: "trained here: experiments/recipes/lenet.toml",
        sha256: &[],
        download: None,
        top1: None,
    }]
}

/// Two 5×5 convolutions, each followed by average pooling, and three linear layers.
#[derive(Module, Debug)]
pub struct LeNet {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
}

impl LeNet {
    /// Keys `conv1`, `conv2`, `fc1`, `fc2`, `fc3`.
    pub fn new(b: &mut Builder, c: &LeNetConfig) -> Self {
        Self {
            conv1: Conv2d::new(b, "conv1", [1, 6], 5, Window::same(1, 2), true),
            conv2: Conv2d::new(b, "conv2", [6, 16], 5, Window::same(1, 0), true),
            fc1: Linear::new(b, "fc1", [400, 120], true),
            fc2: Linear::new(b, "fc2", [120, 84], true),
            fc3: Linear::new(b, "fc3", [84, c.classes], true),
        }
    }

    /// `[n, 1, 28, 28]` to logits.
    pub fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let x = f::average_pool(self.conv1.forward_relu(x), 2);
        probe.see("pool1", &x);
        let x = f::average_pool(self.conv2.forward_relu(x), 2);
        probe.see("pool2", &x);
        let x = self.fc1.forward(x.flatten::<2>(1, 3));
        probe.see("fc1", &x);
        let x = self.fc2.forward(f::pointwise(x, Pointwise::Relu));
        probe.see("fc2", &x);
        self.fc3.forward(f::pointwise(x, Pointwise::Relu))
    }
}
