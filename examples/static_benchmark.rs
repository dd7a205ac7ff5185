//! A static benchmark of the small world (appendix O of the paper), exported and scored: `cargo run --release --example
//! static_benchmark`, with `-- --quick` for a few images.

use std::path::Path;

use fmr::benchmark::{self, Benchmark, Options, Purpose};
use fmr::experiment::{Changes, Experiment, LabelMatch};
use fmr::report::WIDTH;
use fmr::{Error, Runner, prepare, registry};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Error> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/leaderboard.toml"));
    // Of the rows of the leaderboard, one: the images are made for the wider network.
    let row = json!({ "data": "cifar10", "target": "resnet18-cifar", "generator": "small", "oracle": "small", "search": { "step-size": 0.01 } });
    let values = vec![("name".to_owned(), json!("static-benchmark")), ("rows".to_owned(), json!([row]))];
    let changes = Changes { profile: quick.then(|| "quick".to_owned()), values, ..Changes::default() };
    let prepared = prepare(Experiment::read(file, &changes)?, &registry())?;
    let runner = Runner::default();
    let run = runner.run(&prepared, None)?;
    let options =
        Options { purpose: Purpose::Evaluation, licence: Some("research use, as CIFAR-10's images".to_owned()) };
    for row in prepared.ready() {
        let place = run.dir().join(fmr::report::BENCHMARK).join(row.plan.file_name());
        let exported = benchmark::export(&prepared, row, &run.store, &place, &options, &runner.interrupt)?;
        let recheck = exported.card.recheck;
        println!(
            "{} images of {}; rounding to 8 bits changed the oracle's verdict on {} and the target's class on {}.\n",
            exported.card.images, exported.card.run_images, recheck.refused, recheck.prediction_changed
        );
        let found = Benchmark::open(&exported.dir)?;
        found.verify()?;
        let name =
            |name: &str| benchmark::named(&prepared.experiment, name, &found, LabelMatch::Name, &runner.interrupt);
        let grid = benchmark::score(&found, &[name("resnet18-cifar")?, name("resnet18-w16")?], &runner.interrupt)?;
        println!("{}\n{}", grid.title, grid.to_text(WIDTH));
        println!("{}", exported.dir.display());
    }
    Ok(())
}
