//! The vocabulary of *Foundation Model-oriented Robustness* (FMR) and the loop at its heart.
//!
//! A [`Generator`] encodes a test image to a latent; `perturb` moves the latent along the gradient of the evaluated
//! [`Target`]'s loss, as a [`Scorer`] defines it, while an [`Oracle`] still sees the true class; `metrics` turns the
//! outcomes into SA, PA, VR and FMR with intervals. Nothing here knows about neural networks: components do.
//!
//! Exchange format everywhere: `f32`, NCHW, RGB or one channel, values in `[0, 1]`; latents are one flat row a sample.

mod difference;
mod error;
mod generator;
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
pub use imagenet::imagenet_classes;
pub use oracle::Oracle;
pub use record::{Outcome, SampleRecord, StepRecord};
pub use scorer::Scorer;
pub use target::{ImagePullBack, Target, TargetSpec};
