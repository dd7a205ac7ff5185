#![doc = include_str!("../README.md")]

pub use fmr_plugin_abi as abi;

mod prefix;
#[doc(hidden)]
pub mod sdk;

pub use sdk::call;

#[cfg(feature = "host")]
pub mod check;
#[cfg(feature = "host")]
pub mod host;
#[cfg(feature = "host")]
pub mod scaffold;

#[cfg(feature = "host")]
pub use host::{list, register};
