#![doc = include_str!("../README.md")]

mod blocks;
mod cifar;
mod classifier;
mod convnext;
mod efficientnet;
mod family;
mod labels;
mod lenet;
mod listing;
mod names;
mod preprocess;
mod registry;
mod resnet;
mod swin;
mod twins;
mod visformer;
mod vit;
mod xcit;

pub use cifar::{
    DenseNetConfig, EfficientNetB0Config, GoogLeNetConfig, InceptionConfig, MobileNetConfig, PreActResNetConfig,
    SimpleDlaConfig, TreeConfig, VggConfig,
};
pub use classifier::{Classifier, ClassifierSettings, register};
pub use convnext::ConvNeXtConfig;
pub use efficientnet::{EfficientNetConfig, EfficientNetLayout, Padding, StageConfig};
pub use family::{Architecture, Network};
pub use labels::{Label, LabelSet};
pub use lenet::{LeNetConfig, Pooling};
pub use listing::{ListedModel, ModelList, models, models_of};
pub use preprocess::{Preprocess, PreprocessSettings, Resize};
pub use registry::{Entry, entries, entry, file_digest};
pub use resnet::{Block, ResNetConfig, ResNetLayout, Stem};
pub use swin::SwinConfig;
pub use twins::{TwinsConfig, TwinsStage};
pub use visformer::VisformerConfig;
pub use vit::VitConfig;
pub use xcit::{XcitConfig, XcitPatch};
