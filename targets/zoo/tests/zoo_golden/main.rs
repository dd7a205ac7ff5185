//! Parity with the original Python models: logits, losses, input gradients and activations inside.

#![expect(clippy::unwrap_used, reason = "tests")]

mod hyper;
mod photographs;
mod pictures;
mod published;
mod seeded;
mod support;

use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use fmr_core::Target;
use fmr_core::registry::MakeContext;
use fmr_golden::{Case, Report};
use fmr_nn::bridge::Traced;
use fmr_nn::device::{test_device, test_device_name};
use fmr_nn::probe::Probe;
use fmr_nn::weights::{self, Builder, StateDict, WeightsError};
use fmr_zoo::{Architecture, Classifier, ClassifierSettings, Network, PreprocessSettings};
use ndarray::Array4;
use support::Kind;

#[test]
fn golden_targets() {
    if let Some(folder) = fmr_golden::folder("targets") {
        compare_all(&folder);
    }
}

/// The cases that the repository carries.
#[test]
fn golden_excerpt() {
    compare_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/excerpt"));
}

fn compare_all(folder: &Path) {
    fmr_golden::compare_every(folder, |case| match support::kind(case)? {
        Kind::Preprocess => Ok(vec![pictures::compare(case)]),
        Kind::Published(name) => Ok(published::compare(case, &name).into_iter().collect()),
        Kind::Formula(architecture) => Ok(vec![seeded::compare(case, &architecture)]),
        Kind::Network(architecture) => {
            let files = case.value("checkpoint").and_then(|v| v.as_array()).unwrap();
            let files = files.iter().map(|table| table["file"].as_str().unwrap());
            Ok(files.map(|file| compare(case, file, &architecture)).collect())
        }
    });
}

/// One checkpoint of a case.
fn compare<'c>(case: &'c Case, file: &str, architecture: &Architecture) -> Report<'c> {
    let io = case.sheet();
    let mut report = io.report();
    let network = load(&case.path(file), architecture);
    let x = tensor::<4>(io.floats("input.x"), io.shape("input.x"));
    // Mids first: their modules exist before normalisations are folded away.
    let mut offer_mid = |name: &str, _: &[usize], values: &[f32]| report.floats(&format!("mid.{name}"), values);
    network.probed(x.clone().narrow(0, 0, 1), &mut Probe::to(&mut offer_mid));
    let network = network.folded();
    let labels = io.ints("input.labels");
    offer(&mut report, &x, labels, |x| network.forward(x));
    if io.get("probe.logits").is_some() {
        let cotangent = tensor::<2>(io.floats("probe.logits"), io.shape("probe.logits"));
        let gradient = Traced::new(x, |x| network.forward(x)).pull_back(cotangent);
        report.floats("grad.probe.x", &values(gradient));
    }
    println!("{}: {file}", case.name());
    report
}

/// Logits, cross-entropy and its input gradients.
fn offer(report: &mut Report<'_>, x: &Tensor<4>, labels: &[i64], forward: impl Fn(Tensor<4>) -> Tensor<2>) {
    let traced = Traced::new(x.clone(), &forward);
    let logits = traced.output();
    let [n, k] = logits.dims();
    let logits = values(logits);
    report.floats("output.logits", &logits);
    let (losses, slopes) = cross_entropy(&logits, labels);
    report.floats("output.ce_per_sample", &losses.iter().map(|l| *l as f32).collect::<Vec<_>>());
    report.floats("output.ce_mean", &[(losses.iter().sum::<f64>() / n as f64) as f32]);
    let each = values(traced.pull_back(tensor::<2>(&slopes, &[n, k])));
    report.floats("grad.ce_per_sample.x", &each);
    let mean: Vec<f32> = slopes.iter().map(|s| s / n as f32).collect();
    let mean = Traced::new(x.clone(), &forward).pull_back(tensor::<2>(&mean, &[n, k]));
    report.floats("grad.ce_mean.x", &values(mean));
}

