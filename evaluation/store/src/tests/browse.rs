//! Looking at a run sample by sample.

use super::*;

#[test]
fn outlines_are_records_without_steps() {
    let (_home, dir, mut store) = begun();
    store.commit("mnist/lenet", &batch(0..12), Duration::ZERO).unwrap();
    let store = RunStore::read(&dir).unwrap();
    let records = store.records("mnist/lenet").unwrap();
    let outlines = store.outlines("mnist/lenet").unwrap();
    assert_eq!((store.done("mnist/lenet").unwrap(), store.done("cifar/resnet").unwrap()), (12, 0));
    for (record, outline) in records.iter().zip(&outlines) {
        assert_eq!(outline.record, SampleRecord { steps: Vec::new(), ..record.clone() });
        let answer = &store.shown("mnist/lenet", record.index).unwrap().final_image.answer;
        assert_eq!(outline.oracle_true, Some(answer.oracle[record.label]));
        assert_eq!(store.record("mnist/lenet", record.index).unwrap().as_ref(), Some(record));
    }
    assert_eq!(outlines.len(), 12);
    assert_eq!(store.record("mnist/lenet", 12).unwrap(), None);
}

#[test]
fn one_image_at_a_time() {
    let (_home, dir, mut store) = begun();
    store.commit("mnist/lenet", &batch(0..2), Duration::ZERO).unwrap();
    let store = RunStore::read(&dir).unwrap();
    let pngs = store.pngs("mnist/lenet", 1).unwrap();
    let shown = store.shown("mnist/lenet", 1).unwrap();
    let hashes = [shown.original.image, shown.reconstruction.image, shown.final_image.image];
    for ((role, png), hash) in ImageRole::ALL.into_iter().zip(pngs).zip(hashes) {
        assert_eq!(store.png_of("mnist/lenet", 1, role).unwrap(), Some(png));
        assert_eq!(store.hash_of("mnist/lenet", 1, role).unwrap(), Some(hash));
    }
    assert_eq!(store.png_of("mnist/lenet", 7, ImageRole::Final).unwrap(), None);
    assert!(store.png_of("mnist/vit", 0, ImageRole::Final).is_err());
}
