//! The engine on toy worlds: determinism, failures, and the keys that the golden traces do not touch.
#![expect(clippy::unwrap_used, reason = "tests")]

mod answers;
mod behaviour;
mod cache;
mod determinism;
mod difference;
mod finishing;
mod movement;
mod repeat;
mod still;
mod toy;
