//! One type over all architectures.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::weights::Builder;

use crate::lenet::LeNet;
use crate::registry::Architecture;
use crate::resnet::ResNet;

/// A classifier of any registered architecture.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "one instance a run")]
pub enum Network {
    /// See [`Architecture::LeNet`].
    LeNet(LeNet),
    /// See [`Architecture::ResNet`].
    ResNet(ResNet),
}

impl Network {
    /// A network with parameters from `b`.
    pub fn new(b: &mut Builder, architecture: &Architecture) -> Self {
        match architecture {
            Architecture::LeNet(classes) => Self::LeNet(LeNet::new(b, *classes)),
            Architecture::ResNet(config) => Self::ResNet(ResNet::new(b, config)),
        }
    }

    /// Normalised images to logits.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        match self {
            Self::LeNet(net) => net.forward(x),
            Self::ResNet(net) => net.forward(x),
        }
    }

    /// The network in evaluation mode.
    pub fn folded(self) -> Self {
        match self {
            Self::LeNet(net) => Self::LeNet(net),
            Self::ResNet(net) => Self::ResNet(net.folded()),
        }
    }
}
