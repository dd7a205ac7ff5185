//! A synthetic run and its table for tests.

use std::collections::BTreeMap;

use tempfile::TempDir;

use super::{Column, MaskPart, Need, RowState, Setting, Table, TableRow, World};
use crate::metrics::{MetricsSettings, Summary};
use crate::store::RunStore;
use crate::store::toy::{plan, sample};
use crate::validity::{Facts, flags};

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
        let classes = &store.plan().cells[0].classes;
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
