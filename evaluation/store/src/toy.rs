//! Synthetic plans and samples for tests.

use std::collections::BTreeMap;

use fmr_core::perturb::{Answer, Answers, CacheUse, Perturbed};
use fmr_core::{Outcome, SampleRecord, StepRecord};
use ndarray::{Array1, Array3};

use super::{Part, RowPlan, RunPlan};

/// A plan of two rows.
pub(crate) fn plan(samples: usize) -> RunPlan {
    let row = |id: &str, title: &str, weights: &str| RowPlan {
        id: id.to_owned(),
        title: title.to_owned(),
        samples,
        classes: ["zero", "one", "two", "three"].map(str::to_owned).to_vec(),
        fingerprint: BTreeMap::from([
            ("data".to_owned(), "9f86d081884c7d65".to_owned()),
            ("search".to_owned(), "budget 50, step 0.001, sign".to_owned()),
            ("weights:assets/lenet.safetensors".to_owned(), weights.to_owned()),
        ]),
    };
    RunPlan {
        name: "toy".to_owned(),
        experiment: "[run]\nname = \"toy\"\n".to_owned(),
        rows: vec![
            row("mnist/lenet", "MNIST · LeNet", "60303ae22b99"),
            row("cifar/resnet", "CIFAR-10 · ResNet", "fd61a03af4f7"),
        ],
        versions: BTreeMap::from([("fmr".to_owned(), "0.1.0".to_owned())]),
        part: Part::WHOLE,
    }
}

/// A sample whose values follow from its index alone; every seventh is right to the end, every way to end occurs.
pub(crate) fn sample(index: usize, channels: usize, side: usize) -> Perturbed {
    let label = index % 4;
    let outcome = match index % 6 {
        0 => Outcome::ReconstructionRejected,
        1 | 2 => Outcome::StoppedByOracle,
        3 => Outcome::Failed,
        _ => Outcome::BudgetReached,
    };
    let attempts = match outcome {
        Outcome::ReconstructionRejected => 0,
        Outcome::StoppedByOracle => 1 + index % 4,
        _ => 5,
    };
    let wrong = (label + 1 + index % 3) % 4;
    let fooled = !index.is_multiple_of(7) && attempts > 2;
    let steps: Vec<StepRecord> = (1..=attempts)
        .map(|t| {
            let last = t == attempts;
            let failed = last && outcome == Outcome::Failed;
            let refused = last && outcome == Outcome::StoppedByOracle;
            StepRecord {
                t,
                score: 0.1 + 0.31 * t as f64 + 0.01 * index as f64,
                gradient_norm: 1.0 / 3.0 / t as f64,
                oracle_true: (!failed).then_some(0.9 - 0.07 * t as f32),
                oracle_class: (!failed).then_some(if refused { wrong } else { label }),
                prediction: (!failed).then_some(if fooled && t > 2 { wrong } else { label }),
                accepted: !failed && !refused,
            }
        })
        .collect();
    let accepted = steps.iter().filter(|step| step.accepted).count();
    let produced = outcome != Outcome::ReconstructionRejected;
    let record = SampleRecord {
        index,
        key: format!("test/{index:05}"),
        label,
        clean_prediction: Some(if index % 11 == 5 { wrong } else { label }),
        clean_oracle: Some(label),
        reconstruction_prediction: Some(label),
        reconstruction_oracle: Some(if produced { label } else { wrong }),
        reconstruction_accepted: produced,
        score0: 0.1 + 0.01 * index as f64,
        final_score: 0.1 + 0.31 * accepted as f64,
        final_prediction: Some(if fooled { wrong } else { label }),
        final_oracle: Some(label),
        outcome,
        ended_at: attempts,
        accepted_updates: accepted,
        final_from: produced.then_some(accepted),
        finished: (index % 4 == 2).then_some(index % 8 == 2),
        latent_moved: 0.001 * accepted as f64,
        moved_spreads: None,
        error: (outcome == Outcome::Failed).then(|| "the gradient is not finite".to_owned()),
        steps,
    };
    let picture = |shift: f32| {
        Array3::from_shape_fn((channels, side, side), |(c, y, x)| {
            let (u, v) = (x as f32 / side as f32 - 0.5, y as f32 / side as f32 - 0.5);
            let angle = v.atan2(u) * (1.0 + label as f32) + 0.6 * c as f32;
            ((angle.sin() * 0.5 + 0.5) * (1.2 - 2.0 * (u * u + v * v).sqrt()) + shift).clamp(0.0, 1.0)
        })
    };
    let answer = |class: Option<usize>, shift: f32| Answer {
        logits: Array1::from_shape_fn(4, |k| if Some(k) == class { 2.0 + shift } else { -0.1 * k as f32 - shift }),
        oracle: Array1::from_shape_fn(4, |k| if k == label { 0.7 - shift } else { 0.1 + shift / 3.0 }),
    };
    let answers = Answers {
        original: answer(record.clean_prediction, 0.0),
        reconstruction: answer(record.reconstruction_prediction, 0.01),
        final_image: answer(record.final_prediction, 0.001 * index as f32),
    };
    Perturbed {
        record,
        original: picture(0.0),
        reconstruction: picture(0.01),
        final_image: picture(0.013 + 1.0 / 3.0 * 0.01),
        answers,
        cached: if index.is_multiple_of(3) { CacheUse::Known } else { CacheUse::Unknown },
        picture: None,
        first_latent: Array1::zeros(8),
        final_latent: Array1::from_shape_fn(8, |j| 0.1 * (index * 8 + j) as f32),
    }
}

/// Samples `range` of one row, 8 × 8 and grey.
pub(crate) fn batch(range: std::ops::Range<usize>) -> Vec<Perturbed> {
    range.map(|index| sample(index, 1, 8)).collect()
}
