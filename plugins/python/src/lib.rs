//! Targets and oracles that are written in Python, as a plugin of fmr.
//!
//! ```toml
//! target = { plugin = "python", module = "my_model.py", attribute = "model" }
//! ```
//!
//! `attribute` is a `torch.nn.Module` (gradients by autograd), or any callable on numpy arrays `[n, c, h, w]`, with a method
//! `vjp(images, cotangent)` where it has a gradient; a class is called without arguments first. The packages are those
//! of the setting `venv`, or of `VIRTUAL_ENV`, or of the Python that the plugin was built with.

mod interpreter;
mod oracle;
mod target;

use std::path::PathBuf;

use interpreter::Model;

/// The settings of both components.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Settings {
    /// The Python file, from the experiment file's folder.
    module: PathBuf,
    /// Dotted name of the model in it.
    #[serde(default = "model")]
    attribute: String,
    /// Virtual environment whose packages to use.
    #[serde(default)]
    venv: Option<PathBuf>,
    /// Weights that the module is to load: a `state_dict` that `torch.load` or safetensors reads.
    #[serde(default)]
    weights: Option<PathBuf>,
    /// PyTorch's name of the device; the run's unless it is given.
    #[serde(default)]
    device: Option<String>,
    /// Oracles only: the model gives logits, of which to take the softmax.
    #[serde(default)]
    softmax: bool,
}

fn model() -> String {
    "model".into()
}

fmr_plugins::export! {
    target "python": Settings => target::PythonTarget::new,
    oracle "python": Settings => oracle::PythonOracle::new,
}
