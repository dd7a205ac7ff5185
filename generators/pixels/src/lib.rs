#![doc = include_str!("../README.md")]

mod corruption;
mod generator;

pub use corruption::CorruptionSettings;
pub use fmr_core::corruption::Corruption;
pub use generator::{Blocks, Pixels, PixelsSettings, register};
