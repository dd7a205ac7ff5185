#![expect(clippy::unwrap_used, reason = "tests")]

mod answers;
mod browse;
mod damage;
mod doctored;
mod merge;
mod publish;
mod resume;

use std::fs;

use fmr_core::validity::{LogitsFacts, RepeatFacts};
use insta::assert_snapshot;
use ndarray::Array3;
use tempfile::TempDir;

use super::toy::{batch, plan, sample};
use super::*;

const ROW: &str = "mnist/lenet";
const SPENT: Duration = Duration::from_millis(250);

fn begun() -> (TempDir, PathBuf, RunStore) {
    let home = TempDir::new().unwrap();
    let dir = home.path().join("run");
    let store = RunStore::create(&dir, &plan(20)).unwrap();
    (home, dir, store)
}

/// The text of an error, with the folder as RUN.
fn told<T>(result: Result<T, StoreError>, dir: &Path) -> String {
    let Err(error) = result else { panic!("there is no error") };
    error.to_string().replace(&dir.display().to_string(), "RUN")
}

/// All that a resume must reproduce, in an order of its own.
fn dump(dir: &Path) -> Vec<String> {
    let database = Connection::open(dir.join(DATABASE_FILE)).unwrap();
    let mut rows = Vec::new();
    for query in [
        "SELECT * FROM samples ORDER BY row, idx",
        "SELECT * FROM steps ORDER BY row, idx, position",
        "SELECT * FROM latents ORDER BY row, idx",
        "SELECT * FROM images ORDER BY hash",
        "SELECT row, idx, shown.role, judged, image, t.fingerprint, o.fingerprint, logits, probabilities FROM shown
         JOIN judges t ON t.id = target JOIN judges o ON o.id = oracle ORDER BY row, idx, shown.role",
    ] {
        let mut statement = database.prepare(query).unwrap();
        let columns = statement.column_count();
        let mut found = statement.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            rows.push((0..columns).map(|c| format!("{:?}|", row.get_ref(c).unwrap())).collect());
        }
    }
    let store = RunStore::read(dir).unwrap();
    for row in &store.plan().rows {
        // Time passes as it does.
        rows.push(format!("{:?}", RowFacts { seconds: None, ..store.facts(&row.id).unwrap() }));
    }
    rows
}

#[test]
fn records_come_back_bit_by_bit() {
    let (_home, dir, mut store) = begun();
    let mut samples = batch(0..8);
    let awkward = &mut samples[5].record;
    awkward.score0 = f64::from_bits(0x7ff8_0000_0000_0123);
    awkward.final_score = f64::NEG_INFINITY;
    awkward.latent_moved = -0.0;
    awkward.clean_oracle = None;
    awkward.steps[0].oracle_true = Some(f32::from_bits(0x7fc0_0007));
    awkward.steps[1].oracle_true = Some(-0.0);
    awkward.steps[2].oracle_true = Some(0.1);
    awkward.steps[2].score = f64::MIN_POSITIVE / 3.0;
    awkward.steps[3].gradient_norm = f64::INFINITY;
    samples.reverse();
    store.commit(ROW, &samples, SPENT).unwrap();
    samples.reverse();
    drop(store);

    let store = RunStore::read(&dir).unwrap();
    let records = store.records(ROW).unwrap();
    // `Debug` tells −0.0 from 0.0 and prints floats so that they can be read back; NaN's bits are compared beside it.
    let expected: Vec<_> = samples.iter().map(|s| format!("{:?}", s.record)).collect();
    assert_eq!(records.iter().map(|r| format!("{r:?}")).collect::<Vec<_>>(), expected);
    assert_eq!(records[5].score0.to_bits(), 0x7ff8_0000_0000_0123);
    assert_eq!(records[5].steps[0].oracle_true.unwrap().to_bits(), 0x7fc0_0007);
    assert_eq!(store.count(ROW).unwrap(), 8);
    assert!(store.records("cifar/resnet").unwrap().is_empty());
}

