#![doc = include_str!("../README.md")]

mod difference;
mod error;
mod generator;
mod image_hash;
mod imagenet;
pub mod logits;
pub mod metrics;
mod oracle;
pub mod perturb;
pub mod preprocess;
mod record;
pub mod registry;
pub mod scorer;
mod target;
pub mod threads;
pub mod validity;
pub mod verdict;

pub use difference::Difference;
pub use error::{ComponentError, SettingError};
pub use generator::{Generator, GeneratorSpec, LatentBlock, LatentPullBack};
pub use image_hash::{ImageHash, NoImageHash};
pub use imagenet::imagenet_classes;
pub use oracle::Oracle;
pub use record::{Outcome, SampleRecord, StepRecord};
pub use scorer::Scorer;
pub use target::{ImagePullBack, Target, TargetSpec};
