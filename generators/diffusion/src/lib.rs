#![doc = include_str!("../README.md")]

mod chain;
mod checkpoint;
mod classifier;
mod config;
mod generator;
mod model;
mod pictures;
mod process;
mod published;
mod respacing;
mod schedule;
mod shapes;
mod steps;
mod trunk;
mod unet;

pub use chain::{Transition, invert};
pub use checkpoint::{CONFIG_ENTRY, ConfigFrom, Opened, open, open_classifier};
pub use classifier::{Classifier, ClassifierConfig};
pub use config::{AttentionOrder, ConfigError, Heads, Resampling, UnetConfig};
pub use fmr_nn::opening::OpenError;
pub use generator::{Composition, Diffusion, DiffusionSettings, Encode, Fit, Gradient, Mode, Sampler, register};
pub use model::{ChannelOrder, Flags, ModelConfig};
pub use pictures::{centre_crop, to_bytes};
pub use process::{FixedVariance, Process, ProcessError, Training};
pub use published::{Published, PublishedClassifier, published, published_classifiers};
pub use respacing::{Respacing, RespacingError};
pub use schedule::{NoiseSchedule, ScheduleError, Tables};
pub use steps::Prediction;
pub use unet::Unet;
