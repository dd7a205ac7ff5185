//! Which device computes, chosen by name and never by default.

use burn::tensor::Device;
use thiserror::Error;

/// A device name that is not known or not compiled in.
#[derive(Debug, Error)]
#[error("device {name:?} is not available in this build; compiled in: {}{}", compiled().join(", "), hint(name))]
pub struct DeviceError {
    name: String,
}

/// Features of this crate, each with the names of devices that it brings.
const FEATURES: [(&str, bool, &[&str]); 2] = [
    ("tch", cfg!(feature = "tch"), &["libtorch", "libtorch:N"]),
    ("wgpu", cfg!(feature = "wgpu"), &["wgpu", "wgpu:N"]),
];

fn compiled() -> Vec<&'static str> {
    let others = FEATURES.iter().filter(|(_, on, _)| *on).flat_map(|(.., names)| names.iter().copied());
    std::iter::once("cpu").chain(others).collect()
}

/// What to build with, if that would help.
fn hint(name: &str) -> String {
    let kind = name.split(':').next().unwrap_or(name);
    match FEATURES.iter().find(|(_, on, names)| !on && names.contains(&kind)) {
        Some((feature, ..)) => format!(" (build with `--features {feature}` to have it)"),
        None => String::new(),
    }
}

/// The device of that name:
/// - `cpu`: burn's pure-Rust `flex` backend with this project's kernels;
/// - `libtorch` (feature `tch`): LibTorch on the processor, `libtorch:N` on the N-th CUDA card;
/// - `wgpu` (feature `wgpu`): the graphics card that the system prefers, by Vulkan, Metal or DirectX; `wgpu:N` the N-th
///   discrete one.
///
/// # Errors
/// If there is none of that name in this build; the error lists those there are.
pub fn device(name: &str) -> Result<Device, DeviceError> {
    let (kind, index) = match name.split_once(':') {
        Some((kind, index)) => (kind, index.parse::<usize>().ok().map(Some)),
        None => (name, Some(None)),
    };
    match (kind, index) {
        ("cpu" | "flex", Some(None)) => Ok(Device::flex()),
        #[cfg(feature = "tch")]
        #[expect(deprecated, reason = "burn will part with LibTorch; while it has it, it is an option")]
        ("libtorch", Some(index)) => Ok(index.map_or_else(Device::libtorch, Device::libtorch_cuda)),
        #[cfg(feature = "wgpu")]
        ("wgpu", Some(index)) => {
            use burn::tensor::DeviceKind;
            Ok(Device::wgpu(index.map_or(DeviceKind::DefaultDevice, DeviceKind::DiscreteGpu)))
        }
        _ => Err(DeviceError { name: name.to_owned() }),
    }
}

/// Name of the device that parity tests run on: that in `FMR_DEVICE`, or `cpu`.
pub fn test_device_name() -> String {
    std::env::var("FMR_DEVICE").unwrap_or_else(|_| "cpu".to_owned())
}

/// The device that parity tests run on.
///
/// # Panics
/// If there is none of that name in this build.
pub fn test_device() -> Device {
    device(&test_device_name()).unwrap_or_else(|e| panic!("FMR_DEVICE: {e}"))
}

/// Whether tensors of a device lie in the host's memory, where this project's kernels compute on them.
pub(crate) fn is_host(device: &Device) -> bool {
    if cfg!(any(feature = "tch", feature = "wgpu")) {
        // Equality leaves tapes out of account.
        *device == Device::flex()
    } else {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_found_by_name() {
        assert!(device("cpu").is_ok() && device("flex").is_ok());
        for (name, unknown) in [("gpu", "\"gpu\" is not"), ("cpu:1", "\"cpu:1\" is not"), ("libtorch:x", "libtorch:x")]
        {
            let error = device(name).map(|_| ()).map_err(|e| e.to_string());
            assert!(error.is_err_and(|e| e.contains(unknown) && e.contains("compiled in: cpu")));
        }
    }

    #[cfg(not(feature = "tch"))]
    #[test]
    fn what_is_not_compiled_in_is_named_with_its_feature() {
        let error = device("libtorch:0").map(|_| ()).map_err(|e| e.to_string());
        assert!(error.is_err_and(|e| e.contains("`--features tch`")));
    }

    #[test]
    fn a_tape_makes_no_other_device() {
        assert!(is_host(&Device::flex()) && is_host(&Device::flex().autodiff()));
    }
}
