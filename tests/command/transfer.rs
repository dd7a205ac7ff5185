//! Images made for one target, shown to others.

use fmr::Runner;
use fmr::store::RunStore;

use crate::support::{EXPERIMENT, Lab, records};

/// The laboratory with a second target: the same LeNet under a different input, so that its answers differ.
fn lab(evaluate: &str) -> Lab {
    let lab = Lab::new();
    let other = "[targets.dim]\nkind = \"zoo\"\nlabel = \"dim LeNet\"\nmodel = \"lenet\"\nweights = \"lenet.safetensors\"\n\
                 preprocess = { mean = [0.5, 0.5, 0.5], std = [0.9, 0.9, 0.9] }\n\n[generators.vqgan]\n";
    lab.write("lab.toml", &format!("{}\n{evaluate}", EXPERIMENT.replace("[generators.vqgan]\n", other)));
    lab
}

#[test]
fn other_targets_see_the_images_of_a_run() {
    let lab = lab("[evaluate]\nalso = [\"dim\"]\n");
    let prepared = lab.prepare(&[]);
    let run = Runner::default().run(&prepared, Some(&lab.path("run"))).unwrap();
    let row = prepared.ready().next().unwrap();
    let [viewer] = &row.also[..] else { panic!("{}", row.also.len()) };
    // Each answer is that of the target asked by itself.
    let shown = run.store.shown(&row.plan.id, 0).unwrap();
    let images = run.store.images(&row.plan.id, 0).unwrap();
    let asked = viewer.target.logits(images.final_image.view().insert_axis(ndarray::Axis(0))).unwrap();
    let answer = run.store.answer(&viewer.judge, &row.plan.classes, &shown.final_image.judged).unwrap().unwrap();
    assert_eq!(answer, asked.row(0).to_vec());
    assert_ne!(answer, shown.final_image.answer.logits.to_vec());
    drop(run);
    let printed = lab.succeed(&["report", "run"]);
    assert!(
        printed.contains("Images made for one target, shown to others") && printed.contains("dim LeNet"),
        "{printed}"
    );
    // Nothing is left to be done.
    let before = records(&lab.path("run"));
    lab.succeed(&["resume", "run"]);
    assert_eq!(records(&lab.path("run")), before);
}

#[test]
fn a_finished_run_is_shown_to_a_target_by_a_command() {
    let (with, without) = (lab("[evaluate]\nalso = [\"dim\"]\n"), lab(""));
    with.succeed(&["run", "lab.toml", "--out", "run"]);
    without.succeed(&["run", "lab.toml", "--out", "run"]);
    let table = |lab: &Lab, arguments: &[&str]| {
        let printed = lab.succeed(arguments);
        let at = printed.find("Images made for one target").unwrap_or_else(|| panic!("{printed}"));
        printed[at..].lines().take(8).map(str::to_owned).collect::<Vec<_>>()
    };
    let by_command = table(&without, &["transfer", "run", "--target", "dim"]);
    assert_eq!(by_command, table(&with, &["report", "run"]));
    let refused = without.refuse(&["transfer", "run", "--target", "dym"]);
    assert!(refused.contains("dym") && refused.contains("dim"), "{refused}");
    assert!(RunStore::read(&without.path("run")).is_ok());
}

#[test]
fn a_target_that_is_not_here_keeps_no_other_from_the_images() {
    let absent = "[targets.absent]\nkind = \"zoo\"\nlabel = \"absent LeNet\"\nmodel = \"lenet\"\nweights = \"absent.safetensors\"\n\
                  obtain = { what = \"a LeNet\", get = \"fmr train lenet.toml\" }\n\n[evaluate]\nalso = [\"absent\", \"dim\"]\n";
    let lab = lab(absent);
    let printed = lab.succeed(&["run", "lab.toml", "--out", "run"]);
    let shown = &printed[printed.find("Images made for one target").unwrap_or_else(|| panic!("{printed}"))..];
    assert!(shown.contains("dim LeNet") && shown.contains("absent LeNet"), "{shown}");
    assert!(shown.contains("a LeNet") && shown.contains("fmr train lenet.toml"), "{shown}");
}
