//! A sample's trajectory is the same whatever the batch size, the order and the number of threads.

use fmr::core::SampleRecord;
use fmr::{Prepared, Runner};
use serde_json::json;

use crate::support::{Lab, records};

fn run(prepared: &Prepared) -> Vec<SampleRecord> {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    Runner { quiet: true, ..Runner::default() }.run(prepared, Some(&dir)).unwrap();
    records(&dir).remove(0).1
}

#[test]
fn batches_and_threads_change_no_bit() {
    let lab = Lab::new();
    let one = run(&lab.prepare(&[("run.batch", json!(1)), ("run.lanes", json!(1))]));
    assert!(one.iter().any(|r| !r.steps.is_empty()), "nothing was perturbed");
    for (batch, lanes) in [(1, 2), (3, 1), (10, 1), (4, 3)] {
        let other = run(&lab.prepare(&[("run.batch", json!(batch)), ("run.lanes", json!(lanes))]));
        assert_eq!(other, one, "batch {batch}, {lanes} lanes");
    }
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
