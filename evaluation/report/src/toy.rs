//! A synthetic run and its report for tests.

use std::time::Duration;

use fmr_core::metrics::MetricsSettings;
use fmr_experiment::{PaperFigures, World};
use fmr_mask::{Choose, FitReport, Learning, MaskSettings, Optimality};
use fmr_store::{RowFacts, RunStore};
use tempfile::TempDir;

use crate::build::{Entry, Measured, Run, worlds};
use crate::store_toy::{plan, sample};
use crate::{Caption, MaskFigures, Need, Report, Results, RowResults, RowState};

/// A run of 40 grey and 24 coloured samples, of which 40 and 24 are done.
pub(crate) fn store() -> (TempDir, RunStore) {
    let home = TempDir::new().expect("a temporary folder");
    let mut toy = plan(40);
    toy.rows[1].samples = 24;
    let mut store = RunStore::create(&home.path().join("run"), &toy).expect("a new run");
    store
        .commit("mnist/lenet", &(0..40).map(|i| sample(i, 1, 28)).collect::<Vec<_>>(), Duration::ZERO)
        .expect("committed");
    store
        .commit("cifar/resnet", &(0..24).map(|i| sample(i, 3, 32)).collect::<Vec<_>>(), Duration::ZERO)
        .expect("committed");
    (home, store)
}

/// The run, with two rows that cannot run here.
pub(crate) fn run<'r>(results: &'r Results<'_>) -> Run<'r> {
    let images = Need {
        what: "ImageNet validation images".to_owned(),
        get: "the archive ILSVRC2012_img_val.tar from image-net.org, after registering there; unpack it into one folder a class".to_owned(),
        put: "data/imagenet/val/CLASS/*.JPEG".to_owned(),
    };
    let weights = |model: &str| Need {
        what: format!("{model} weights"),
        get: format!("the published {model} checkpoint, as docs/weights.md lists it"),
        put: format!("weights/{}.safetensors", model.to_lowercase()),
    };
    let missing = |model: &str| RowState::Missing { needs: vec![images.clone(), weights(model)] };
    let entries = vec![
        measured(&results.rows()[0], "MNIST", "LeNet", ["99.09", "27.78", "28.04"]),
        measured(&results.rows()[1], "CIFAR-10", "ResNet18", ["95.38", "52.34", "54.88"]),
        entry("ImageNet", "ResNet50", missing("ResNet50"), ["76.26", "33.15", "43.47"]),
        entry("ImageNet", "ViT", missing("ViT"), ["82.40", "41.65", "50.55"]),
    ];
    run_of(entries)
}

/// A run of these rows.
pub(crate) fn run_of(entries: Vec<Entry<'_>>) -> Run<'_> {
    let facts = [
        ("generator", "VQGAN"),
        ("oracle", "CLIP, \"an image of {class}\""),
        ("verdict", "argmax"),
        ("budget", "50"),
        ("step size", "0.001"),
        ("rule", "sign"),
    ];
    let caption = Caption {
        facts: facts.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        remarks: vec!["The paper's 9-class row equals its Table 13, a run with step size 0.1.".to_owned()],
        ..worlds(&entries)
    };
    Run {
        title: "Table 1: standard models under the dynamic test".to_owned(),
        caption,
        digits: 2,
        metrics: MetricsSettings::default(),
        class_by_class: false,
        entries,
    }
}

/// The report of the run, with what the run was.
pub(crate) fn report(results: &Results<'_>) -> Report {
    let mut report = run(results).report();
    report.grids.extend(crate::build::record(results));
    report
}

fn measured<'r>(results: &'r RowResults, data: &str, model: &str, paper: [&str; 3]) -> Entry<'r> {
    let found = Measured::of(results, &MetricsSettings::default(), None);
    Entry { id: results.plan.id.clone(), measured: Some(found), ..entry(data, model, RowState::Measured, paper) }
}

fn entry<'r>(data: &str, model: &str, state: RowState, paper: [&str; 3]) -> Entry<'r> {
    let [sa, pa, fmr] = paper.map(|text| Some(text.to_owned()));
    Entry {
        id: format!("{data}/{model}").to_lowercase(),
        data: data.to_owned(),
        model: model.to_owned(),
        world: if data == "ImageNet" { World::Paper } else { World::Small },
        state,
        measured: None,
        paper: PaperFigures { sa, pa, fmr, ..PaperFigures::default() },
        target: model.to_owned(),
        oracle: "CLIP".to_owned(),
        verdicts: Vec::new(),
        aimed: &[],
        onlookers: Vec::new(),
        without: None,
    }
}

/// Results of the run's rows as if each had run once more under a mask: one chosen by its sparsity, one that keeps nothing.
pub(crate) fn masked_results(results: &Results<'_>) -> Vec<RowResults> {
    let fit = |kept: usize, test_right: usize, gap: f64| FitReport {
        penalty: 6.57,
        penalty_max: 29.2,
        columns: 3136,
        kept,
        train_rows: 318,
        train_right: 260,
        test_rows: 80,
        test_right,
        objective: 202.6,
        passes: 2,
        converged: gap < 1e-6,
        optimality: Optimality { gap, excluded: 0.99, included: 1e-13 },
    };
    let mask = |settings: MaskSettings, fit: FitReport, at_strength: Option<FitReport>| MaskFigures {
        label: "sparse mask".to_owned(),
        hash: "9cd4".to_owned(),
        kept: fit.kept,
        values: fit.columns,
        learning: Some(Learning { pairs: 199, differing: Some(12.5), fit, at_strength, settings }),
        images: Some(200),
        seconds: Some(31.4),
    };
    let by_sparsity = MaskSettings { choose: Choose::Sparsity, sparsity: 97.99, ..MaskSettings::default() };
    let masks = [
        (mask(by_sparsity, fit(63, 54, 2e-14), Some(fit(37, 58, 1e-3))), 5.0),
        (mask(MaskSettings::default(), fit(0, 40, 0.0), None), 2.0),
    ];
    let mut rows = Vec::new();
    for (row, (mask, seconds)) in results.rows().iter().zip(masks) {
        rows.push(RowResults { facts: RowFacts { seconds: Some(40.0), ..row.facts.clone() }, ..row.clone() });
        let facts = RowFacts { mask: Some(mask), seconds: Some(seconds), ..row.facts.clone() };
        let mut with = RowResults { facts, ..row.clone() };
        // The mask spares some images.
        let spared = with.records.iter_mut().filter(|r| r.index % 5 == 4 && r.final_prediction != Some(r.label));
        spared.for_each(|record| record.final_prediction = Some(record.label));
        rows.push(with);
    }
    rows
}

/// A run of these rows, with the paper's figures of the first mask.
pub(crate) fn masked_run(rows: &[RowResults]) -> Run<'_> {
    let names = [("MNIST", "LeNet"), ("CIFAR-10", "ResNet18")];
    let mut entries = Vec::new();
    for (pair, (data, model)) in rows.chunks(2).zip(names) {
        let without = entries.len();
        entries.push(measured(&pair[0], data, model, ["99.09", "27.78", "28.04"]));
        let with = measured(&pair[1], data, &format!("{model}, sparse mask"), ["99.09", "27.78", "28.04"]);
        entries.push(Entry { without: Some(without), ..with });
    }
    entries[1].paper.sparsity = Some("97.99".to_owned());
    entries[1].paper.test_score = Some("78.50".to_owned());
    entries[0].paper.seconds = Some("521.5".to_owned());
    entries[1].paper.seconds = Some("455.4".to_owned());
    run_of(entries)
}
