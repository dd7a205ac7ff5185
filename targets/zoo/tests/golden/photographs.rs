//! Real weights on real photographs.

use std::path::PathBuf;

use fmr_core::data::{DataSettings, Dataset};
use fmr_core::preprocess::Picture;
use fmr_golden::Case;
use fmr_zoo::{Network, Preprocess, entry};

use crate::published::{argmax, file, normalised};
use crate::support::{Kind, kind};
use crate::{load, tensor, values};

/// Images at a time: what fits two cores' caches.
const BATCH: usize = 8;

/// One photograph a class: the tar that `FMR_IMAGENET_SAMPLE` names, else that of `shared/data` beside the repository.
fn photographs() -> Option<Dataset> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/imagenet-sample.tar");
    let path = std::env::var_os("FMR_IMAGENET_SAMPLE").map_or_else(beside, PathBuf::from);
    if !path.is_file() {
        println!("skipped: there is no {} (name another file with FMR_IMAGENET_SAMPLE)", path.display());
        return None;
    }
    let table = serde_json::json!({"kind": "images", "path": path, "prefix": "imagenet-sample"});
    let settings: DataSettings = serde_json::from_value(table).unwrap();
    Some(settings.load().unwrap_or_else(|e| panic!("{e}")))
}

#[test]
fn golden_top1_of_real_photographs() {
    let Some(folder) = fmr_golden::folder("targets") else { return };
    let Some(data) = photographs() else { return };
    for case in fmr_golden::cases(&folder) {
        let Ok(Kind::Published(name)) = kind(&case) else { continue };
        match file(&case) {
            Err(reason) => println!("{}: not run: {reason}", case.name()),
            Ok(path) => {
                let entry = entry(&name).unwrap();
                let network = load(&path, &entry.architecture).folded();
                classify(&case, &network, &entry.preprocess, &data);
            }
        }
    }
}

fn classify(case: &Case, network: &Network, preprocess: &Preprocess, data: &Dataset) {
    let [c, h, w] = preprocess.input;
    let mut answers = Vec::new();
    for first in (0..data.len()).step_by(BATCH) {
        let picture = |i| Picture { shape: data.shape(i), bytes: data.bytes(i).unwrap().into_owned() };
        let batch = (first..data.len().min(first + BATCH)).map(|i| preprocess.picture(&picture(i)));
        let batch: Vec<Picture> = batch.collect();
        let x = tensor::<4>(&normalised(&batch, preprocess), &[batch.len(), c, h, w]);
        let logits = values(network.forward(x));
        answers.extend(logits.chunks_exact(logits.len() / batch.len()).map(argmax));
    }
    let right = answers.iter().enumerate().filter(|(i, a)| **a == data.label(*i)).count();
    let upstream = case.sheet().ints("output.top1_of_1000");
    let same = answers.iter().zip(upstream).filter(|(a, b)| **a as i64 == **b).count();
    let (right, same) = (100.0 * right as f64 / data.len() as f64, 100.0 * same as f64 / data.len() as f64);
    let stated = case.number("hyper.top1_1000_images").unwrap();
    println!("{}: top-1 {right:.1} ({stated:.1} stated), {same:.1} % answered as upstream", case.name());
    // The sample here was compressed once more than the files that upstream classified.
    assert!((right - stated).abs() <= 1.5, "top-1 is {right:.1} instead of {stated:.1}");
    assert!(same >= 95.0, "only {same:.1} % of the answers are upstream's");
}
