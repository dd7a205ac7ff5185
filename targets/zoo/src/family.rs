//! What every family of networks offers, and one type over all of them.

use std::fmt::Debug;

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::probe::Probe;
use fmr_nn::weights::{Builder, StateDict};
use serde::{Deserialize, Serialize};

use crate::cifar::{
    DenseNet, DenseNetConfig, EfficientNetB0, EfficientNetB0Config, GoogLeNet, GoogLeNetConfig, MobileNet,
    MobileNetConfig, PreActResNet, PreActResNetConfig, SimpleDla, SimpleDlaConfig, Vgg, VggConfig,
};
use crate::convnext::{ConvNeXt, ConvNeXtConfig};
use crate::efficientnet::{EfficientNet, EfficientNetConfig};
use crate::lenet::{LeNet, LeNetConfig};
use crate::names::{Names, renamed};
use crate::resnet::{ResNet, ResNetConfig};
use crate::swin::{Swin, SwinConfig};
use crate::twins::{Twins, TwinsConfig};
use crate::visformer::{Visformer, VisformerConfig};
use crate::vit::{Vit, VitConfig};
use crate::xcit::{Xcit, XcitConfig};

/// Hyper-parameters of the networks of a family.
pub(crate) trait Config: Debug {
    /// Number of logits.
    fn classes(&mut self) -> &mut usize;

    /// Makes the network one for images of `[height, width]`, where its parameters depend on that.
    fn set_image(&mut self, _: [usize; 2]) {}

    /// Takes the parameter names of the project that a file comes from, for families that have several; `holds` tells
    /// whether the file has a parameter of that name.
    fn name_as_in(&mut self, _: &dyn Fn(&str) -> bool) {}

    /// How the names of other projects become those of the network.
    fn names(&self) -> &'static [Names] {
        &[]
    }
}

/// A network of a family.
pub(crate) trait Classify: Sized {
    /// Normalised images `[n, c, h, w]` to logits, with sight of the activations inside under their upstream names.
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2>;

    /// The same function in evaluation mode.
    fn folded(self) -> Self;
}

macro_rules! families {
    ($($(#[doc = $doc:literal])* $name:ident($config:ident => $network:ident) = $text:literal,)*) => {
        /// An architecture with its hyper-parameters.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "family")]
        pub enum Architecture {
            $($(#[doc = $doc])* #[serde(rename = $text)] $name($config),)*
        }

        impl Architecture {
            /// Its family, as `architecture.family` spells it.
            pub fn family(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $text,)*
                }
            }

            fn config(&mut self) -> &mut dyn Config {
                match self {
                    $(Self::$name(config) => config,)*
                }
            }

            fn names(&self) -> &'static [Names] {
                match self {
                    $(Self::$name(config) => config.names(),)*
                }
            }
        }

        /// A classifier of any registered architecture.
        #[derive(Module, Debug)]
        #[expect(clippy::large_enum_variant, reason = "one instance a run")]
        pub enum Network {
            $(#[doc = concat!("See [`Architecture::", stringify!($name), "`].")] $name($network),)*
        }

        impl Network {
            /// A network with parameters from `b`.
            pub fn new(b: &mut Builder, architecture: &Architecture) -> Self {
                match architecture {
                    $(Architecture::$name(config) => Self::$name($network::new(b, config)),)*
                }
            }

            /// As [`Network::forward`], with sight of the activations inside under their upstream names.
            pub fn probed(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
                match self {
                    $(Self::$name(network) => network.forward(x, probe),)*
                }
            }

            /// The network in evaluation mode.
            #[must_use]
            pub fn folded(self) -> Self {
                match self {
                    $(Self::$name(network) => Self::$name(network.folded()),)*
                }
            }
        }
    };
}

families! {
    /// LeNet-5.
    LeNet(LeNetConfig => LeNet) = "lenet",
    /// A residual network.
    ResNet(ResNetConfig => ResNet) = "resnet",
    /// An EfficientNet-lite.
    EfficientNetLite(EfficientNetConfig => EfficientNet) = "efficientnet-lite",
    /// A vision transformer: ViT, DeiT, distilled DeiT.
    Vit(VitConfig => Vit) = "vit",
    /// A ConvNeXt.
    ConvNeXt(ConvNeXtConfig => ConvNeXt) = "convnext",
    /// A Swin transformer.
    Swin(SwinConfig => Swin) = "swin",
    /// A Twins transformer: PCPVT or SVT.
    Twins(TwinsConfig => Twins) = "twins",
    /// An XCiT.
    Xcit(XcitConfig => Xcit) = "xcit",
    /// A Visformer.
    Visformer(VisformerConfig => Visformer) = "visformer",
    /// A VGG with batch normalisation, for 32×32 images as all that follow.
    Vgg(VggConfig => Vgg) = "vgg",
    /// A pre-activation ResNet.
    PreActResNet(PreActResNetConfig => PreActResNet) = "preact-resnet",
    /// A GoogLeNet.
    GoogLeNet(GoogLeNetConfig => GoogLeNet) = "googlenet",
    /// A DenseNet.
    DenseNet(DenseNetConfig => DenseNet) = "densenet",
    /// A MobileNet.
    MobileNet(MobileNetConfig => MobileNet) = "mobilenet",
    /// An EfficientNet-B0.
    EfficientNetB0(EfficientNetB0Config => EfficientNetB0) = "efficientnet-b0",
    /// A SimpleDLA.
    SimpleDla(SimpleDlaConfig => SimpleDla) = "simple-dla",
}

impl Architecture {
    /// Number of logits.
    pub fn classes(&self) -> usize {
        *self.clone().config().classes()
    }

    /// The same architecture with a different number of logits.
    #[must_use]
    pub fn with_classes(mut self, classes: usize) -> Self {
        *self.config().classes() = classes;
        self
    }

    /// The same architecture for images of `[height, width]`.
    #[must_use]
    pub fn with_image(mut self, image: [usize; 2]) -> Self {
        self.config().set_image(image);
        self
    }

    /// The parameters of a file under the names of this network, and the network under those of the file where a family
    /// has several layouts.
    #[must_use]
    pub fn fitted_to(mut self, tensors: StateDict) -> (Self, StateDict) {
        let tensors = renamed(self.names(), tensors);
        self.config().name_as_in(&|key| tensors.contains_key(key));
        (self, tensors)
    }
}

impl Network {
    /// Normalised images to logits.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        self.probed(x, &mut Probe::off())
    }
}
