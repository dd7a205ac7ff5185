//! Models of full size, whose weights and images a formula gives.

use fmr_golden::{Case, Report};
use fmr_nn::bridge::Traced;
use fmr_nn::probe::Probe;
use fmr_nn::weights::{StateDict, Stored};
use fmr_zoo::{Architecture, entry};

use crate::published::sample;
use crate::{build, cross_entropy, tensor, values};

/// Values of an activation that a case keeps.
const KEPT: usize = 64;
/// Values of the gradient of each image.
const GRADIENT: usize = 256;

/// Logits, losses, gradients and activations inside.
pub(crate) fn compare<'c>(case: &'c Case, architecture: &Architecture) -> Report<'c> {
    let Some(formula) = case.formula() else { panic!("{} has no formula", case.name()) };
    let stored = |(name, (shape, values))| (name, Stored { shape, values });
    let weights: StateDict = formula.weights().into_iter().map(stored).collect();
    registered(case, architecture, &weights);
    let io = case.sheet();
    let mut report = io.report();
    let network = build(weights, architecture).unwrap_or_else(|e| panic!("{}: {e}", case.name()));
    let (_, images) = formula.images();
    let (shape, x) = formula.input();
    for (name, values) in [
        ("input.image.first", images[..KEPT].to_vec()),
        ("input.x.first", x[..KEPT].to_vec()),
        ("input.x.sample", sample(&x, KEPT)),
    ] {
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&values), bits(io.floats(name)), "{}: {name}", case.name());
    }
    let x = tensor::<4>(&x, &shape);
    let mut offer = |name: &str, _: &[usize], values: &[f32]| {
        report.floats(&format!("mid.{name}.first"), &values[..KEPT.min(values.len())]);
        report.floats(&format!("mid.{name}.sample"), &sample(values, KEPT));
        report.floats(&format!("mid.{name}.stats"), &moments(values));
    };
    network.probed(x.clone().narrow(0, 0, 1), &mut Probe::to(&mut offer));

    let network = network.folded();
    let labels = io.ints("input.labels");
    let traced = Traced::new(x, |x| network.forward(x));
    let logits = values(traced.output());
    let (losses, slopes) = cross_entropy(&logits, labels);
    let gradient = values(traced.pull_back(tensor::<2>(&slopes, io.shape("output.logits"))));
    let images = || gradient.chunks_exact(gradient.len() / labels.len());
    report.floats("output.logits", &logits);
    report.floats("output.ce_per_sample", &losses.iter().map(|l| *l as f32).collect::<Vec<_>>());
    report.floats("output.ce_mean", &[(losses.iter().sum::<f64>() / losses.len() as f64) as f32]);
    let norm = |g: &[f32]| g.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt() as f32;
    report.floats("grad.ce_per_sample.x.norm", &images().map(norm).collect::<Vec<_>>());
    let first: Vec<f32> = images().flat_map(|g| g[..GRADIENT].to_vec()).collect();
    report.floats("grad.ce_per_sample.x.first", &first);
    let sampled: Vec<f32> = images().flat_map(|g| sample(g, GRADIENT)).collect();
    report.floats("grad.ce_per_sample.x.sample", &sampled);
    report
}

/// A registered model is the one that the case describes, and is given what the case says.
fn registered(case: &Case, architecture: &Architecture, weights: &StateDict) {
    let name = case.text("model.name").unwrap_or_default();
    let Some(entry) = entry(name) else {
        println!("{}: no model {name:?} is registered", case.name());
        return;
    };
    // A file tells under which names its parameters stand.
    let (named, _) = architecture.clone().fitted_to(weights.clone());
    let (registered, _) = entry.architecture.clone().fitted_to(weights.clone());
    assert_eq!(registered, named, "{name}");
    let constants = |key: &str| case.numbers(key).into_iter().map(|v| v as f32).collect::<Vec<_>>();
    let wanted = entry.preprocess.wanted();
    assert_eq!(wanted.mean, constants("formula.mean"), "{name}");
    assert_eq!(wanted.std, constants("formula.std"), "{name}");
}

/// Mean and standard deviation of all values.
fn moments(values: &[f32]) -> [f32; 2] {
    let n = values.len() as f64;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let variance = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
    [mean as f32, variance.sqrt() as f32]
}
