//! Models in Python through the plugin: as a library that is loaded, as a run does.
//!
//! Needs numpy and PyTorch in the environment `VIRTUAL_ENV`; says so and skips what it cannot run.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;

use common::{context, has, images, library, settings};
use fmr_core::Target;
use fmr_core::preprocess::Picture;
use fmr_core::registry::MakeError;
use fmr_plugins::check::{self, Options};
use fmr_plugins::host::Limits;
use ndarray::Array2;

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

def wrapped(images):
    try:
        [][len(images)]
    except IndexError as e:
        raise RuntimeError("no weights for it") from e

def pair(images):
    return images.mean(axis=(2, 3)), images

class Logits:
    def __init__(self, logits):
        self.logits = logits

def like_a_library(images):
    return Logits(images.mean(axis=(2, 3)))

def flat(images):
    return images.mean(axis=(1, 2, 3))

from own_helper import factor

class Photographs:
    """Logits are means; originals come as they are."""
    class_names = ["red", ["green", "n2"], ("blue",)]
    preprocessing = "the mean of each\n    channel"
    files = ["photographs.txt"]
    def __call__(self, images):
        return images.mean(axis=(2, 3)) * factor
    def of_pictures(self, pictures):
        assert all(p.dtype == numpy.uint8 and p.flags.c_contiguous for p in pictures)
        means = [p.mean(axis=(0, 1)) if p.ndim == 3 else [p.mean()] * 3 for p in pictures]
        return numpy.array(means) / 255 + [[p.shape[0], p.shape[1], 0] for p in pictures]

class TooFewNames(Photographs):
    class_names = ["one"]

class NoFile(Photographs):
    files = ["nothing.txt"]

class Brightest:
    def set_classes(self, names, templates):
        assert templates == ["an image of {class}"]
        self.names = names
    def __call__(self, images):
        return numpy.stack([images.mean(axis=(1, 2, 3)) * k for k in range(len(self.names))], axis=1)
    def of_pictures(self, pictures):
        return numpy.array([[p.mean() * k for k in range(len(self.names))] for p in pictures])
"#;

const TORCH: &str = r#"
import torch
torch.manual_seed(0)
torch.set_num_threads(1)

model = torch.nn.Sequential(
    torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.Tanh(), torch.nn.Dropout(0.5),
    torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(128, 5))

class Double(torch.nn.Linear):
    def __init__(self):
        super().__init__(3, 5, dtype=torch.float64)
    def forward(self, images):
        return super().forward(images.mean(dim=(2, 3)))

class Cut(torch.nn.Module):
    def forward(self, images):
        return images.detach().mean(dim=(2, 3))

torch.save({"state_dict": {"weight": torch.full((5, 3), 2.0), "bias": torch.arange(5.0)}}, __file__ + ".pt")
"#;

