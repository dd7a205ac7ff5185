//! CLIP as a target: the oracle's own similarities, with a gradient that reaches the image.

#![expect(clippy::unwrap_used, reason = "tests")]

use fmr_nn::device::device;

use fmr_clip::{ClipConfig, ClipOracle, ClipTarget};
use fmr_core::{Oracle, Target};
use ndarray::Array4;

fn model() -> ClipOracle {
    let config = r#"{"embed": 16, "resolution": 28, "activation": "quick-gelu",
        "image": {"tower": "vit", "width": 32, "layers": 1, "heads": 2, "patch": 7},
        "text": {"context": 16, "vocabulary": 1024, "width": 32, "heads": 2, "layers": 1}}"#;
    let config: ClipConfig = serde_json::from_str(config).unwrap();
    ClipOracle::random("tiny", config, 7, device("cpu").unwrap()).unwrap()
}

fn classes() -> Vec<String> {
    ["cat", "dog", "truck"].map(str::to_owned).to_vec()
}

fn prompt() -> Vec<String> {
    vec!["an image of {class}".to_owned()]
}

fn tiny() -> ClipTarget {
    ClipTarget::new(model(), classes().into_iter().map(|name| vec![name]).collect(), &prompt()).unwrap()
}

fn images() -> Array4<f32> {
    Array4::from_shape_fn((2, 3, 20, 24), |(n, c, y, x)| {
        (0.5 + 0.3 * ((n + 1) as f64 * 0.3 * x as f64 + c as f64).sin() * (0.2 * y as f64).cos()) as f32
    })
}

#[test]
fn logits_are_those_of_the_oracle() {
    let target = tiny();
    let mut probabilities = target.logits(images().view()).unwrap();
    for mut row in probabilities.outer_iter_mut() {
        row.mapv_inplace(f32::exp);
        let sum = row.sum();
        row.mapv_inplace(|v| v / sum);
    }
    let mut oracle = model();
    oracle.set_classes(&classes(), &prompt()).unwrap();
    let judged = oracle.judge(images().view()).unwrap();
    assert!(probabilities.iter().zip(&judged).all(|(a, b)| (a - b).abs() < 1e-6));
    let (again, _) = target.logits_with_pullback(images().view()).unwrap();
    assert_eq!(again, target.logits(images().view()).unwrap());
}

#[test]
fn pull_backs_equal_finite_differences() {
    let (target, x) = (tiny(), images());
    let weights = ndarray::array![[1.0_f32, -0.5, 0.25], [0.5, 1.0, -1.0]];
    let (_, pull_back) = target.logits_with_pullback(x.view()).unwrap();
    let gradient = pull_back(weights.view()).unwrap();
    let score = |step: f32| {
        // Along the gradient itself, so that rounding drowns nothing.
        let logits = target.logits((&x + &gradient.mapv(|g| step * g)).view()).unwrap();
        logits.iter().zip(&weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
    };
    let length: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
    let step = (0.02 / length.sqrt()) as f32;
    let slope = (score(step) - score(-step)) / (2.0 * f64::from(step));
    assert!(length > 1e-6 && (slope - length).abs() < 2e-2 * length, "{slope} for {length}");
}
