//! Targets and oracles that are Python objects: a `torch.nn.Module`, or a callable on numpy arrays `[n, c, h, w]`.
//!
//! Both ways from Python to fmr use this crate: the plugin, where fmr starts an interpreter, and the package, where an
//! interpreter loads fmr. Batches cross as bytes: one copy in, two copies out, next to a forward of a network.

mod model;
mod oracle;
mod target;

pub use model::{Caller, Model, bridge};
pub use oracle::PythonOracle;
pub use target::PythonTarget;
