#![doc = include_str!("../README.md")]

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
pub use listing::{ListedModel, ModelList, models, models_of};
pub use network::Network;
pub use preprocess::{Preprocess, PreprocessSettings, Resize};
pub use registry::{Architecture, Entry, entries, entry, file_digest};
pub use resnet::{Block, ResNetConfig, ResNetLayout, Stem};
