//! What the burn-based components of fmr share: devices, kernels, layers, weights and pull-backs.

pub mod functional;
pub mod kernels;
pub mod ops;
