//! LeNet-5 (LeCun et al., 1998) with max(0, ·) activations, for 28×28 grey images.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional::{self as f, Pointwise, Window};
use fmr_nn::layers::{Conv2d, Linear};
use fmr_nn::weights::Builder;

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
    pub fn new(b: &mut Builder, classes: usize) -> Self {
        Self {
            conv1: Conv2d::new(b, "conv1", [1, 6], 5, Window::same(1, 2), true),
            conv2: Conv2d::new(b, "conv2", [6, 16], 5, Window::same(1, 0), true),
            fc1: Linear::new(b, "fc1", [400, 120], true),
            fc2: Linear::new(b, "fc2", [120, 84], true),
            fc3: Linear::new(b, "fc3", [84, classes], true),
        }
    }

    /// `[n, 1, 28, 28]` to logits.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = f::average_pool(self.conv1.forward_relu(x), 2);
        let x = f::average_pool(self.conv2.forward_relu(x), 2);
        let x: Tensor<2> = x.flatten(1, 3);
        let x = f::pointwise(self.fc1.forward(x), Pointwise::Relu);
        let x = f::pointwise(self.fc2.forward(x), Pointwise::Relu);
        self.fc3.forward(x)
    }
}
