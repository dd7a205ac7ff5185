//! Publishing: whole, once, and nothing that is different.

use super::*;

#[test]
fn a_run_is_published_and_a_twin_of_it_is_recognised() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let run = |name: &str, batches: &[std::ops::Range<usize>]| {
        let mut store = RunStore::create(&path(name), &plan(20)).unwrap();
        for row in [ROW, "cifar/resnet"] {
            batches.iter().for_each(|range| store.commit(row, &batch(range.clone()), SPENT).unwrap());
        }
        store
    };
    let store = run("local", &[0..12, 12..20]);
    assert!(store.is_finished().unwrap());
    let shared = path("shared/run");
    assert_eq!(store.publish(&shared).unwrap(), Published::Now);
    let found = RunStore::read(&shared).unwrap();
    assert_eq!(dump(&shared), dump(&path("local")));
    assert!(!shared.join("run.lock").exists() && !shared.join("run.sqlite-wal").exists());

    // The order of the work does not matter; other results do.
    assert_eq!(run("twin", &[12..20, 0..12]).publish(&shared).unwrap(), Published::Before);
    let other = run("other", &[0..12, 12..19]);
    assert!(!other.is_finished().unwrap());
    let refused = other.publish(&shared).unwrap_err().to_string();
    assert!(refused.contains("different results"), "{refused}");
    // What was published can be gone on with.
    drop(found);
    assert!(RunStore::resume(&shared, &plan(20)).unwrap().is_finished().unwrap());
}
