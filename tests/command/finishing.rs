//! A generator that finishes the latents of its searches, through store and export.

use fmr::core::Outcome;

use crate::support::{Lab, records};

#[test]
fn a_vqgan_that_quantises_at_the_end_has_its_finals_judged_once_more() {
    let lab = Lab::new();
    let run = |quantize: &str, out: &str| {
        let set = format!("generators.vqgan.quantize={quantize}");
        lab.succeed(&["run", "lab.toml", "--set", &set, "--set", "search.budget=3", "--out", out]);
        records(&lab.path(out)).remove(0).1
    };
    let (plain, finished) = (run("none", "plain"), run("at-end", "finished"));
    let mut judged = 0;
    for (a, b) in plain.iter().zip(&finished) {
        // Until the end both searches are one.
        assert_eq!((&a.steps, a.outcome, a.latent_moved, a.finished), (&b.steps, b.outcome, b.latent_moved, None));
        assert_eq!(b.finished.is_none(), b.outcome == Outcome::ReconstructionRejected, "{b:?}");
        judged += usize::from(b.finished.is_some());
        // What the oracle accepts is another image; what it refuses leaves the search's own.
        assert_eq!(a.final_score != b.final_score, b.finished == Some(true), "{a:?} {b:?}");
    }
    assert!(judged > 0);
    lab.succeed(&["export", "finished"]);
    let table = std::fs::read_to_string(lab.path("finished/export/samples.csv")).unwrap();
    assert!(table.lines().next().unwrap().contains(",finished,"), "{table}");
}
