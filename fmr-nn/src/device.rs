//! Which device computes, chosen by name and never by default.

use burn::tensor::Device;
use thiserror::Error;

/// A device name that is not known or not compiled in.
#[derive(Debug, Error)]
#[error("device {name:?} is not available in this build; compiled in: {compiled}")]
pub struct DeviceError {
    name: String,
    compiled: &'static str,
}

/// The device of that name: `cpu` is burn's pure-Rust `flex` backend.
pub fn device(name: &str) -> Result<Device, DeviceError> {
    match name {
        "cpu" | "flex" => Ok(Device::flex()),
        _ => Err(DeviceError { name: name.to_owned(), compiled: "cpu" }),
    }
}
