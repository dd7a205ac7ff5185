//! Real weights on real photographs.

use std::path::{Path, PathBuf};

use fmr_core::preprocess::Picture;
use fmr_data::{DataSettings, Dataset};
use fmr_golden::Case;
use fmr_zoo::{Network, Preprocess, entry};
use sha2::{Digest as _, Sha256};

use crate::published::{argmax, file, normalised};
use crate::support::{Kind, kind};
use crate::{load, tensor, values};

/// Images at a time: what fits two cores' caches.
const BATCH: usize = 8;
/// JPEG decoders differ by a level here and there, and logits then by some hundredths: where the original code's two
/// largest are closer than this, either may win.
const NEAR_TIE: f32 = 0.05;

/// One photograph a class: the tar that `FMR_IMAGENET_SAMPLE` names, else that of `shared/data` beside the repository.
fn photographs() -> Option<(PathBuf, Dataset)> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/imagenet-sample.tar");
    let path = std::env::var_os("FMR_IMAGENET_SAMPLE").map_or_else(beside, PathBuf::from);
    if !path.is_file() {
        let reason = format_args!("there is no {} (FMR_IMAGENET_SAMPLE names a different file)", path.display());
        fmr_golden::skip("golden", reason);
        return None;
    }
    let table = serde_json::json!({"kind": "images", "path": path, "prefix": "imagenet-sample"});
    let settings: DataSettings = serde_json::from_value(table).unwrap();
    Some((path, settings.load().unwrap_or_else(|e| panic!("{e}"))))
}

/// What the original Python code says of the photographs, and which file it saw.
struct Reference {
    sha256: String,
    answers: Vec<usize>,
    /// The largest logit minus the second.
    leads: Vec<f32>,
}

impl Reference {
    fn of(model: &str) -> Option<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/photographs/{model}.tsv"));
        let text = std::fs::read_to_string(path).ok()?;
        let sha256 = text.lines().find_map(|line| line.strip_prefix("# sha256 ")).unwrap().to_owned();
        let rows = text.lines().filter(|line| !line.starts_with('#')).skip(1);
        let cells = rows.map(|row| row.split('\t').collect::<Vec<_>>());
        let (answers, leads) =
            cells.map(|row| (row[1].parse::<usize>().unwrap(), row[2].parse::<f32>().unwrap())).unzip();
        Some(Self { sha256, answers, leads })
    }
}

/// The figure that the case states is of the photographs as they were published. The tar holds them compressed once
/// more, which changes what the original code itself answers: that is what the answers here are compared with.
#[test]
fn golden_top1_of_real_photographs() {
    let Some(folder) = fmr_golden::folder("targets") else { return };
    let Some((path, data)) = photographs() else { return };
    let digest: String = Sha256::digest(std::fs::read(&path).unwrap()).iter().map(|b| format!("{b:02x}")).collect();
    for case in fmr_golden::cases(&folder) {
        let Ok(Kind::Published(name)) = kind(&case) else { continue };
        let entry = entry(&name).unwrap();
        match (file(&case), Reference::of(entry.name)) {
            (Err(reason), _) => println!("{}: not run: {reason}", case.name()),
            (Ok(_), Some(reference)) if reference.sha256 != digest => {
                println!("{}: not run: {} is another file than the original code saw", case.name(), path.display());
            }
            (Ok(_), None) => println!("{}: not run: there are no answers of the original code", case.name()),
            (Ok(weights), Some(reference)) => {
                let network = load(&weights, &entry.architecture).folded();
                compare(&case, &classify(&network, &entry.preprocess, &data), &reference, &data);
            }
        }
    }
}

fn classify(network: &Network, preprocess: &Preprocess, data: &Dataset) -> Vec<usize> {
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
    answers
}

fn compare(case: &Case, answers: &[usize], reference: &Reference, data: &Dataset) {
    assert_eq!(answers.len(), reference.answers.len());
    let share = |right: &dyn Fn(usize) -> bool| {
        100.0 * (0..data.len()).filter(|i| right(*i)).count() as f64 / data.len() as f64
    };
    let upstream = case.sheet().ints("output.top1_of_1000");
    println!(
        "{}: top-1 {:.1}, {:.1} by the original code ({:.1} on the photographs before they were compressed once more)",
        case.name(),
        share(&|i| answers[i] == data.label(i)),
        share(&|i| reference.answers[i] == data.label(i)),
        case.number("hyper.top1_1000_images").unwrap(),
    );
    println!(
        "{}: {:.1} % answered as on the photographs before, {:.1} % by the original code",
        case.name(),
        share(&|i| answers[i] as i64 == upstream[i]),
        share(&|i| reference.answers[i] as i64 == upstream[i]),
    );
    let others: Vec<usize> = (0..answers.len()).filter(|i| answers[*i] != reference.answers[*i]).collect();
    for i in &others {
        println!("{}: {} of the original code, by {}", data.key(*i), reference.answers[*i], reference.leads[*i]);
    }
    let clear: Vec<&str> = others.iter().filter(|i| reference.leads[**i] >= NEAR_TIE).map(|i| data.key(*i)).collect();
    assert!(clear.is_empty(), "other answers than the original code's, and no near ties: {clear:?}");
}