#[test]
fn images_come_back() {
    let (_home, dir, mut store) = begun();
    let odd = Perturbed { original: Array3::from_elem((2, 3, 5), 0.123), ..sample(1, 3, 8) };
    store.commit(ROW, &[sample(0, 1, 8), odd.clone()], SPENT).unwrap();
    let rounded = |image: &Array3<f32>| image.mapv(|v| (v * 255.0).round() / 255.0);
    let grey = store.images(ROW, 0).unwrap();
    assert_eq!(grey.original, rounded(&sample(0, 1, 8).original));
    assert_eq!(grey.final_image, sample(0, 1, 8).final_image, "finals are exact");
    let colour = store.images(ROW, 1).unwrap();
    assert_eq!(colour.original, odd.original, "what is no PNG is exact");
    assert_eq!(colour.reconstruction, rounded(&odd.reconstruction));
    assert_snapshot!(told(store.images(ROW, 2), &dir), @r#"sample 2 of row "mnist/lenet" in RUN is not finished, so it has no images"#);
}

#[test]
fn finals_may_be_rounded() {
    let home = TempDir::new().unwrap();
    let dir = home.path().join("run");
    drop(RunStore::create_keeping(&dir, &plan(20), Keep { exact_finals: false, latents: true }).unwrap());
    let mut store = RunStore::resume(&dir, &plan(20)).unwrap();
    store.commit(ROW, &[sample(0, 3, 8)], SPENT).unwrap();
    let wanted = sample(0, 3, 8).final_image.mapv(|v| (v * 255.0).round() / 255.0);
    assert_eq!(store.images(ROW, 0).unwrap().final_image, wanted);
}

#[test]
fn the_plan_and_facts_come_back() {
    let (_home, dir, mut store) = begun();
    store.commit(ROW, &batch(0..4), SPENT).unwrap();
    store.commit(ROW, &batch(4..7), SPENT).unwrap();
    let repeated = RepeatFacts { samples: 2, whole: 1, ..RepeatFacts::default() };
    store.update_facts(ROW, |facts| facts.repeated = Some(repeated)).unwrap();
    let reader = RunStore::read(&dir).unwrap();
    assert_eq!(reader.plan(), &plan(20));
    let facts = reader.facts(ROW).unwrap();
    assert_eq!((facts.seconds, facts.repeated), (Some(0.5), Some(repeated)));
    assert_eq!((facts.logits, facts.cache.known), (LogitsFacts { rows: 7, like_probabilities: 0 }, 3));
    assert_eq!(reader.facts("cifar/resnet").unwrap(), RowFacts::default());
    assert_eq!(fs::read_to_string(dir.join(EXPERIMENT_FILE)).unwrap(), plan(20).experiment);
}

#[test]
fn a_batch_is_added_whole_or_not_at_all() {
    let (_home, dir, mut store) = begun();
    store.commit(ROW, &batch(0..4), SPENT).unwrap();
    let mut overlapping = batch(4..6);
    overlapping.push(sample(2, 1, 8));
    assert_snapshot!(told(store.commit(ROW, &overlapping, SPENT), &dir), @r#"sample 2 of row "mnist/lenet" in RUN cannot be added: it is there already"#);
    assert_snapshot!(told(store.commit(ROW, &batch(18..21), SPENT), &dir), @r#"sample 20 of row "mnist/lenet" in RUN cannot be added: the plan holds 20 samples"#);
    assert_snapshot!(told(store.commit("mnist/vgg", &batch(5..6), SPENT), &dir), @r#"RUN has no row "mnist/vgg": its rows are mnist/lenet, cifar/resnet"#);
    assert_eq!(store.finished(ROW).unwrap(), (0..4).collect());
}

#[test]
fn a_reader_sees_what_is_committed_while_another_writes() {
    let (_home, dir, mut store) = begun();
    let reader = RunStore::read(&dir).unwrap();
    store.commit(ROW, &batch(0..4), SPENT).unwrap();
    assert_eq!(reader.records(ROW).unwrap().len(), 4);
    let transaction = store.database.transaction().unwrap();
    write::insert(&transaction, 0, &batch(4..8)).unwrap();
    assert_eq!(reader.count(ROW).unwrap(), 4);
    transaction.commit().unwrap();
    assert_eq!(reader.count(ROW).unwrap(), 8);
}
