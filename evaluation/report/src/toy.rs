//! A synthetic run and its table for tests.

use std::collections::BTreeMap;

use crate::store_toy::{plan, sample};
use fmr_core::metrics::{Effort, Interval, MetricsSettings, PairedFmr, Ratio, Summary};
use fmr_core::validity::{Facts, flags};
use fmr_experiment::World;
use fmr_mask::{Choose, FitReport, Learning, MaskSettings, Optimality};
use fmr_store::RunStore;
use tempfile::TempDir;

use super::{Against, Column, MaskFigures, MaskPart, Need, PaperMask, RowState, Setting, Table, TableRow, Work};

/// A run of 40 grey and 24 coloured samples.
pub(super) fn run() -> (TempDir, RunStore) {
    let home = TempDir::new().expect("a temporary folder");
    let mut store = RunStore::create(&home.path().join("run"), &plan(40)).expect("a new run");
    store.commit("mnist/lenet", &(0..40).map(|i| sample(i, 1, 28)).collect::<Vec<_>>()).expect("committed");
    store.commit("cifar/resnet", &(0..24).map(|i| sample(i, 3, 32)).collect::<Vec<_>>()).expect("committed");
    (home, store)
}

/// The run's table, with two rows that cannot run here.
pub(super) fn table(store: &RunStore) -> Table {
    let row = |cell: &str, data: &str, model: &str, paper: [f64; 3]| {
        let records = store.records(cell).expect("records");
        let classes = &store.plan().rows[0].classes;
        let summary = Summary::of(&records, classes, &MetricsSettings::default());
        let flags = flags(&records, &summary, &Facts::default());
        TableRow { flags, ..missing(data, model, RowState::Measured(Box::new(summary)), paper) }
    };
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
    let needs = |model: &str| RowState::Missing(vec![images.clone(), weights(model)]);
    Table {
        title: "Table 1: standard models under the dynamic test".to_owned(),
        setting: Setting {
            generator: "VQGAN".to_owned(),
            oracle: "CLIP, \"an image of {class}\"".to_owned(),
            verdict: "argmax".to_owned(),
            budget: "50".to_owned(),
            step_size: "0.001".to_owned(),
            rule: "sign".to_owned(),
            remarks: vec!["The paper's 9-class row equals its Table 13, a run with step size 0.1.".to_owned()],
        },
        rows: vec![
            row("mnist/lenet", "MNIST", "LeNet", [99.09, 27.78, 28.04]),
            row("cifar/resnet", "CIFAR-10", "ResNet18", [95.38, 52.34, 54.88]),
            missing("ImageNet", "ResNet50", needs("ResNet50"), [76.26, 33.15, 43.47]),
            missing("ImageNet", "ViT", needs("ViT"), [82.40, 41.65, 50.55]),
        ],
        digits: 2,
    }
}

fn missing(data: &str, model: &str, state: RowState, paper: [f64; 3]) -> TableRow {
    let paper = BTreeMap::from_iter([Column::Sa, Column::Pa, Column::Fmr].into_iter().zip(paper));
    TableRow {
        data: data.to_owned(),
        model: model.to_owned(),
        world: if data == "ImageNet" { World::Paper } else { World::Small },
        state,
        paper,
        flags: Vec::new(),
        mask: MaskPart::default(),
    }
}

/// The run's table with each row that ran once more under a mask: one chosen by its sparsity, one that keeps nothing.
pub(super) fn masked(store: &RunStore) -> Table {
    let mut table = table(store);
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
    let figures = |settings: MaskSettings, fit: FitReport, at_strength: Option<FitReport>| MaskFigures {
        label: "sparse mask".to_owned(),
        hash: "9cd4".to_owned(),
        kept: fit.kept,
        values: fit.columns,
        learning: Some(Learning { pairs: 199, differing: Some(12.5), fit, at_strength, settings }),
        images: Some(200),
        seconds: Some(31.4),
    };
    let by_sparsity = MaskSettings { choose: Choose::Sparsity, sparsity: 97.99, ..MaskSettings::default() };
    let work = |refused: usize, unchanged: usize, seconds: f64| {
        Some(Work { effort: Effort { updates: 400, refused, unchanged }, seconds: Some(seconds) })
    };
    let ratio = Ratio { value: Some(0.9), ..Ratio::UNDEFINED };
    let fmr = PairedFmr {
        first: ratio,
        second: ratio,
        difference: Some(0.031),
        difference_se: Some(0.01),
        difference_interval: Some(Interval { lo: 0.011, hi: 0.051 }),
        log_ratio: Some(0.05),
        log_ratio_se: Some(0.02),
        ratio_interval: Some(Interval { lo: 1.011, hi: 1.093 }),
        z: Some(2.5),
        p: Some(0.012),
        unpaired_se: Some(0.05),
    };
    let against =
        |fmr, seconds| Some(Against { fmr, seconds: Some(seconds), seconds_without: Some(40.0), paper_without: None });
    let parts = [
        MaskPart {
            figures: Some(figures(by_sparsity, fit(63, 54, 2e-14), Some(fit(37, 58, 1e-3)))),
            work: work(3, 300, 5.0),
            against: against(Some(fmr), 5.0),
            paper: PaperMask { sparsity: Some(97.99), test_score: Some(78.5), seconds: None },
        },
        MaskPart {
            figures: Some(figures(MaskSettings::default(), fit(0, 40, 0.0), None)),
            work: work(0, 400, 2.0),
            against: against(None, 2.0),
            paper: PaperMask::default(),
        },
    ];
    for (at, part) in parts.into_iter().enumerate() {
        let facts = Facts { mask: part.figures.as_ref().map(MaskFigures::facts), ..Facts::default() };
        let without = &mut table.rows[2 * at];
        without.mask.work = work(12, 100, 40.0);
        let mut with = without.clone();
        with.model.push_str(", sparse mask");
        let cell = if at == 0 { "mnist/lenet" } else { "cifar/resnet" };
        if let RowState::Measured(summary) = &with.state {
            with.flags = flags(&store.records(cell).expect("records"), summary, &facts);
        }
        with.mask = part;
        table.rows.insert(2 * at + 1, with);
    }
    table
}
