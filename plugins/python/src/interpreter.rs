//! The interpreter, which the plugin starts, and the models that it finds in the user's files.

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::Once;

use fmr_core::SettingError;
use fmr_core::registry::MakeContext;
use fmr_plugins::call;
use fmr_python_bridge::{Caller, Model, bridge};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyModule;

use crate::Settings;

const FINDER: &CStr = match CStr::from_bytes_with_nul(concat!(include_str!("finder.py"), "\0").as_bytes()) {
    Ok(text) => text,
    Err(_) => panic!("the finder holds a zero byte"),
};

/// Starts Python, once.
fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        share_symbols();
        Python::initialize();
    });
}

/// The finder's module, made once. It imports the bridge.
fn finder(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    bridge(py)?;
    let made = MODULE.get_or_try_init(py, || {
        PyModule::from_code(py, FINDER, c"fmr_finder.py", c"fmr_finder").map(Bound::unbind)
    })?;
    Ok(made.bind(py))
}

/// Python's own extension modules expect the interpreter's symbols to be visible to all. A plugin is loaded so that its
/// symbols, and those of its libraries, are not; so the interpreter's library is opened once more, visibly.
#[cfg(unix)]
fn share_symbols() {
    // SAFETY: an all-zero `Dl_info` is valid; `dladdr` takes any address, and fills the name where it knows it.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        let address = pyo3::ffi::Py_IsInitialized as *const libc::c_void;
        if libc::dladdr(address, &raw mut info) != 0 && !info.dli_fname.is_null() {
            // Never closed: the interpreter lives as long as the process.
            libc::dlopen(info.dli_fname, libc::RTLD_NOW | libc::RTLD_GLOBAL | libc::RTLD_NOLOAD);
        }
    }
}

#[cfg(not(unix))]
fn share_symbols() {}

/// Calls come from fmr, through the plugin's border.
struct Host;

impl Caller for Host {
    fn threads(&self) -> usize {
        call::threads().unwrap_or(0)
    }

    fn cancelled(&self) -> bool {
        call::cancelled()
    }
}

/// Finds the model that the settings name, and notes the files that it is made of.
pub(crate) fn find(role: &str, settings: &Settings, context: &MakeContext<'_>) -> Result<Model, SettingError> {
    start();
    let venv = settings.venv.as_ref().map(|v| context.path(v));
    let venv = venv.or_else(|| std::env::var_os("VIRTUAL_ENV").filter(|v| !v.is_empty()).map(Into::into));
    let module = context.path(&settings.module);
    let weights = settings.weights.as_ref().map(|w| context.path(w));
    let device = settings.device.as_ref().unwrap_or(&context.device);
    Python::attach(|py| {
        let finder = finder(py).map_err(|e| SettingError::new("module", format!("Python does not start: {e}")))?;
        let make = || -> PyResult<_> {
            let wrapped = finder.call_method1("make", (&module, &settings.attribute, venv, device, weights))?;
            let files: Vec<PathBuf> = wrapped.getattr("files")?.extract()?;
            files.into_iter().for_each(|file| context.note_file(file));
            Model::new(&wrapped, format!("{role} \"python\" ({})", module.display()), Box::new(Host))
        };
        make().map_err(|e| {
            let (setting, text) = Model::explain(py, &e);
            SettingError::new(setting, text)
        })
    })
}

/// Name of a model for people: its file and attribute.
pub(crate) fn name(module: &Path, attribute: &str) -> String {
    format!("{}.{attribute}", module.file_stem().unwrap_or_default().to_string_lossy())
}
