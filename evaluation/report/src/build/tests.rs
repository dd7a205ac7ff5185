//! The rows of an experiment file, held against what a run found.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use fmr_core::registry::NamedFile;
use fmr_experiment::{Changes, ComponentTable, Experiment, Lack, Row};
use insta::assert_snapshot;

use crate::toy::store;
use crate::{Components, Report, Results, RowState};

const EXPERIMENT: &str = r#"
name = "toy"
title = "A toy"

[report]
world = "other"
remarks = ["Nothing here is real."]

[data.mnist]
label = "MNIST"
kind = "idx"
images = "absent/images.gz"
labels = "absent/labels.gz"
obtain = { what = "digits", get = "yann.lecun.com" }

[data.cifar]
label = "CIFAR-10"
kind = "images"
path = "absent/cifar"
templates = ["a photo of a {class}"]

[targets.lenet]
label = "LeNet"
kind = "zoo"
weights = "absent/lenet.safetensors"

[targets.resnet]
label = "ResNet18"
kind = "zoo"
weights = "absent/resnet.safetensors"

[generators.vqgan]
label = "VQGAN"
kind = "vqgan"
weights = "absent/vqgan.safetensors"

[oracles.clip]
label = "CLIP"
kind = "clip"
weights = "absent/clip.safetensors"

[oracles.judge]
label = "judge"
kind = "classifier"
weights = "absent/judge.safetensors"

[masks.style]
label = "sparse mask"
learn-from = "mnist"

[[rows]]
id = "mnist/lenet"
data = "mnist"
target = "lenet"
oracle = "clip"

[[rows]]
id = "masked"
data = "mnist"
target = "lenet"
oracle = "clip"
mask = "style"

[[rows]]
id = "cifar/resnet"
data = "cifar"
target = "resnet"
oracle = "clip"

[[rows]]
id = "judged"
data = "cifar"
target = "resnet"
oracle = "judge"
"#;

fn experiment() -> Experiment {
    let text = EXPERIMENT.to_owned();
    Experiment::parse(Path::new("toy.toml"), text, Path::new("/nowhere"), &Changes::default()).unwrap()
}

/// Components whose key `weights` names a file. No judge is implemented.
struct Toys(Experiment);

impl Components for Toys {
    fn prompt(&self, kind: &str) -> Option<String> {
        (kind == "clip").then(|| "an image of {class}".to_owned())
    }

    fn lacks(&self, row: &Row) -> Option<Lack> {
        if row.oracle == "judge" {
            return Some(Lack::NotImplemented("there is no oracle of that kind".to_owned()));
        }
        let named = |table: &ComponentTable| {
            let path = table.settings.0.get("weights")?.as_str()?;
            Some(NamedFile { key: "weights".into(), path: self.0.base.join(path), published: None })
        };
        Some(Lack::Files(self.0.missing(row, &|_, table| named(table).into_iter().collect())))
    }
}

#[test]
fn the_rows_of_an_experiment_meet_the_results_of_a_run() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let report = Report::of(&experiment(), &results, &Toys(experiment()));
    let main = &report.grids[0];
    assert_eq!(main.rows.iter().map(|row| row.state.has_figures()).collect::<Vec<_>>(), [true, false, true, false]);
    let RowState::Missing { needs } = &main.rows[1].state else { panic!("{:?}", main.rows[1].state) };
    assert_eq!((needs[0].what.as_str(), needs[0].get.as_str()), ("digits", "yann.lecun.com"));
    assert!(needs.iter().any(|need| need.get == "the experiment file does not say where"), "{needs:?}");
    let RowState::CannotRun { reason } = &main.rows[3].state else { panic!("{:?}", main.rows[3].state) };
    assert_eq!(reason, "Not implemented: there is no oracle of that kind.");
    assert!(main.rows[0].flags.iter().any(|flag| flag.sentence.contains("samples failed")));
    assert_snapshot!(serde_json::to_string_pretty(&main.caption).unwrap());
    let ids: Vec<&str> = report.grids.iter().map(|grid| grid.id.as_str()).collect();
    let all = [
        "figures",
        "endings",
        "reconstructions",
        "cost",
        "consistency",
        "classes",
        "failures",
        "versions",
        "fingerprints",
    ];
    assert_eq!(ids, all);
}

#[test]
fn a_target_that_cannot_be_shown_the_images_stands_with_what_it_lacks() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let also =
        "also = [{ target = \"resnet\", paper = { figures = { sa = \"85.70\" } } }]\n\n[[rows]]\nid = \"masked\"";
    let text = EXPERIMENT.replacen("[[rows]]\nid = \"masked\"", also, 1);
    let experiment =
        Experiment::parse(Path::new("toy.toml"), text, Path::new("/nowhere"), &Changes::default()).unwrap();
    let report = Report::of(&experiment, &results, &Toys(experiment.clone()));
    let shown = report.grid("transfer").unwrap();
    let [own, other] = &shown.rows[..] else { panic!("{:?}", shown.rows) };
    assert_eq!((own.path[1].as_str(), own.n), ("LeNet", Some(40)));
    assert!(own.state.has_figures() && own.cells["sa"].number().is_some());
    assert!(other.state.needs().iter().any(|need| need.put.ends_with("absent/resnet.safetensors")), "{other:?}");
    assert_eq!(other.cells["sa"].paper.as_deref(), Some("85.70"));
    assert_eq!(other.cells["sa"].number(), None);
}

#[test]
fn a_component_s_failure_is_counted_and_said() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let mut rows = results.rows().to_vec();
    let failed = rows[0].records.iter_mut().filter(|record| record.outcome.is_failure());
    failed.take(2).for_each(|record| record.outcome = fmr_core::Outcome::ComponentFailed);
    let run = crate::toy::masked_run(&rows[..]);
    let report = run.report();
    let cell = report.grid("endings").unwrap().cell(0, "failed").unwrap();
    assert_eq!(cell.number(), Some(7.0));
    assert_eq!(cell.remark.as_deref(), Some("A component failed on 2 of these 7 images."));
    assert!(report.to_string().contains("(a) A component failed on 2 of these 7 images."));
}

#[test]
fn many_classes_have_their_confusions_listed() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let mut rows = results.rows().to_vec();
    for row in &mut rows {
        row.plan.classes.extend((4..20).map(|class| format!("class {class}")));
    }
    let report = crate::toy::masked_run(&rows).report();
    let grid = report.grid("confusions").unwrap();
    let counts: Vec<f64> = grid.rows.iter().filter_map(|row| row.cells["images"].number()).collect();
    assert!(counts.len() <= 24 && counts[0] >= counts[1], "{counts:?}");
    assert!(grid.rows.iter().all(|row| row.path[1] != row.path[2]), "{:?}", grid.rows[0]);
}
