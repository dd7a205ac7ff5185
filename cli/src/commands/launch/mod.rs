//! `fmr launch ENGINE FILE`

mod slurm;

use std::io::Write;

use clap::{Args, Subcommand};

use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    engine: Engine,
}

#[derive(Subcommand)]
enum Engine {
    /// Write the jobs that do an experiment in shards on a Slurm cluster, and submit them
    Slurm(slurm::Arguments),
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    match &arguments.engine {
        Engine::Slurm(arguments) => slurm::run(arguments, out),
    }
}
