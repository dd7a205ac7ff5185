#![doc = include_str!("../README.md")]

mod attention;
pub mod blocks;
pub mod bridge;
pub mod checkpointing;
pub mod component;
mod depthwise;
pub mod device;
mod files;
pub mod functional;
pub mod generator;
pub mod kernels;
pub mod lane;
pub mod layers;
pub mod opening;
pub mod ops;
mod pointwise;
pub mod probe;
pub mod random;
pub mod resize;
mod standard;
mod standard_filtering;
pub mod transformer;
pub mod weights;
