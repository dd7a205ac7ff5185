//! What `fmr plan` promises, held against real runs on the small world. Work is compared, not time: seconds are those of the
//! machine and its load (`cargo run --release --example planned` prints both).

use std::path::Path;

use fmr::experiment::{Changes, Experiment};
use fmr::{Runner, prepare, registry};

/// Planned updates of each row that can run here, and those that a run makes.
fn planned_and_made(profile: Option<&str>, limit: usize) -> Vec<(String, f64, f64)> {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/table1.toml"));
    let changes = Changes { profile: profile.map(str::to_owned), limit: Some(limit), ..Changes::default() };
    let prepared = prepare(Experiment::read(file, &changes).unwrap(), &registry()).unwrap();
    let runner = Runner::default();
    let folder = tempfile::tempdir().unwrap();
    let planned: Vec<_> =
        prepared.ready().map(|row| (row.plan.id.clone(), runner.plan(&prepared, row).unwrap())).collect();
    let run = runner.run(&prepared, Some(&folder.path().join("run"))).unwrap();
    let rows = planned.into_iter().map(|(id, estimate)| {
        assert_eq!(estimate.images, limit);
        let made: usize = run.store.records(&id).unwrap().iter().map(|record| record.steps.len()).sum();
        (id, estimate.updates * estimate.images as f64, made as f64)
    });
    rows.collect()
}

#[test]
fn planned_work_is_within_a_factor_two_of_a_run() {
    // Searches that mostly exhaust the budget, and searches that the oracle mostly stops.
    for profile in [None, Some("strong")] {
        let rows = planned_and_made(profile, 24);
        assert!(rows.len() >= 2, "{rows:?}");
        for (row, planned, made) in rows {
            assert!(made > 0.0, "{row}");
            let factor = planned / made;
            println!("{row} {profile:?}: {planned:.0} updates planned, {made} made");
            assert!((0.5..=2.0).contains(&factor), "{row} {profile:?}: {planned:.0} updates planned, {made} made");
        }
    }
}
