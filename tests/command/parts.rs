//! Parts of a run that are done apart, and the run that they make.

use fmr::Runner;
use fmr::store::{Part, RowFacts, RunStore};
use serde_json::json;

use crate::support::{EXPERIMENT, Lab, records};

/// Facts that do not depend on how long a machine took and what it did twice.
fn facts(store: &RunStore, row: &str) -> RowFacts {
    let mut facts = store.facts(row).unwrap();
    assert!(facts.seconds.take().is_some_and(|seconds| seconds > 0.0));
    let repeated = facts.repeated.take().unwrap();
    assert_eq!(repeated.differing, 0);
    assert!(repeated.samples >= 1 && repeated.whole == repeated.samples);
    if let Some(mask) = &mut facts.mask {
        mask.seconds = None;
    }
    facts
}

#[test]
fn parts_make_the_run_that_was_never_divided() {
    let lab = Lab::new();
    let others = "[data.others]\nkind = \"idx\"\nimages = \"images.gz\"\nlabels = \"labels.gz\"\nskip = 10\nlimit = 12\n\n\
                  [masks.style]\nlearn-from = \"others\"\n\n[search]\n";
    let rows = EXPERIMENT.replace("target = \"lenet\"\n", "target = \"lenet\"\nmask = [\"none\", \"style\"]\n");
    lab.write("lab.toml", &rows.replace("[search]\n", others));
    let prepared = lab.prepare(&[("run.keep-latents", json!(true))]);
    let run = |dir: &str, part: Part| {
        let runner = Runner { part, ..Runner::default() };
        runner.run(&prepared, Some(&lab.path(dir))).unwrap();
        lab.path(dir)
    };
    let whole = run("whole", Part::WHOLE);
    let parts: Vec<_> = (0..3).map(|i| run(&format!("part-{i}"), Part::new(i, 3).unwrap())).collect();
    assert_eq!(records(&parts[1])[0].1.iter().map(|r| r.index).collect::<Vec<_>>(), [1, 4, 7]);
    let report = lab.succeed(&["report", "part-1"]);
    assert!(report.contains("shard 1/3: 6 of 20 images are done"), "{report}");

    let merged = fmr::merge(&parts, &lab.path("merged")).unwrap();
    assert_eq!(records(merged.dir()), records(&whole));
    let whole = RunStore::read(&whole).unwrap();
    for row in &whole.plan().rows {
        assert_eq!(facts(&merged, &row.id), facts(&whole, &row.id));
        for index in 0..row.samples {
            let of = |store: &RunStore| {
                let shown = store.shown(&row.id, index).unwrap();
                (shown, store.images(&row.id, index).unwrap(), store.latent(&row.id, index).unwrap().unwrap())
            };
            assert_eq!(of(&merged), of(&whole), "{} {index}", row.id);
        }
    }
    drop(merged);
    // It reports and resumes as the undivided run does, with the mask that the parts learned.
    let printed = lab.succeed(&["resume", "merged"]);
    assert!(!printed.contains("are done"), "{printed}");
    assert!(lab.path("merged/masks/digits-lenet-style.mask").is_file());
}

#[test]
fn the_command_does_a_part_and_merges_all() {
    let lab = Lab::new();
    lab.succeed(&["run", "lab.toml", "--out", "whole"]);
    for part in ["1/2", "2/2"] {
        let dir = part.replace('/', "-");
        lab.succeed(&["run", "lab.toml", "--part", part, "--out", &dir]);
    }
    let refused = lab.refuse(&["merge", "1-2", "--out", "merged"]);
    assert!(refused.contains("shard 1 of 2 was not given"), "{refused}");
    lab.succeed(&["merge", "1-2", "2-2", "--out", "merged"]);
    assert_eq!(records(&lab.path("merged")), records(&lab.path("whole")));
}

/// A name that leads elsewhere, or is too long for a file system, is refused.
#[test]
fn names_of_runs_stay_in_their_folder() {
    let lab_named = |name: &str| {
        let lab = Lab::new();
        lab.write("lab.toml", &EXPERIMENT.replace("name = \"lab\"", &format!("name = \"{name}\"")));
        lab
    };
    let refused = |name: &str| lab_named(name).refuse(&["run", "lab.toml", "--limit", "2"]);
    assert!(refused("../../x").contains("must not lead to another folder"));
    assert!(refused(&"n".repeat(300)).contains("is too long"));
}
