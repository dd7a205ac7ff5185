//! Whole experiments through the command `fmr`: errors as people read them, kill and resume, locks, determinism.

#![expect(clippy::unwrap_used, reason = "tests")]

mod check;
mod determinism;
mod dynamic;
mod ensemble;
mod fetch;
mod finishing;
mod listings;
mod mask;
mod once;
mod parts;
mod plan;
mod plugins;
mod python;
mod resume;
mod rows;
mod spread;
mod store;
mod support;
mod table1;
mod transfer;
mod validity;
