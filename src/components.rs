//! The components that are linked in.

use fmr_core::registry::Registry;

/// A registry of all built-in generators, oracles and targets.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    fmr_zoo::register(&mut registry);
    fmr_clip::register(&mut registry);
    fmr_vqgan::register(&mut registry);
    registry
}
