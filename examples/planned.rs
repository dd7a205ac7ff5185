//! What `fmr plan` promises beside what a run takes on this machine, row by row:
//! `cargo run --release --example planned -- [EXPERIMENT] [IMAGES]`, by default Table 1 with 32 images of each data set.

use std::path::PathBuf;

use fmr::experiment::{Changes, Experiment};
use fmr::{Error, Runner, prepare, registry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let table1 = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/table1.toml"));
    let file = arguments.next().map_or_else(table1, PathBuf::from);
    let limit = arguments.next().and_then(|images| images.parse().ok()).unwrap_or(32);
    let changes = Changes { limit: Some(limit), ..Changes::default() };
    let prepared = prepare(Experiment::read(&file, &changes)?, &registry())?;
    let runner = Runner::default();
    let mut planned = Vec::new();
    for row in prepared.ready() {
        planned.push((row.plan.id.clone(), runner.plan(&prepared, row)?));
    }
    let run = runner.run(&prepared, None)?;
    for (row, estimate) in planned {
        let updates: usize = run.store.records(&row)?.iter().map(|record| record.steps.len()).sum();
        let seconds = run.store.facts(&row)?.seconds.unwrap_or_default();
        println!(
            "{row}: {updates} updates in {seconds:.1} s; planned were {:.0} in {:.1} s, between {:.1} and {:.1} s",
            estimate.updates * estimate.images as f64,
            estimate.time.as_secs_f64(),
            estimate.bounds.start.as_secs_f64(),
            estimate.bounds.end.as_secs_f64()
        );
    }
    println!("{}", run.dir().display());
    Ok(())
}
