//! `fmr prepare FILE`

use std::io::Write;

use clap::Args;
use fmr::Runner;

use super::shared::{ExperimentArguments, prepare};
use crate::failure::Failure;
use crate::{Terminal, signals};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let terminal = Terminal::default();
    let runner = Runner { events: &terminal, ..Runner::default() };
    let prepared = prepare(arguments.experiment.read()?, &runner.interrupt)?;
    signals::listen(&runner.interrupt);
    let done = runner.prepare_cache(&prepared);
    terminal.clear();
    if !done? {
        return Err(Failure::Stopped);
    }
    if let Some(cache) = &prepared.experiment.run.cache {
        writeln!(out, "{}", std::path::absolute(cache).unwrap_or_else(|_| cache.clone()).display())?;
    }
    Ok(())
}
