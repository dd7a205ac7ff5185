//! Models in Python through the plugin: as a library that is loaded, as a run does.
//!
//! Needs numpy and PyTorch in the environment `VIRTUAL_ENV`; says so and skips what it cannot run.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use fmr_core::Target;
use fmr_core::registry::{MakeError, Settings, Site};
use fmr_plugins::check::{self, Options};
use fmr_plugins::host::{Library, Limits};
use ndarray::{Array2, Array4};

const MODEL: &str = r#"
import numpy

class Squares:
    """Logits are the mean square of each channel."""
    def __call__(self, images):
        return (images ** 2).mean(axis=(2, 3))
    def vjp(self, images, cotangent):
        return 2 * images * cotangent[:, :, None, None] / (images.shape[2] * images.shape[3])

def no_gradient(images):
    return images.mean(axis=(2, 3))

def broken(images):
    if len(images) > 1:
        raise ValueError("only one image, please")
    return images.mean(axis=(2, 3))

def flat(images):
    return images.mean(axis=(1, 2, 3))

class Brightest:
    def set_classes(self, names, templates):
        assert templates == ["an image of {class}"]
        self.names = names
    def __call__(self, images):
        return numpy.stack([images.mean(axis=(1, 2, 3)) * k for k in range(len(self.names))], axis=1)
"#;

const TORCH: &str = r#"
import torch
torch.manual_seed(0)
torch.set_num_threads(1)

model = torch.nn.Sequential(
    torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.Tanh(), torch.nn.Dropout(0.5),
    torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(128, 5))
"#;

/// Whether the environment's Python has a package; a notice where not.
fn has(package: &str) -> bool {
    let python = std::env::var_os("VIRTUAL_ENV").map_or("python3".into(), |v| PathBuf::from(v).join("bin/python"));
    let output = Command::new(python).args(["-c", &format!("import {package}")]).output();
    let has = output.is_ok_and(|o| o.status.success());
    if !has {
        eprintln!("skipped: {package} is not installed; set VIRTUAL_ENV to an environment that has it");
    }
    has
}

fn library() -> Arc<Library> {
    let name = format!("{}fmr_python{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    Library::open(&std::env::current_exe().unwrap().parent().unwrap().join(name), None).unwrap()
}

fn site(base: &Path) -> Site {
    Site { base: base.to_owned(), device: "cpu".into(), seed: 0, image: [3, 8, 8] }
}

fn settings(json: &str) -> Settings {
    Settings(serde_json::from_str(json).unwrap())
}

fn target(base: &Path, attribute: &str) -> Result<Box<dyn Target>, MakeError> {
    let settings = settings(&format!(r#"{{"module": "model.py", "attribute": "{attribute}"}}"#));
    library().target(None, &settings, &site(base), &Limits::default())
}

fn images(n: usize) -> Array4<f32> {
    Array4::from_shape_fn((n, 3, 8, 8), |(i, c, h, w)| ((i * 192 + c * 64 + h * 8 + w) as f32).sin() * 0.4 + 0.5)
}

#[test]
fn callables_on_numpy_arrays() {
    if !has("numpy") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.py"), MODEL).unwrap();
    let squares = target(folder.path(), "Squares").unwrap();
    assert_eq!((squares.spec().name.as_str(), squares.spec().classes), ("model.Squares", 3));
    let x = images(4);
    let (logits, pull) = squares.logits_with_pullback(x.view()).unwrap();
    assert!((logits[[1, 2]] - x.slice(ndarray::s![1, 2, .., ..]).mapv(|v| v * v).mean().unwrap()).abs() < 1e-6);
    let gradient = pull(Array2::ones((4, 3)).view()).unwrap();
    assert!((gradient[[3, 1, 2, 5]] - 2.0 * x[[3, 1, 2, 5]] / 64.0).abs() < 1e-6);

    let plain = target(folder.path(), "no_gradient").unwrap();
    assert!(!plain.spec().differentiable && plain.logits(x.view()).is_ok());

    let error = target(folder.path(), "broken").unwrap().logits(x.view()).unwrap_err().to_string();
    assert!(error.contains("ValueError: only one image, please") && error.contains("model.py\", line "), "{error}");
    let error = target(folder.path(), "flat").err().unwrap().to_string();
    assert!(error.contains("it gave shape [1], not an array of 2 dimensions"), "{error}");
    let error = target(folder.path(), "squares").err().unwrap().to_string();
    assert!(error.starts_with("attribute: AttributeError: ") && error.contains("Squares, no_gradient"), "{error}");
    std::fs::write(folder.path().join("model.py"), "model = (").unwrap();
    let error = target(folder.path(), "model").err().unwrap().to_string();
    assert!(error.starts_with("module: ") && error.contains("SyntaxError"), "{error}");
    let nothing = settings(r#"{"module": "none.py"}"#);
    let error = library().target(None, &nothing, &site(folder.path()), &Limits::default()).err().unwrap().to_string();
    assert!(error.starts_with("module: FileNotFoundError: there is no module "), "{error}");
}

#[test]
fn oracles_get_their_classes() {
    if !has("numpy") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.py"), MODEL).unwrap();
    let settings = settings(r#"{"module": "model.py", "attribute": "Brightest", "softmax": true}"#);
    let mut oracle = library().oracle(None, &settings, &site(folder.path()), &Limits::default()).unwrap();
    oracle.set_classes(&["a", "b"].map(str::to_owned), &["an image of {class}".to_owned()]).unwrap();
    let scores = oracle.judge(images(2).view()).unwrap();
    assert!((scores.sum() - 2.0).abs() < 1e-6 && scores[[0, 1]] > scores[[0, 0]]);
}

#[test]
fn a_pytorch_module_keeps_the_contract() {
    if !has("torch") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("net.py"), TORCH).unwrap();
    let options = Options {
        component: Some("python".into()),
        settings: settings(r#"{"module": "net.py"}"#),
        base: folder.path().to_owned(),
        image: [3, 8, 8],
        ..Options::default()
    };
    // The oracle of the same name is checked along with it: a module that gives logits, of 5 classes.
    let report = check::run(library().path(), &options).unwrap();
    println!("{report}");
    let of_target = report.findings.iter().filter(|f| f.component == "target \"python\"");
    assert!(of_target.clone().count() > 6);
    for finding in of_target {
        assert_ne!(finding.verdict, check::Verdict::Fail, "{report}");
    }
}
