//! What is made of runs for others: static benchmarks.
#![expect(clippy::unwrap_used, reason = "tests")]

mod benchmark;
#[path = "../command/support.rs"]
#[expect(dead_code, reason = "some of it serves other tests")]
mod support;