/// Cross-entropy of each row and its gradient.
pub(crate) fn cross_entropy(logits: &[f32], labels: &[i64]) -> (Vec<f64>, Vec<f32>) {
    let classes = logits.len() / labels.len();
    let mut losses = Vec::new();
    let mut slopes = Vec::new();
    for (row, label) in logits.chunks_exact(classes).zip(labels) {
        let max = row.iter().copied().fold(f32::MIN, f32::max);
        let sum: f64 = row.iter().map(|v| f64::from(v - max).exp()).sum();
        let log = |v: f32| f64::from(v - max) - sum.ln();
        let label = usize::try_from(*label).unwrap();
        losses.push(-log(row[label]));
        slopes.extend(row.iter().enumerate().map(|(i, v)| (log(*v).exp() - f64::from(u8::from(i == label))) as f32));
    }
    (losses, slopes)
}

/// The network of a file in evaluation mode, normalisations not folded.
pub(crate) fn load(path: &Path, architecture: &Architecture) -> Network {
    let file = weights::read(path).unwrap_or_else(|e| panic!("{e}"));
    build(file.tensors, architecture).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The network with these weights.
pub(crate) fn build(tensors: StateDict, architecture: &Architecture) -> Result<Network, WeightsError> {
    let (architecture, tensors) = architecture.clone().fitted_to(tensors);
    let mut b = Builder::stored(tensors, &test_device());
    let network = Network::new(&mut b, &architecture);
    b.finish(|key| key.ends_with("num_batches_tracked"))?;
    Ok(network)
}

pub(crate) fn tensor<const D: usize>(values: &[f32], shape: &[usize]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape.to_vec()), &test_device())
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().unwrap()
}

/// A file with a normalising layer around the model takes images in [0, 1]: the target normalises as the file says.
#[test]
fn golden_wrapped_files_normalise_themselves() {
    let Some(folder) = fmr_golden::folder("targets") else { return };
    let mut wrapped = 0;
    for case in fmr_golden::cases(&folder) {
        let Ok(Kind::Network(architecture)) = support::kind(&case) else { continue };
        for table in case.value("checkpoint").and_then(|v| v.as_array()).unwrap() {
            let path = case.path(table["file"].as_str().unwrap());
            let file = weights::read(&path).unwrap();
            let buffer = |names: &[&str]| {
                let found = file.beside.iter().find(|(k, _)| names.contains(&k.rsplit('.').next().unwrap()));
                found.map(|(_, values)| values.clone())
            };
            let mean = buffer(&["mean", "mu", "new_mean"]);
            let (Some(mean), Some(std)) = (mean, buffer(&["std", "sigma", "new_std"])) else { continue };
            let io = case.sheet();
            let [n, c, h, w] = io.shape("input.x")[..] else { panic!("input.x has four dimensions") };
            let plain = io.floats("input.x").iter().enumerate().map(|(i, v)| {
                let k = i / (h * w) % c;
                v * std[k] + mean[k]
            });
            let images = Array4::from_shape_vec((n, c, h, w), plain.collect()).unwrap();
            let settings = ClassifierSettings {
                model: "wrapped".to_owned(),
                weights: path.clone(),
                weights_key: None,
                prefix: None,
                ema: None,
                classes: None,
                architecture: Some(architecture.clone()),
                preprocess: PreprocessSettings { input: Some([c, h, w]), ..PreprocessSettings::default() },
                device: None,
            };
            let context = MakeContext::alone([c, h, w]).with_device(test_device_name());
            let target = Classifier::from_settings(&settings, &context).unwrap();
            let logits = target.logits(images.view()).unwrap();
            for (got, want) in logits.iter().zip(io.floats("output.logits")) {
                assert!((got - want).abs() <= 1e-4 * (1.0 + want.abs()), "{}: {got}, {want}", path.display());
            }
            println!("{}: {} normalises itself", case.name(), path.display());
            wrapped += 1;
        }
    }
    println!("{wrapped} wrapped files");
}
