//! What committing a batch costs in an empty store and in one of many samples:
//! `cargo run --release -p fmr-store --example commit_cost -- 100000`

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fmr_core::perturb::{Answer, Answers, CacheUse, Perturbed};
use fmr_core::{Outcome, SampleRecord, StepRecord};
use fmr_store::{Part, RowPlan, RunPlan, RunStore};
use ndarray::{Array1, Array3};

const BATCH: usize = 4;
const CLASSES: usize = 10;
const ROW: &str = "data/target";

/// A sample of 10 updates with three images of 8 × 8, all its own.
fn sample(index: usize) -> Perturbed {
    let step = |t: usize| StepRecord {
        t,
        score: 0.1 * t as f64,
        gradient_norm: 1.0 / t as f64,
        oracle_true: Some(0.9),
        oracle_class: Some(0),
        prediction: Some(1),
        accepted: true,
    };
    let image = |role: usize| {
        // A few digits of a large number, so that images differ and shrink as pictures do.
        Array3::from_shape_fn((3, 8, 8), |(c, y, x)| {
            let noise = (index * 3 + role).wrapping_mul(2_654_435_761).rotate_right((x + y) as u32 % 32) & 7;
            (y * 4 + x + c * 16 + noise) as f32 / 256.0
        })
    };
    let answer = Answer { logits: Array1::from_elem(CLASSES, index as f32), oracle: Array1::from_elem(CLASSES, 0.1) };
    Perturbed {
        record: SampleRecord {
            index,
            key: format!("test/{index:06}"),
            label: 0,
            clean_prediction: Some(0),
            clean_oracle: Some(0),
            reconstruction_prediction: Some(0),
            reconstruction_oracle: Some(0),
            reconstruction_accepted: true,
            score0: 0.1,
            final_score: 5.0,
            final_prediction: Some(1),
            final_oracle: Some(0),
            outcome: Outcome::BudgetReached,
            ended_at: 10,
            accepted_updates: 10,
            final_from: Some(10),
            finished: None,
            latent_moved: 0.05,
            moved_spreads: None,
            error: None,
            steps: (1..=10).map(step).collect(),
        },
        original: image(0),
        picture: None,
        reconstruction: image(1),
        final_image: image(2),
        answers: Answers { original: answer.clone(), reconstruction: answer.clone(), final_image: answer },
        cached: CacheUse::Unknown,
        first_latent: Array1::zeros(8),
        final_latent: Array1::zeros(16),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let samples: usize = std::env::args().nth(1).map_or(Ok(10_000), |text| text.parse())?;
    let row = RowPlan {
        id: ROW.to_owned(),
        title: ROW.to_owned(),
        samples: samples + 400,
        classes: (0..CLASSES).map(|class| class.to_string()).collect(),
        fingerprint: BTreeMap::new(),
    };
    let plan = RunPlan {
        name: "cost".to_owned(),
        experiment: String::new(),
        rows: vec![row],
        versions: BTreeMap::new(),
        part: Part::WHOLE,
    };
    let folder = tempfile::tempdir()?;
    let mut store = RunStore::create(&folder.path().join("run"), &plan)?;
    let mut next = 0;
    let mut measure = |until: usize| -> Result<Vec<Duration>, Box<dyn std::error::Error>> {
        let mut times = Vec::new();
        while next < until {
            let batch: Vec<_> = (next..next + BATCH).map(sample).collect();
            let begin = Instant::now();
            store.commit(ROW, &batch, Duration::from_millis(1))?;
            times.push(begin.elapsed());
            next += BATCH;
        }
        Ok(times)
    };
    for (finished, until) in [(0, 400), (samples, samples + 400)] {
        measure(finished)?;
        let mut times = measure(until)?;
        times.sort();
        let ms = |at: usize| times[at].as_secs_f64() * 1e3;
        println!(
            "{finished} samples finished: a batch of {BATCH} takes {:.2} ms (median of {}; lower quartile {:.2}, upper {:.2})",
            ms(times.len() / 2),
            times.len(),
            ms(times.len() / 4),
            ms(times.len() * 3 / 4)
        );
    }
    Ok(())
}
