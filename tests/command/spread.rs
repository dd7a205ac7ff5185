//! Searches that step in spreads of the latent, from the experiment file to the report.

use fmr::Runner;
use fmr::store::{Part, RunStore};

use crate::support::{EXPERIMENT, Lab, records};

#[test]
fn steps_in_spreads_are_the_same_in_parts_and_resumed_runs() {
    let lab = Lab::new();
    let search = "[search]\nstep-unit = \"spread\"\nspread-samples = 6\n";
    lab.write("lab.toml", &EXPERIMENT.replace("[search]\n", search));
    let prepared = lab.prepare(&[]);
    let run = |dir: &str, part: Part| {
        Runner { part, ..Runner::default() }.run(&prepared, Some(&lab.path(dir))).unwrap();
        lab.path(dir)
    };
    let whole = run("whole", Part::WHOLE);
    let parts = [0, 1].map(|i| run(&format!("part-{i}"), Part::new(i, 2).unwrap()));
    let merged = fmr::merge(&parts, &lab.path("merged")).unwrap();
    assert_eq!(records(merged.dir()), records(&whole));
    let whole = RunStore::read(&whole).unwrap();
    let id = &whole.plan().rows[0].id;
    let spread = whole.facts(id).unwrap().spread.unwrap();
    assert_eq!(merged.facts(id).unwrap().spread.as_ref(), Some(&spread));
    assert!(spread.images == 6 && spread.blocks.len() == 1 && spread.blocks[0].deviation > 0.0, "{spread:?}");
    // An update moves every value by the step size times the spread.
    let records = whole.records(id).unwrap();
    let moved = records.iter().filter(|r| r.final_from == Some(1)).map(|r| (r.latent_moved, r.moved_spreads.unwrap()));
    for (latent, spreads) in moved {
        assert!(
            (latent / (0.05 * spread.blocks[0].deviation) - 1.0).abs() < 1e-3 && (spreads / 0.05 - 1.0).abs() < 1e-3
        );
    }
    assert!(records.iter().any(|r| r.latent_moved > 0.0));
    drop(merged);
    let printed = lab.succeed(&["report", "whole"]);
    assert!(printed.contains("0.05 spreads of the latent's blocks"), "{printed}");
    let page = std::fs::read_to_string(lab.path("whole/report.html")).unwrap();
    assert!(page.contains("How far latents moved"));
}

#[test]
fn an_unknown_block_is_named_before_anything_runs() {
    let lab = Lab::new();
    lab.write("lab.toml", &EXPERIMENT.replace("[search]\n", "[search]\nfrozen-blocks = [\"zz\"]\n"));
    let refused = lab.refuse(&["check", "lab.toml"]);
    assert!(refused.contains("\"zz\"") && refused.contains("frozen-blocks") && refused.contains("z"), "{refused}");
    lab.write("lab.toml", &EXPERIMENT.replace("[search]\n", "[search]\nfrozen-blocks = [\"z\"]\n"));
    assert!(lab.refuse(&["check", "lab.toml"]).contains("not all"));
}
