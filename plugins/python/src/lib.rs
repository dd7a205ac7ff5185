//! Makes targets and oracles of `fmr` from Python code.
//!
//! ```toml fragment
//! [targets.mine]
//! plugin = "python"
//! module = "my_model.py"
//! attribute = "model"
//! ```
//!
//! `attribute` names a `torch.nn.Module` (gradients by autograd), or any callable on numpy arrays `[n, c, h, w]`, with a
//! method `vjp(images, cotangent)` if it has a gradient; a class is called without arguments first. Packages come from the
//! setting `venv`, otherwise from `VIRTUAL_ENV`, otherwise from the Python for which the plugin was built.

mod components;
mod interpreter;

use std::path::PathBuf;

/// The settings of both components.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Settings {
    /// The Python file, relative to the experiment file.
    module: PathBuf,
    /// Dotted name of the model in the file.
    #[serde(default = "model")]
    attribute: String,
    /// Virtual environment whose packages to use.
    #[serde(default)]
    venv: Option<PathBuf>,
    /// Weights that the module loads: a `state_dict` for `torch.load` or safetensors.
    #[serde(default)]
    weights: Option<PathBuf>,
    /// PyTorch's name of the device; default: the run's device.
    #[serde(default)]
    device: Option<String>,
    /// Oracles only: the model returns logits; apply the softmax.
    #[serde(default)]
    softmax: bool,
}

fn model() -> String {
    "model".into()
}

fmr_plugins::export! {
    target "python": Settings => components::target,
    oracle "python": Settings => components::oracle,
}
