//! Published weights that are too large for the fixtures.

use std::path::PathBuf;

use fmr_core::preprocess::Picture;
use fmr_golden::{Case, Report};
use fmr_nn::bridge::Traced;
use fmr_nn::probe::Probe;
use fmr_zoo::{Network, Preprocess, entry};

use crate::pictures::from_interleaved;
use crate::{cross_entropy, load, tensor, values};

/// Folder of published weights: `FMR_WEIGHTS`, else `weights` in the repository.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os("FMR_WEIGHTS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../weights"), PathBuf::from)
}

/// The file that a case names, looked for by its last part.
pub(crate) fn file(case: &Case) -> Result<PathBuf, String> {
    let named =
        case.value("checkpoint").and_then(|v| v.as_array()).and_then(|files| files.first()?.get("file")?.as_str());
    let words = named.unwrap_or_default().split([' ', '/']);
    let name = words.rev().find(|word| word.ends_with(".pth")).ok_or("it names no weights file")?;
    let path = folder().join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(format!("{} is absent; scripts/fetch-efficientnet-lite0.sh installs it", path.display()))
}

/// A case of photographs as bytes and of sampled results; none where its weights are not there.
pub(crate) fn compare<'c>(case: &'c Case, name: &str) -> Option<Report<'c>> {
    let path = match file(case) {
        Ok(path) => path,
        Err(reason) => {
            fmr_golden::skip("weights", reason);
            return None;
        }
    };
    let io = case.sheet();
    let mut report = io.report();
    let entry = entry(name).unwrap();
    let network = load(&path, &entry.architecture);
    let shape = io.shape("input.images");
    let bytes = io.ints("input.images");
    let picture = |bytes| from_interleaved(bytes, &shape[1..]);
    let pictures: Vec<Picture> = bytes.chunks_exact(shape[1..].iter().product()).map(picture).collect();
    let labels = io.ints("input.labels");
    inside(&mut report, &network, &normalised(&pictures[..1], &entry.preprocess), entry.preprocess.input);

    let network = network.folded();
    let (mut logits, mut losses, mut norms, mut samples) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let sampled = io.get("grad.ce_per_sample.x.sample").map_or(&[0, 0][..], |t| &t.shape);
    for (i, (picture, label)) in pictures.iter().zip(labels).enumerate() {
        let x = normalised(std::slice::from_ref(picture), &entry.preprocess);
        let [c, h, w] = entry.preprocess.input;
        let traced = Traced::new(tensor::<4>(&x, &[1, c, h, w]), |x| network.forward(x));
        let row = values(traced.output());
        let (loss, slopes) = cross_entropy(&row, &[*label]);
        let gradient = values(traced.pull_back(tensor::<2>(&slopes, &[1, row.len()])));
        norms.push(gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt() as f32);
        if i < sampled[0] {
            samples.extend(sample(&gradient, sampled[1]));
        }
        losses.push(loss[0] as f32);
        logits.extend(row);
    }
    answers(case, &logits, labels);
    report.elsewhere("output.top1_of_1000", "golden_top1_of_real_photographs");
    report.floats("output.logits", &logits);
    report.floats("output.ce_per_sample", &losses);
    report.floats("grad.ce_per_sample.x.norm", &norms);
    report.floats("grad.ce_per_sample.x.sample", &samples);
    if let Some(other) = io.get("output.logits_imagenet_norm") {
        let preprocess = Preprocess { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], ..entry.preprocess };
        let [c, h, w] = preprocess.input;
        let x = normalised(&pictures[..other.shape[0]], &preprocess);
        let x = tensor::<4>(&x, &[other.shape[0], c, h, w]);
        report.floats("output.logits_imagenet_norm", &values(network.forward(x)));
    }
    Some(report)
}

/// The images of the case are among those that upstream's answers are listed for, one per class in label order.
fn answers(case: &Case, logits: &[f32], labels: &[i64]) {
    let upstream = case.sheet().ints("output.top1_of_1000");
    for (row, label) in logits.chunks_exact(logits.len() / labels.len()).zip(labels) {
        assert_eq!(argmax(row) as i64, upstream[usize::try_from(*label).unwrap()], "{}: class {label}", case.name());
    }
}

/// Index of the largest value.
pub(crate) fn argmax(row: &[f32]) -> usize {
    (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or_default()
}

/// Sampled activations of the first image.
fn inside(report: &mut Report<'_>, network: &Network, x: &[f32], [c, h, w]: [usize; 3]) {
    let wanted: Vec<String> = report.open().map(str::to_owned).collect();
    let mut seen = Vec::new();
    let mut keep = |name: &str, _: &[usize], values: &[f32]| {
        let name = format!("mid.{name}.sample");
        if wanted.contains(&name) {
            seen.push((name, values.to_vec()));
        }
    };
    network.probed(tensor::<4>(x, &[1, c, h, w]), &mut Probe::to(&mut keep));
    for (name, values) in seen {
        report.floats(&name, &sample(&values, 256));
    }
}

/// `count` values at floor(k · len / count).
pub(crate) fn sample(values: &[f32], count: usize) -> Vec<f32> {
    (0..count).map(|k| values[k * values.len() / count]).collect()
}

pub(crate) fn normalised(pictures: &[Picture], preprocess: &Preprocess) -> Vec<f32> {
    let plane = preprocess.input[1] * preprocess.input[2];
    let normalise = |(i, v): (usize, f32)| {
        let channel = i / plane;
        (v - preprocess.mean[channel]) / preprocess.std[channel]
    };
    pictures.iter().flat_map(|p| p.values().enumerate().map(normalise)).collect()
}
