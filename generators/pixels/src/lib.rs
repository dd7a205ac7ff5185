#![doc = include_str!("../README.md")]

mod corruption;
mod generator;
mod noise;
mod severity;

pub use corruption::CorruptionSettings;
pub use generator::{Blocks, Pixels, PixelsSettings, register};
pub use severity::Corruption;
