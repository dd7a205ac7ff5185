#![doc = include_str!("../README.md")]

mod blur;
mod composition;
mod generator;
mod geometry;
mod layout;

pub use generator::{Transforms, register};
pub use layout::TransformsSettings;
