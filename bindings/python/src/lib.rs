//! The native module of the Python package `fmr`. The package's own code is in `python/fmr`; what is here has the shape
//! that suits it, not its users.

mod arrow;
mod execute;
mod fork;
mod logging;
mod objects;
mod raise;
mod relay;
mod run;
mod tables;

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the command line and gives its exit code. The first argument is the name of the command.
#[pyfunction]
fn main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    // Ctrl-C belongs to the command here.
    py.detach(|| {
        let code = fmr_cli::main_of(arguments);
        (0..=u8::MAX).find(|number| std::process::ExitCode::from(*number) == code).unwrap_or(1)
    })
}

/// An experiment, given as JSON, as the text of an experiment file.
#[pyfunction]
fn experiment_text(json: &str) -> PyResult<String> {
    let value: serde_json::Value = serde_json::from_str(json).map_err(raise::other)?;
    toml::to_string_pretty(&value).map_err(raise::other)
}

/// Built by maturin.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("version", env!("CARGO_PKG_VERSION"))?;
    module.add("in_process", fmr::IN_PROCESS)?;
    module.add("bridge", fmr_python_bridge::bridge(module.py())?)?;
    module.add_function(wrap_pyfunction!(main, module)?)?;
    module.add_function(wrap_pyfunction!(experiment_text, module)?)?;
    module.add_function(wrap_pyfunction!(execute::execute, module)?)?;
    module.add_class::<arrow::ArrowTable>()?;
    module.add_class::<run::Run>()
}
