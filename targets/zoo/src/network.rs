//! One type over all architectures.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;

use crate::efficientnet::EfficientNet;
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
    /// See [`Architecture::EfficientNetLite`].
    EfficientNetLite(EfficientNet),
}

impl Network {
    /// A network with parameters from `b`.
    pub fn new(b: &mut Builder, architecture: &Architecture) -> Self {
        match architecture {
            Architecture::LeNet(config) => Self::LeNet(LeNet::new(b, config)),
            Architecture::ResNet(config) => Self::ResNet(ResNet::new(b, config)),
            Architecture::EfficientNetLite(config) => Self::EfficientNetLite(EfficientNet::new(b, config)),
        }
    }

    /// Normalised images to logits.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        self.probed(x, &mut Probe::off())
    }

    /// As [`Network::forward`], with sight of the activations inside under their upstream names.
    pub fn probed(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        match self {
            Self::LeNet(net) => net.forward(x, probe),
            Self::ResNet(net) => net.forward(x, probe),
            Self::EfficientNetLite(net) => net.forward(x, probe),
        }
    }

    /// The network in evaluation mode.
    #[must_use]
    pub fn folded(self) -> Self {
        match self {
            Self::LeNet(net) => Self::LeNet(net),
            Self::ResNet(net) => Self::ResNet(net.folded()),
            Self::EfficientNetLite(net) => Self::EfficientNetLite(net.folded()),
        }
    }
}
