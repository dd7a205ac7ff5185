//! Makes a run of synthetic samples, to see how pages behave on a large one: `large_run DIR SAMPLES`.

use std::path::PathBuf;
use std::time::Duration;

use fmr_store::{Part, RowPlan, RunPlan, RunStore};

#[path = "../../evaluation/store/src/toy.rs"]
#[expect(dead_code, reason = "some of it serves the store alone")]
mod toy;

/// Samples that are added together.
const BATCH: usize = 500;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("large_run DIR SAMPLES")?);
    let samples: usize = arguments.next().ok_or("large_run DIR SAMPLES")?.parse()?;
    let plan = RunPlan { experiment: include_str!("../tests/toy.toml").to_owned(), ..toy::plan(samples) };
    let mut store = RunStore::create(&dir, &plan)?;
    for from in (0..samples).step_by(BATCH) {
        let mut batch: Vec<_> = (from..samples.min(from + BATCH)).map(|index| toy::sample(index, 3, 32)).collect();
        // Images of their own.
        for sample in &mut batch {
            let index = sample.record.index;
            for image in [&mut sample.original, &mut sample.final_image] {
                image[[0, 0, 0]] = (index % 256) as f32 / 255.0;
                image[[0, 0, 1]] = (index / 256 % 256) as f32 / 255.0;
            }
        }
        store.commit("mnist/lenet", &batch, Duration::ZERO)?;
    }
    Ok(())
}
