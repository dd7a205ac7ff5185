//! Images once, and answers about them.

use super::*;

#[test]
fn images_are_stored_once_however_many_samples_have_them() {
    let (_home, dir, mut store) = begun();
    store.commit(ROW, &batch(0..8), SPENT).unwrap();
    let images = |dir: &Path| {
        let database = Connection::open(dir.join(DATABASE_FILE)).unwrap();
        database.query_row("SELECT count(*) FROM images", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    // Eight samples of four classes: an original and a reconstruction a class, a final image a class.
    assert_eq!(images(&dir), 12);
    store.commit("cifar/resnet", &batch(0..8), SPENT).unwrap();
    assert_eq!(images(&dir), 12);
    assert_eq!(store.images(ROW, 1).unwrap(), store.images("cifar/resnet", 5).unwrap());
}

#[test]
fn every_answer_of_the_run_comes_back_exactly() {
    let (_home, dir, mut store) = begun();
    let mut samples = batch(0..3);
    samples[1].answers.final_image.logits[2] = f32::from_bits(0x7fc0_0007);
    samples[1].answers.original.oracle[0] = -0.0;
    samples[2].answers.reconstruction = fmr_core::perturb::Answer::default();
    store.commit(ROW, &samples, SPENT).unwrap();
    let store = RunStore::read(&dir).unwrap();
    for sample in &samples {
        let shown = store.shown(ROW, sample.record.index).unwrap();
        // `Debug` tells −0.0 from 0.0.
        assert_eq!(format!("{:?}", shown.answers()), format!("{:?}", sample.answers));
        assert_eq!(shown.original.judged, ImageHash::of(sample.original.view()));
        assert_ne!(shown.original.image, shown.original.judged, "the toy's images are not of 8 bits");
        assert_eq!(shown.final_image.image, shown.final_image.judged, "finals are exact");
        assert_eq!(store.image(&shown.final_image.image).unwrap(), sample.final_image);
    }
    let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let shown = store.shown(ROW, 1).unwrap();
    let logits = shown.final_image.answer.logits.to_vec();
    assert_eq!(bits(&logits), bits(samples[1].answers.final_image.logits.as_slice().unwrap()));

    // The same look-up serves the run's own judges and further ones.
    let row = &store.plan().rows[0];
    let of = |judge: &Judge, image: &ImageHash| store.answer(judge, &row.classes, image).unwrap();
    let found = of(&row.target(), &shown.final_image.judged).unwrap();
    assert_eq!(bits(&found), bits(&logits));
    assert_eq!(of(&row.oracle(), &shown.original.judged), Some(shown.original.answer.oracle.to_vec()));
    assert_eq!(of(&row.target(), &shown.original.image), None, "nobody saw the rounded one");
    // The weights of the target are not a field of its own name in the toy's plan: both rows name one target.
    let other = Judge { fingerprint: "another".to_owned(), ..row.target() };
    assert_eq!(of(&other, &shown.final_image.judged), None);
    assert_eq!(store.answer(&row.target(), &row.classes[1..], &shown.final_image.judged).unwrap(), None);
    // An image that the target was not asked about has no answer.
    let silent = store.shown(ROW, 2).unwrap().reconstruction.judged;
    assert_eq!(of(&row.target(), &silent), None);
}

#[test]
fn further_judges_answer_beside_the_run() {
    let (_home, dir, mut store) = begun();
    store.commit(ROW, &batch(0..3), SPENT).unwrap();
    drop(store);
    let judge = |role, name: &str| Judge { role, fingerprint: format!("sha256:{name}"), name: name.to_owned() };
    let (people, vit) = (judge(JudgeRole::Person, "three students"), judge(JudgeRole::Target, "ViT"));
    let mut store = RunStore::open_to_judge(&dir).unwrap();
    let classes = store.plan().rows[0].classes.clone();
    let image = store.shown(ROW, 1).unwrap().final_image.image;
    store.put_answers(&people, &classes, &[(image, vec![0.0, 1.0, 0.0, 0.0])]).unwrap();
    store.put_answers(&vit, &classes, &[(image, vec![-0.0, 1.5, f32::MIN_POSITIVE, 0.0])]).unwrap();
    let refused = store.put_answers(&people, &classes, &[(image, vec![1.0])]).unwrap_err().to_string();
    assert!(refused.contains("takes no answer of 1 values") && refused.contains("4 classes"), "{refused}");
    drop(store);

    let reader = RunStore::read(&dir).unwrap();
    let of = |judge: &Judge| reader.answer(judge, &classes, &image).unwrap();
    assert_eq!(of(&people), Some(vec![0.0, 1.0, 0.0, 0.0]));
    assert!(of(&vit).is_some_and(|answer| answer[0].is_sign_negative() && answer[2] == f32::MIN_POSITIVE));
    assert_eq!(of(&judge(JudgeRole::Oracle, "ViT")), None, "an oracle is no target");
    let names: Vec<_> = reader.judges().unwrap().into_iter().map(|judge| (judge.role.name(), judge.name)).collect();
    let name = str::to_owned;
    assert_eq!(
        names,
        [("target", name("")), ("oracle", name("")), ("person", name("three students")), ("target", name("ViT"))]
    );
    // A judge may think again.
    drop(reader);
    let mut store = RunStore::open_to_judge(&dir).unwrap();
    store.put_answers(&people, &classes, &[(image, vec![0.0, 0.0, 1.0, 0.0])]).unwrap();
    assert_eq!(store.answer(&people, &classes, &image).unwrap(), Some(vec![0.0, 0.0, 1.0, 0.0]));
    let told = told(RunStore::read(&dir).unwrap().put_answers(&people, &classes, &[]), &dir);
    assert!(told.contains("opened to read"), "{told}");
}

#[test]
fn latents_are_kept_on_request() {
    let home = TempDir::new().unwrap();
    let keep = Keep { latents: true, ..Keep::default() };
    let mut store = RunStore::create_keeping(&home.path().join("run"), &plan(20), keep).unwrap();
    store.commit(ROW, &batch(0..2), SPENT).unwrap();
    assert_eq!(store.latent(ROW, 1).unwrap(), Some(sample(1, 1, 8).final_latent));
    assert_eq!(store.latent(ROW, 2).unwrap(), None);
    let (_home, _, mut store) = begun();
    store.commit(ROW, &batch(0..2), SPENT).unwrap();
    assert_eq!(store.latent(ROW, 1).unwrap(), None);
}
