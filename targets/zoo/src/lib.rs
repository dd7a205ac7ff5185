//! The classifiers that the paper evaluates, as [`fmr_core::Target`]s: a registry of architectures, each with its
//! hyper-parameters, pre-processing and upstream key layout, and one [`Network`] type over them.

mod classifier;
mod lenet;
mod network;
mod registry;
mod resnet;

pub use classifier::{Classifier, ClassifierSettings, register};
pub use network::Network;
pub use registry::{Architecture, Entry, entries, entry};
pub use resnet::{Block, ResNetConfig, Stem};
