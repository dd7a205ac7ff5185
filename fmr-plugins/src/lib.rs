//! Plugins of fmr: generators, oracles, targets and scorers that are found and loaded at run time.
//!
//! An author implements a trait of [`fmr_core`] and writes one line, [`export!`]; the `host` feature holds what the
//! program needs to [find](host::Plugins), [check] and [start](scaffold) plugins. `docs/plugins.md` explains the
//! binary interface between the two, [`abi`], which plugins in other languages implement through
//! `include/fmr_plugin.h`.

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
