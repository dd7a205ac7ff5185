//! A sample's trajectory is the same whatever the batch size, the order and the number of threads.

use std::path::Path;

use fmr::core::SampleRecord;
use fmr::experiment::{Changes, Experiment};
use fmr::{Prepared, Runner, prepare, registry};
use proptest::prop_assert_eq;
use proptest::test_runner::{Config as ProptestConfig, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

use crate::support::{Lab, records};

/// The rows of the first row.
fn run(prepared: &Prepared) -> Vec<SampleRecord> {
    run_all(prepared).remove(0).1
}

fn run_all(prepared: &Prepared) -> Vec<(String, Vec<SampleRecord>)> {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    Runner::default().run(prepared, Some(&dir)).unwrap();
    records(&dir)
}

/// The models that Table 1 runs on, with their real weights.
#[test]
fn batches_and_threads_change_no_bit_of_table_1() {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("experiments/table1.toml");
    let run = |batch: usize, lanes: usize| {
        let values = [("run.batch", json!(batch)), ("run.lanes", json!(lanes)), ("search.budget", json!(4))];
        let values = values.map(|(key, value)| (key.to_owned(), value)).to_vec();
        let experiment = Experiment::read(&file, &Changes { values, limit: Some(6), ..Changes::default() }).unwrap();
        run_all(&prepare(experiment, &registry()).unwrap())
    };
    let one = run(1, 1);
    assert_eq!(one.len(), 6, "six rows run from the embedded data and weights");
    assert!(one.iter().all(|(_, rows)| rows.iter().any(|row| !row.steps.is_empty())), "nothing was perturbed");
    for (batch, lanes) in [(4, 1), (6, 1), (2, 2), (5, 3)] {
        assert_eq!(run(batch, lanes), one, "batch {batch}, {lanes} lanes");
    }
}

#[test]
fn batches_and_threads_change_no_bit() {
    let lab = Lab::new();
    let one = run(&lab.prepare(&[("run.batch", json!(1)), ("run.lanes", json!(1))]));
    assert!(one.iter().any(|r| !r.steps.is_empty()), "nothing was perturbed");
    let mut runner = TestRunner::new_with_rng(
        ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() },
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    runner
        .run(&(1_usize..12, 1_usize..5), |(batch, lanes)| {
            let other = run(&lab.prepare(&[("run.batch", json!(batch)), ("run.lanes", json!(lanes))]));
            prop_assert_eq!(&other, &one, "batch {}, {} lanes", batch, lanes);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_larger_subset_changes_no_sample() {
    let lab = Lab::new();
    let few = run(&lab.prepare(&[("data.digits.limit", json!(5))]));
    let many = run(&lab.prepare(&[("data.digits.limit", json!(10))]));
    for record in few {
        let same = many.iter().find(|r| r.key == record.key).unwrap();
        assert_eq!((&record.steps, record.final_score), (&same.steps, same.final_score));
    }
}
