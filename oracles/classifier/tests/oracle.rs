//! The oracle as an experiment file makes it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use fmr_classifier_oracle::register;
use fmr_core::Oracle;
use fmr_core::registry::{MakeContext, MakeError, Registry, Settings};
use ndarray::{Array4, Axis, s};

const JUDGE: &str = r#""judge": {"model": "cifar-resnet18-w16", "weights": "resnet18-w16.safetensors"}"#;

fn make(rest: &str) -> Result<Box<dyn Oracle>, MakeError> {
    let mut registry = Registry::default();
    register(&mut registry);
    fmr_zoo::register(&mut registry);
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/weights");
    let context = MakeContext::new(&registry, [3, 32, 32]).with_base(base);
    registry.make("classifier", &Settings(serde_json::from_str(&format!("{{{JUDGE}{rest}}}")).unwrap()), &context)
}

fn images() -> Array4<f32> {
    Array4::from_shape_fn((3, 3, 32, 32), |(n, c, y, x)| {
        (0.5 + 0.4 * ((n + 1) as f64 * 0.3 * x as f64 + c as f64).sin() * (0.2 * y as f64).cos()) as f32
    })
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

#[test]
fn judges_with_one_row_an_image() {
    let mut oracle = make(r#", "flip": true, "corners": true, "groups": {"vehicle": "0-1, 8-9"}"#).unwrap();
    assert_eq!(oracle.name(), "classifier cifar-resnet18-w16, 10 views");
    oracle.set_classes(&names(&["Dog", "vehicle", "cat"]), &[]).unwrap();
    let all = oracle.judge(images().view()).unwrap();
    assert_eq!(all.dim(), (3, 3));
    for i in 0..3 {
        assert!((all.row(i).sum() - 1.0).abs() < 1e-6);
        let one = oracle.judge(images().slice(s![i..=i, .., .., ..])).unwrap();
        assert_eq!(one.row(0), all.row(i));
    }
    let mirrored = images().slice(s![.., .., .., ..;-1]).to_owned();
    let mirrored = oracle.judge(mirrored.view()).unwrap();
    assert!((&mirrored - &all).iter().all(|d| d.abs() < 1e-5), "an ensemble with flips does not see a flip");
    assert!(all.axis_iter(Axis(0)).any(|row| row != all.row(0)));
}

#[test]
fn errors_say_what_would_be_right() {
    let mut oracle = make("").unwrap();
    assert!(oracle.judge(images().view()).unwrap_err().to_string().contains("not been told the classes"));
    let error = oracle.set_classes(&names(&["cat", "trucks"]), &[]).unwrap_err().to_string();
    assert!(error.contains(r#"it does not know "trucks"; most alike: truck"#), "{error}");
    let error = |rest: &str| make(rest).err().unwrap().to_string();
    assert_eq!(error(r#", "labels": "imagenet""#), "labels: names 1000 labels, but the judge has 10");
    assert_eq!(error(r#", "corner-share": 2"#), "corner-share: is 2, must be above 0 and at most 1");
    assert!(error(r#", "groups": {"x": "3-12"}"#).starts_with("groups.x: \"3-12\" is no label"));
    let judge = |text: &str| {
        let mut registry = Registry::default();
        register(&mut registry);
        fmr_zoo::register(&mut registry);
        let settings = Settings(serde_json::from_str(&format!(r#"{{"judge": {text}}}"#)).unwrap());
        let context = MakeContext::new(&registry, [3, 32, 32]);
        registry.check::<dyn Oracle>("classifier", &settings, &context).err().unwrap().to_string()
    };
    assert_eq!(
        judge(r#"{"kind": "zo", "weights": "w"}"#),
        "judge.kind: there is no target of kind \"zo\"; did you mean `zoo`?"
    );
    assert_eq!(judge(r#"{"model": "lenet"}"#), "judge.weights: is missing");
    assert!(
        judge(r#"{"model": "resnet5o", "weights": "w"}"#)
            .starts_with("judge.model: there is no model \"resnet5o\"; did you mean `resnet50`")
    );
}
