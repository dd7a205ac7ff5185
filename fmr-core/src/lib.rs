//! The vocabulary of *Foundation Model-oriented Robustness* (FMR) and the loop at its heart.
//!
//! A [`Generator`] encodes a test image to a latent; `perturb` moves the latent along the gradient of the evaluated
//! [`Target`]'s loss, as a [`Scorer`] defines it, while an [`Oracle`] still sees the true class; `metrics` turns the
//! outcomes into SA, PA, VR and FMR with intervals. Nothing here knows about neural networks: components do.
//!
//! Exchange format everywhere: `f32`, NCHW, RGB or one channel, values in `[0, 1]`; latents are one flat row a sample.
//!
//! The feature `evaluation`, on by default, is everything but the components' vocabulary: Algorithm 1, data, masks,
//! metrics, experiment files, run store and reports. A component or plugin does without, and builds in seconds.

#[cfg(feature = "evaluation")]
pub mod config;
#[cfg(feature = "evaluation")]
pub mod data;
mod error;
mod generator;
pub mod logits;
#[cfg(feature = "evaluation")]
pub mod mask;
#[cfg(feature = "evaluation")]
pub mod metrics;
mod oracle;
#[cfg(feature = "evaluation")]
pub mod perturb;
pub mod preprocess;
#[cfg(feature = "evaluation")]
mod record;
pub mod registry;
#[cfg(feature = "evaluation")]
pub mod report;
pub mod scorer;
#[cfg(feature = "evaluation")]
pub mod store;
mod target;
pub mod threads;
#[cfg(feature = "evaluation")]
pub mod validity;
#[cfg(feature = "evaluation")]
pub mod verdict;

pub use error::{ComponentError, SettingError};
pub use generator::{Generator, GeneratorSpec, LatentBlock, LatentPullBack};
pub use oracle::Oracle;
#[cfg(feature = "evaluation")]
pub use record::{Outcome, SampleRecord, StepRecord};
pub use scorer::Scorer;
pub use target::{ImagePullBack, Target, TargetSpec};
