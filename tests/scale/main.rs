//! Runs beyond one machine: shards that are repeated, published and merged, what shards share, exit codes, jobs for Slurm.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../command/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the command")]
mod support;

mod prepare;
mod shards;
mod slurm;
