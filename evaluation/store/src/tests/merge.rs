//! Parts of a run, and the run that they make.

use super::*;

/// The plan of one of three parts.
fn part(index: usize) -> RunPlan {
    RunPlan { part: Part::new(index, 3).unwrap(), ..plan(20) }
}

/// A finished part in a folder.
fn done(home: &TempDir, name: &str, plan: &RunPlan) -> PathBuf {
    let dir = home.path().join(name);
    let keep = Keep { latents: true, ..Keep::default() };
    let mut store = RunStore::create_keeping(&dir, plan, keep).unwrap();
    for row in [ROW, "cifar/resnet"] {
        let samples: Vec<_> = batch(0..20).into_iter().filter(|s| plan.part.holds(s.record.index)).collect();
        for batch in samples.chunks(3) {
            store.commit(row, batch, SPENT).unwrap();
        }
        store
            .update_facts(row, |facts| {
                facts.components = Some(ComponentNames { target: row.to_owned(), ..ComponentNames::default() });
            })
            .unwrap();
    }
    dir
}

#[test]
fn parts_make_the_run_that_was_never_divided() {
    let home = TempDir::new().unwrap();
    let whole = done(&home, "whole", &plan(20));
    let parts = [2, 0, 1].map(|index| done(&home, &format!("part-{index}"), &part(index)));
    let merged = RunStore::merge(&parts, &home.path().join("merged")).unwrap();
    assert_eq!(merged.plan(), RunStore::read(&whole).unwrap().plan());
    assert_eq!(dump(merged.dir()), dump(&whole));
    // Three batches of two parts and two of the third took a quarter of a second each.
    assert_eq!(merged.facts(ROW).unwrap().seconds, Some(0.25 * 8.0));
    let shown = merged.shown(ROW, 0).unwrap().final_image;
    let row = &merged.plan().rows[0];
    assert_eq!(merged.answer(&row.target(), &row.classes, &shown.judged).unwrap(), Some(shown.answer.logits.to_vec()));
    // The merged run is a run like any other.
    drop(merged);
    assert_eq!(RunStore::resume(&home.path().join("merged"), &plan(20)).unwrap().count(ROW).unwrap(), 20);
}

#[test]
fn answers_of_further_judges_come_along() {
    let home = TempDir::new().unwrap();
    let parts = [0, 1, 2].map(|index| done(&home, &format!("part-{index}"), &part(index)));
    let mut store = RunStore::open_to_judge(&parts[1]).unwrap();
    let people = Judge { role: JudgeRole::Person, fingerprint: "us".to_owned(), name: "us".to_owned() };
    let classes = ["yes", "no"].map(str::to_owned);
    let image = store.shown(ROW, 4).unwrap().final_image.image;
    store.put_answers(&people, &classes, &[(image, vec![1.0, 0.0])]).unwrap();
    drop(store);
    let merged = RunStore::merge(&parts, &home.path().join("merged")).unwrap();
    assert_eq!(merged.answer(&people, &classes, &image).unwrap(), Some(vec![1.0, 0.0]));
}

#[test]
fn parts_that_make_no_run_are_refused_by_name() {
    let home = TempDir::new().unwrap();
    let [a, b, c] = [0, 1, 2].map(|index| done(&home, &format!("part-{index}"), &part(index)));
    let mut other = part(2);
    other.rows[1].fingerprint.insert("search".to_owned(), "budget 5".to_owned());
    let other = done(&home, "other", &other);
    let twin = done(&home, "twin", &part(1));
    let half = done(&home, "half", &RunPlan { part: Part::new(1, 2).unwrap(), ..plan(20) });
    drop(
        RunStore::create_keeping(&home.path().join("begun"), &part(2), Keep { latents: true, ..Keep::default() })
            .unwrap(),
    );
    let begun = home.path().join("begun");
    let refuse = |parts: &[&PathBuf]| {
        let parts: Vec<PathBuf> = parts.iter().map(|part| (*part).clone()).collect();
        let dir = home.path().join("merged");
        let text = RunStore::merge(&parts, &dir).unwrap_err().to_string();
        assert!(!dir.exists(), "{text}");
        text.replace(&home.path().display().to_string(), "HOME")
    };
    let messages = [
        refuse(&[&a, &c]),
        refuse(&[&a, &b, &c, &twin]),
        refuse(&[&a, &b, &other]),
        refuse(&[&a, &half]),
        refuse(&[&a, &b, &begun]),
        refuse(&[]),
    ];
    assert_snapshot!(messages.join("\n"), @r#"
    HOME/part-0 cannot be merged: shard 1 of 3 was not given
    HOME/twin cannot be merged: it is shard 1/3, and so is HOME/part-1
    HOME/other cannot be merged: shard 2/3 differs from HOME/part-0: row "cifar/resnet", search is "budget 5" and not "budget 50, step 0.001, sign"
    HOME/half cannot be merged: it is shard 1/2, and HOME/part-0 is shard 0/3
    HOME/begun cannot be merged: 0 of 6 images of row "mnist/lenet" are done: resume it first
    . cannot be merged: no part was given
    "#);
}

#[test]
fn a_part_takes_its_own_samples_alone() {
    let home = TempDir::new().unwrap();
    let dir = home.path().join("run");
    let mut store = RunStore::create(&dir, &part(1)).unwrap();
    store.commit(ROW, &[sample(1, 1, 8), sample(4, 1, 8)], SPENT).unwrap();
    assert_snapshot!(told(store.commit(ROW, &batch(5..6), SPENT), &dir), @r#"sample 5 of row "mnist/lenet" in RUN cannot be added: the plan holds 20 samples, and this is shard 1/3"#);
    drop(store);
    // A part stays what it is.
    let store = RunStore::resume(&dir, &plan(20)).unwrap();
    assert_eq!(store.plan().part, Part::new(1, 3).unwrap());
}
