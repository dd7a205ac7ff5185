//! The classifiers that the paper evaluates, as [`fmr_core::Target`]s: a registry of architectures, each with its
//! hyper-parameters, pre-processing and upstream key layout, and one [`Network`] type over them.

mod classifier;
mod efficientnet;
mod labels;
mod lenet;
mod listing;
mod network;
mod preprocess;
mod registry;
mod resnet;

pub use classifier::{Classifier, ClassifierSettings, register};
pub use efficientnet::{EfficientNetConfig, EfficientNetLayout, Padding, StageConfig};
pub use labels::{Label, LabelSet};
pub use lenet::LeNetConfig;
pub use listing::{ListedModel, ModelList, models};
pub use network::Network;
pub use preprocess::{Preprocess, PreprocessSettings, Resize};
pub use registry::{Architecture, Entry, entries, entry};
pub use resnet::{Block, ResNetConfig, ResNetLayout, Stem};
