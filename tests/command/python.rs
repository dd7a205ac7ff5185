//! The model that a researcher has: a LeNet in PyTorch as the target of a whole run, against the built-in one with the
//! same weights; and a numpy callable with a gradient of its own.
//!
//! Needs an environment with PyTorch, in `VIRTUAL_ENV` or around `python3`; says so and skips where there is none.

use std::path::{Path, PathBuf};
use std::process::Command;

use fmr::store::RunStore;

use crate::support::{EXPERIMENT, Lab, records};

/// The built-in LeNet over again: grey, normalised, two convolutions, three linear layers.
const MODEL: &str = r#"
import torch
from torch import nn

class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = (x.mean(dim=1, keepdim=True) - 0.1307) / 0.3081
        x = nn.functional.avg_pool2d(self.conv1(x).relu(), 2)
        x = nn.functional.avg_pool2d(self.conv2(x).relu(), 2)
        return self.fc3(self.fc2(self.fc1(x.flatten(1)).relu()).relu())

class InNumpy:
    """A callable on arrays with its own gradient, which lets PyTorch do the sums."""

    def __init__(self):
        self.model = LeNet()
        self.model.load_state_dict(torch.load(__file__.replace("my_model.py", "lenet.pt"), weights_only=True))

    def __call__(self, images):
        with torch.no_grad():
            return self.model(torch.from_numpy(images)).numpy()

    def vjp(self, images, cotangent):
        x = torch.from_numpy(images).requires_grad_()
        (gradient,) = torch.autograd.grad(self.model(x), x, torch.from_numpy(cotangent))
        return gradient.numpy()
"#;

/// The model over again, whose forward leaves autograd.
const WITHOUT_GRADIENT: &str = r#"
class Detached(LeNet):
    def forward(self, x):
        with torch.no_grad():
            return super().forward(x)
"#;

/// safetensors without its package, to what `torch.load` reads.
const CONVERT: &str = r#"
import json, struct, torch
data = open("lenet.safetensors", "rb").read()
length, = struct.unpack("<Q", data[:8])
header = json.loads(data[8:8 + length])
header.pop("__metadata__")
kinds = {"F32": torch.float32, "F16": torch.float16}
def read(entry):
    begin, end = (8 + length + at for at in entry["data_offsets"])
    return torch.frombuffer(bytearray(data[begin:end]), dtype=kinds[entry["dtype"]]).reshape(entry["shape"]).float()
torch.save({name: read(entry) for name, entry in header.items()}, "lenet.pt")
"#;

/// The Python that has PyTorch; a notice where there is none.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("VIRTUAL_ENV").map_or("python3".into(), |v| PathBuf::from(v).join("bin/python"));
    if Command::new(&python).args(["-c", "import torch"]).output().is_ok_and(|o| o.status.success()) {
        return Some(python);
    }
    let reason = format_args!("{} has no PyTorch; set VIRTUAL_ENV to an environment that has it", python.display());
    fmr_golden::skip("python", reason);
    None
}

/// Builds the plugin, which is no member of the workspace, and gives the folder that it lies in. A notice where this
/// Python has no library to link with.
fn plugin(python: &Path) -> Option<PathBuf> {
    let shared = "import sysconfig; raise SystemExit(not sysconfig.get_config_var('Py_ENABLE_SHARED'))";
    if !Command::new(python).args(["-c", shared]).status().unwrap().success() {
        let reason = format_args!("{} was built without a shared library, which the plugin needs", python.display());
        fmr_golden::skip("python", reason);
        return None;
    }
    let (root, target) =
        (Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")), Path::new(env!("CARGO_TARGET_TMPDIR")).join("python"));
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--locked", "--color=never", "--manifest-path"])
        .arg(root.join("plugins/python/Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target)
        .env("PYO3_PYTHON", python)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(target.join("release"))
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-4 * a.abs().max(1e-2)
}

#[test]
fn a_pytorch_model_runs_like_the_built_in_one() {
    let Some(python) = python() else { return };
    let Some(folder) = plugin(&python) else { return };
    let lab = Lab::new();
    let experiment = EXPERIMENT.replace("limit = 10", "limit = 40");
    lab.write("lab.toml", &experiment);
    lab.write("my_model.py", MODEL);
    let converted = Command::new(&python).args(["-c", CONVERT]).current_dir(lab.path("")).output().unwrap();
    assert!(converted.status.success(), "{}", String::from_utf8_lossy(&converted.stderr));
    lab.succeed(&["run", "lab.toml", "--out", "built-in"]);
    let built_in = records(&lab.path("built-in")).remove(0).1;
    let moved = built_in.iter().filter(|r| r.accepted_updates > 1).count();
    assert!(moved > 2, "{moved} images moved, which tests too little");

    let table = "kind = \"zoo\"\nmodel = \"lenet\"\nweights = \"lenet.safetensors\"\n";
    assert!(experiment.contains(table));
    let module = r#"plugin = "python"
module = "my_model.py"
attribute = "LeNet"
weights = "lenet.pt"
"#;
    let head = format!("plugin-path = [{:?}]\n", folder.display().to_string());
    lab.write("lab.toml", &(head + &experiment.replace(table, &module.replace("LeNet", "Detached"))));
    lab.write("my_model.py", &format!("{MODEL}{WITHOUT_GRADIENT}"));
    let refused = lab.refuse(&["check", "lab.toml"]);
    assert!(refused.contains("the model's logits carry no gradient"), "{refused}");
    lab.write("my_model.py", MODEL);
    let callable = "plugin = \"python\"\nmodule = \"my_model.py\"\nattribute = \"InNumpy\"\n";
    for (run, target) in [("module", module), ("callable", callable)] {
        let head = format!("plugin-path = [{:?}]\n", folder.display().to_string());
        lab.write("lab.toml", &(head + &experiment.replace(table, target)));
        lab.succeed(&["run", "lab.toml", "--out", run]);
        let found = records(&lab.path(run)).remove(0).1;
        assert_eq!(found.len(), built_in.len());
        for (ours, theirs) in built_in.iter().zip(&found) {
            // Rounding may make a search take another code later on; up to its first update it sees the same.
            assert_eq!(ours.clean_prediction, theirs.clean_prediction, "{run}");
            assert!(close(ours.score0, theirs.score0), "{run}: {} {}", ours.score0, theirs.score0);
            assert_eq!(ours.steps.is_empty(), theirs.steps.is_empty(), "{run}");
            for (a, b) in ours.steps.iter().zip(&theirs.steps).take(1) {
                assert!(close(a.gradient_norm, b.gradient_norm), "{run}: {} {}", a.gradient_norm, b.gradient_norm);
            }
        }
        // Another model under the same name is another run.
        let fingerprint = RunStore::read(&lab.path(run)).unwrap().plan().rows[0].fingerprint.clone();
        assert!(fingerprint["target.module"].starts_with("sha256:"), "{fingerprint:?}");
        lab.write("my_model.py", &format!("{MODEL}# changed\n"));
        assert!(lab.refuse(&["resume", run]).contains("target.module"));
        lab.write("my_model.py", MODEL);
        lab.succeed(&["resume", run]);
    }
}
