//! A leaderboard of the small world (appendix N of the paper): `cargo run --release --example leaderboard`, with
//! `-- --quick` for a few images.

use std::path::Path;

use fmr::experiment::{Changes, Experiment};
use fmr::report::{Leaderboard, ModelCard, Results, evidence};
use fmr::{Runner, prepare, registry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let experiments = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments"));
    let changes = Changes { profile: quick.then(|| "quick".to_owned()), ..Changes::default() };
    let prepared = prepare(Experiment::read(&experiments.join("leaderboard.toml"), &changes)?, &registry())?;
    let run = Runner::default().run(&prepared, None)?;
    let results = Results::read(&run.store)?;
    let rows = evidence(&prepared.experiment.name, &prepared.experiment, &results);
    let cards = ModelCard::read_all(&experiments.join("cards"))?;
    let board = Leaderboard::of("Leaderboard of the small world", &rows, &cards, &prepared.experiment.metrics);
    println!("{}", board.report().to_tables(150));
    board.write(run.dir())?;
    println!("{}", run.dir().join("leaderboard.html").display());
    Ok(())
}
