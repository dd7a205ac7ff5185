#![doc = include_str!("../README.md")]

pub mod corruption;
mod difference;
mod error;
mod generator;
mod image_hash;
mod imagenet;
pub mod logits;
pub mod metrics;
mod near;
pub mod noise;
mod oracle;
pub mod perturb;
pub mod preprocess;
mod progress;
mod record;
pub mod registry;
pub mod scorer;
pub mod setting;
pub mod shown;
mod target;
pub mod threads;
pub mod validity;
pub mod verdict;

pub use difference::Difference;
pub use error::{ComponentError, Subject};
pub use generator::{Generator, GeneratorSpec, LatentBlock, LatentPullBack};
pub use image_hash::{ImageHash, NoImageHash};
pub use imagenet::imagenet_classes;
pub use near::near;
pub use oracle::Oracle;
pub use progress::{Progress, Task, Working};
pub use record::{Outcome, SampleRecord, StepRecord};
pub use scorer::Scorer;
pub use setting::{SettingError, SettingProblem};
pub use target::{ImagePullBack, Target, TargetSpec};

/// Revision of what turns an image into a result. Rows are bound to it: a run that was begun under one revision is not
/// resumed under another. Every change that alters a result by a bit raises it.
pub const ENGINE_REVISION: u32 = 2;
