//! The interpreter, and models in it.

use std::ffi::CStr;
use std::sync::OnceLock;

use fmr_core::registry::Site;
use fmr_core::{ComponentError, SettingError};
use ndarray::{Array, ArrayView, Dimension};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyModule, PyTuple};

use crate::Settings;

const BRIDGE: &CStr = match CStr::from_bytes_with_nul(concat!(include_str!("bridge.py"), "\0").as_bytes()) {
    Ok(text) => text,
    Err(_) => panic!("the bridge holds a zero byte"),
};

/// The bridge's module, made once; or why it cannot be.
fn bridge() -> Result<&'static Py<PyModule>, String> {
    static MODULE: OnceLock<Result<Py<PyModule>, String>> = OnceLock::new();
    let made = MODULE.get_or_init(|| {
        share_symbols();
        Python::initialize();
        Python::attach(|py| {
            let module = PyModule::from_code(py, BRIDGE, c"fmr_bridge.py", c"fmr_bridge");
            module.map(Bound::unbind).map_err(|e| e.to_string())
        })
    });
    made.as_ref().map_err(Clone::clone)
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

/// Text of a Python error: what was raised, then where in the user's code.
fn explain(py: Python<'_>, error: &PyErr) -> String {
    let explained =
        bridge().ok().and_then(|b| b.bind(py).call_method1("explain", (error.value(py), error.traceback(py))).ok());
    explained.and_then(|text| text.extract().ok()).unwrap_or_else(|| error.to_string())
}

/// A model of the user's, wrapped by the bridge.
pub(crate) struct Model {
    object: Py<PyAny>,
    pub(crate) differentiable: bool,
    component: String,
}

impl Model {
    /// Finds the model that the settings name.
    pub(crate) fn find(role: &str, settings: &Settings, site: &Site) -> Result<Self, SettingError> {
        let bridge = bridge().map_err(|e| SettingError::new("module", format!("Python does not start: {e}")))?;
        let venv = settings.venv.as_ref().map(|v| site.path(v));
        let venv = venv.or_else(|| std::env::var_os("VIRTUAL_ENV").filter(|v| !v.is_empty()).map(Into::into));
        let module = site.path(&settings.module);
        Python::attach(|py| {
            let bridge = bridge.bind(py);
            let fail = |key: &str, e: &PyErr| SettingError::new(key, explain(py, e));
            if let Some(venv) = venv {
                bridge.call_method1("activate", (venv,)).map_err(|e| fail("venv", &e))?;
            }
            let found = bridge.call_method1("find", (&module, &settings.attribute)).map_err(|e| {
                let key =
                    if e.is_instance_of::<pyo3::exceptions::PyAttributeError>(py) { "attribute" } else { "module" };
                fail(key, &e)
            })?;
            let device = settings.device.as_ref().unwrap_or(&site.device);
            let object = bridge.call_method1("wrap", (found, device)).map_err(|e| fail("attribute", &e))?;
            let differentiable = object.getattr("differentiable").and_then(|d| d.is_truthy());
            let differentiable = differentiable.map_err(|e| fail("attribute", &e))?;
            let component = format!("{role} \"python\" ({})", module.display());
            Ok(Self { object: object.unbind(), differentiable, component })
        })
    }

    pub(crate) fn error(&self, asked: &str, problem: impl Into<String>) -> ComponentError {
        ComponentError::new(&self.component, asked, problem)
    }

    /// Runs something in Python; an exception becomes an error with its traceback.
    fn run<T>(
        &self,
        asked: &str,
        f: impl FnOnce(Python<'_>, &Bound<'_, PyAny>) -> PyResult<T>,
    ) -> Result<T, ComponentError> {
        Python::attach(|py| f(py, self.object.bind(py)).map_err(|e| self.error(asked, explain(py, &e))))
    }

    /// An oracle's classes, for models that want to know them.
    pub(crate) fn set_classes(&self, names: &[String], templates: &[String]) -> Result<(), ComponentError> {
        let bridge = bridge().map_err(|e| self.error("set classes", e))?;
        self.run("set classes", |py, object| {
            bridge.bind(py).call_method1("set_classes", (object, names, templates)).map(drop)
        })
    }

    /// The model's result for images.
    pub(crate) fn forward<D: Dimension, E: Dimension>(
        &self,
        asked: &str,
        images: ArrayView<'_, f32, D>,
    ) -> Result<Array<f32, E>, ComponentError> {
        let raw = self.run(asked, |py, object| {
            let (bytes, shape) = pack(py, images);
            object.call_method1("forward", (bytes, shape))?.extract()
        })?;
        self.unpack(asked, raw)
    }

    /// The same, and what the pull-back needs.
    pub(crate) fn forward_saving<D: Dimension, E: Dimension>(
        &self,
        asked: &str,
        images: ArrayView<'_, f32, D>,
    ) -> Result<(Array<f32, E>, Py<PyAny>), ComponentError> {
        let (raw, saved): (Raw, Py<PyAny>) = self.run(asked, |py, object| {
            let (bytes, shape) = pack(py, images);
            object.call_method1("forward_saving", (bytes, shape))?.extract()
        })?;
        Ok((self.unpack(asked, raw)?, saved))
    }

    /// The vector-Jacobian product.
    pub(crate) fn pull_back<D: Dimension, E: Dimension>(
        &self,
        asked: &str,
        saved: Py<PyAny>,
        cotangent: ArrayView<'_, f32, D>,
    ) -> Result<Array<f32, E>, ComponentError> {
        let raw = self.run(asked, |py, object| {
            let (bytes, shape) = pack(py, cotangent);
            object.call_method1("pull_back", (saved, bytes, shape))?.extract()
        })?;
        self.unpack(asked, raw)
    }

    fn unpack<E: Dimension>(&self, asked: &str, (bytes, shape): Raw) -> Result<Array<f32, E>, ComponentError> {
        let values = bytes.chunks_exact(4).map(|b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]])).collect();
        let array = Array::from_shape_vec(shape.clone(), values).ok().and_then(|a| a.into_dimensionality::<E>().ok());
        let wanted = E::NDIM.unwrap_or_default();
        array.ok_or_else(|| self.error(asked, format!("it gave shape {shape:?}, not an array of {wanted} dimensions")))
    }
}

type Raw = (Vec<u8>, Vec<usize>);

fn pack<'py, D: Dimension>(
    py: Python<'py>,
    array: ArrayView<'_, f32, D>,
) -> (Bound<'py, PyBytes>, Bound<'py, PyTuple>) {
    let bytes: Vec<u8> = array.iter().flat_map(|v| v.to_ne_bytes()).collect();
    let shape = PyTuple::new(py, array.shape()).unwrap_or_else(|_| PyTuple::empty(py));
    (PyBytes::new(py, &bytes), shape)
}