/// A folder with the module, and what that needs.
fn folder_with_model() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("model.py", MODEL), ("own_helper.py", "factor = 1.0\n"), ("photographs.txt", "")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn target(base: &Path, attribute: &str) -> Result<Box<dyn Target>, MakeError> {
    let settings = settings(&format!(r#"{{"module": "model.py", "attribute": "{attribute}"}}"#));
    library().target(None, &settings, &context(base), &Limits::default())
}

#[test]
fn callables_on_numpy_arrays() {
    if !has("numpy") {
        return;
    }
    let folder = folder_with_model();
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
    let error = target(folder.path(), "wrapped").err().unwrap().to_string();
    let (said, cause) = error.split_once("which came from ").unwrap();
    assert!(said.contains("RuntimeError: no weights for it") && said.contains("in wrapped"), "{error}");
    assert!(cause.contains("IndexError: ") && !error.contains("fmr_bridge.py"), "{error}");
    let error = target(folder.path(), "pair").err().unwrap().to_string();
    assert!(error.contains("the model gives a tuple; it must give one array [n, classes]"), "{error}");
    let wrapping = target(folder.path(), "like_a_library").unwrap();
    assert_eq!(wrapping.logits(x.view()).unwrap(), plain.logits(x.view()).unwrap());
    let error = target(folder.path(), "flat").err().unwrap().to_string();
    assert!(error.contains("it gave shape [1], not an array of 2 dimensions"), "{error}");
    let error = target(folder.path(), "squares").err().unwrap().to_string();
    assert!(error.starts_with("attribute: AttributeError: ") && error.contains("Squares, no_gradient"), "{error}");
    std::fs::write(folder.path().join("model.py"), "import numpy\nnumpy.nothing").unwrap();
    let error = target(folder.path(), "model").err().unwrap().to_string();
    assert!(error.starts_with("module: AttributeError: ") && error.contains("model.py\", line 2"), "{error}");
    std::fs::write(folder.path().join("model.py"), "model = (").unwrap();
    let error = target(folder.path(), "model").err().unwrap().to_string();
    assert!(error.starts_with("module: ") && error.contains("SyntaxError"), "{error}");
    let nothing = settings(r#"{"module": "none.py"}"#);
    let error =
        library().target(None, &nothing, &context(folder.path()), &Limits::default()).err().unwrap().to_string();
    assert!(error.starts_with("module: FileNotFoundError: there is no module "), "{error}");
}

#[test]
fn pictures_class_names_and_files() {
    if !has("numpy") {
        return;
    }
    let folder = folder_with_model();
    let context = context(folder.path());
    let json = |attribute: &str| settings(&format!(r#"{{"module": "model.py", "attribute": "{attribute}"}}"#));
    let target = library().target(None, &json("Photographs"), &context, &Limits::default()).unwrap();
    // Also the module that it imports, and none of numpy's.
    let files = ["model.py", "own_helper.py", "photographs.txt"].map(|name| folder.path().join(name));
    assert_eq!(context.sources().files, files);
    let names = target.class_names().unwrap();
    assert_eq!((names[0].as_slice(), names[1].len(), names[2].len()), (&["red".to_owned()][..], 2, 1));
    assert_eq!(target.preprocessing().unwrap(), "the mean of each channel");
    let colour: Vec<u8> = [[255; 6], [51; 6], [0; 6]].concat();
    let pictures =
        [Picture { shape: [3, 2, 3], bytes: colour }, Picture { shape: [1, 4, 1], bytes: vec![0, 102, 0, 102] }];
    let logits = target.logits_of_pictures(&pictures).unwrap().unwrap();
    for (found, wanted) in logits.iter().zip([3.0, 3.2, 0.0, 4.2, 1.2, 0.2]) {
        assert!((found - wanted).abs() < 1e-6, "{logits}");
    }
    assert_eq!(target.logits(images(1).view()).unwrap().dim(), (1, 3));
    // What has no such method takes images only.
    let plain = library().target(None, &json("Squares"), &context, &Limits::default()).unwrap();
    assert!(plain.logits_of_pictures(&pictures).unwrap().is_none());
    let refused = |attribute: &str| {
        library().target(None, &json(attribute), &context, &Limits::default()).err().unwrap().to_string()
    };
    assert_eq!(refused("TooFewNames"), "attribute: `class_names` has 1 names, but the model gives 3 logits");
    assert!(refused("NoFile").starts_with("attribute: FileNotFoundError: `files` names "));
}

#[test]
fn oracles_get_their_classes() {
    if !has("numpy") {
        return;
    }
    let folder = folder_with_model();
    let settings = settings(r#"{"module": "model.py", "attribute": "Brightest", "softmax": true}"#);
    let mut oracle = library().oracle(None, &settings, &context(folder.path()), &Limits::default()).unwrap();
    oracle.set_classes(&["a", "b"].map(str::to_owned), &["an image of {class}".to_owned()]).unwrap();
    let scores = oracle.judge(images(2).view()).unwrap();
    assert!((scores.sum() - 2.0).abs() < 1e-6 && scores[[0, 1]] > scores[[0, 0]]);
    let scores = oracle.judge_pictures(&[Picture { shape: [1, 2, 2], bytes: vec![9; 4] }]).unwrap().unwrap();
    assert!((scores.sum() - 1.0).abs() < 1e-6 && scores[[0, 1]] > 0.99);
}

#[test]
fn settings_that_do_not_fit_are_named() {
    if !has("numpy") {
        return;
    }
    let folder = folder_with_model();
    std::fs::write(folder.path().join("notes.txt"), "").unwrap();
    let refused = |json: &str| {
        let made = library().target(None, &settings(json), &context(folder.path()), &Limits::default());
        made.err().unwrap().to_string()
    };
    for (json, expected) in [
        (r#"{"module": "model.py", "attribute": "flat", "softmax": true}"#, "softmax: is for oracles"),
        (r#"{"module": "model.py", "attribute": "flat", "weights": "w.pt"}"#, "weights: TypeError: only a torch"),
        (r#"{"module": "model.py", "attribute": "numpy.pi"}"#, "attribute: TypeError: a float is neither a torch"),
        (r#"{"module": "notes.txt"}"#, "module: ImportError: "),
        (r#"{"module": "model.py", "venv": "none"}"#, "venv: "),
        (r#"{"modul": "model.py"}"#, "modul: is not a known key"),
    ] {
        let error = refused(json);
        assert!(error.starts_with(expected), "{json}: {error}");
    }
}

#[test]
fn pytorch_modules_of_several_kinds() {
    if !has("torch") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("net.py"), TORCH).unwrap();
    let make = |json: &str| library().target(None, &settings(json), &context(folder.path()), &Limits::default());
    // Weights are read from where the settings say, and computed with in the model's own precision.
    let double = make(r#"{"module": "net.py", "attribute": "Double", "weights": "net.py.pt"}"#).unwrap();
    let x = images(2);
    let (logits, pull) = double.logits_with_pullback(x.view()).unwrap();
    let sum = |i: usize| -> f32 { x.index_axis(ndarray::Axis(0), i).sum() / 64.0 };
    assert!((logits[[1, 3]] - (2.0 * sum(1) + 3.0)).abs() < 1e-5, "{logits}");
    let gradient = pull(Array2::ones((2, 5)).view()).unwrap();
    assert!(gradient.iter().all(|g| (g - 10.0 / 64.0).abs() < 1e-6));
    let error = make(r#"{"module": "net.py", "weights": "net.py.pt"}"#).err().unwrap().to_string();
    assert!(error.starts_with("weights: RuntimeError: Error(s) in loading state_dict"), "{error}");
    let error = make(r#"{"module": "net.py", "device": "abacus"}"#).err().unwrap().to_string();
    assert!(error.starts_with("device: RuntimeError: "), "{error}");
    let cut = make(r#"{"module": "net.py", "attribute": "Cut"}"#).unwrap();
    let error = cut.logits_with_pullback(x.view()).err().unwrap().to_string();
    assert!(error.contains("carry no gradient"), "{error}");
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
