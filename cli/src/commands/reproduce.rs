//! `fmr reproduce RUN …`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use fmr::Error;
use fmr::report::{Reproduction, Results, WIDTH, evidence};

use super::shared::{Opened, terminal_width};
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folders of the runs; each conclusion finds its rows among them
    #[arg(required = true, num_args = 1.., value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Write the page, as Markdown, into this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let runs = Opened::all(&arguments.runs)?;
    let results =
        runs.iter().map(|run| Results::read(&run.store)).collect::<Result<Vec<_>, _>>().map_err(Error::from)?;
    let Some(first) = runs.first() else { return Ok(()) };
    let mut rows = Vec::new();
    for (run, results) in runs.iter().zip(&results) {
        rows.extend(evidence(&run.name, &run.experiment_read_as(&first.experiment), results));
    }
    let found = Reproduction::of(&rows, &first.experiment.metrics);
    let width = terminal_width().unwrap_or(WIDTH);
    writeln!(out, "{}", found.summary().to_text(width).trim_end())?;
    if let Some(path) = &arguments.out {
        let page = found.to_markdown("fmr reproduce RUN …");
        std::fs::write(path, page).map_err(|e| Failure::Text(format!("{}: {e}", path.display())))?;
        writeln!(out, "\n{}", path.display())?;
    }
    Ok(())
}
