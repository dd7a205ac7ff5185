//! `fmr leaderboard RUN …`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use fmr::Error;
use fmr::report::{Leaderboard, ModelCard, Results, WIDTH, evidence};

use super::shared::{Opened, terminal_width};
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folders of the runs; the metrics are read as the first one says
    #[arg(required = true, num_args = 1.., value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Model card (TOML), or a folder of cards; repeatable
    #[arg(long = "cards", value_name = "PATH")]
    cards: Vec<PathBuf>,
    /// Title of the page
    #[arg(long, value_name = "TEXT", default_value = "Leaderboard")]
    title: String,
    /// Folder for `leaderboard.html`, `leaderboard.txt`, `leaderboard.md` and `leaderboard.json`
    #[arg(long, value_name = "DIR", default_value = "leaderboard")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let mut cards: Vec<ModelCard> = Vec::new();
    for path in &arguments.cards {
        cards.extend(ModelCard::read_all(path).map_err(|e| Failure::Text(e.to_string()))?);
    }
    let runs = Opened::all(&arguments.runs)?;
    let results =
        runs.iter().map(|run| Results::read(&run.store)).collect::<Result<Vec<_>, _>>().map_err(Error::from)?;
    let Some(first) = runs.first() else { return Ok(()) };
    let mut rows = Vec::new();
    for (run, results) in runs.iter().zip(&results) {
        let experiment = run.experiment_read_as(&first.experiment);
        rows.extend(evidence(&run.name, &experiment, results));
    }
    let board = Leaderboard::of(&arguments.title, &rows, &cards, &first.experiment.metrics);
    if board.tables.is_empty() {
        let reasons = board.left_out.iter().map(|row| format!("\n{} is not ranked: {}", row.row, row.why));
        return Err(Failure::Text(format!(
            "no two rows can be ranked together: they must differ in their target alone{}",
            reasons.collect::<String>()
        )));
    }
    let width = terminal_width().unwrap_or(WIDTH);
    writeln!(out, "{}", board.report().to_tables(width))?;
    board.write(&arguments.out).map_err(Error::from)?;
    writeln!(out, "{}", arguments.out.display())?;
    Ok(())
}
