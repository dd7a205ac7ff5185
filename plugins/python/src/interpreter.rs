//! The interpreter, and models in it.

use std::ffi::CStr;
use std::path::PathBuf;
use std::sync::OnceLock;

use fmr_core::preprocess::Picture;
use fmr_core::registry::MakeContext;
use fmr_core::{ComponentError, SettingError};
use fmr_plugins::call;
use ndarray::{Array, Array2, ArrayView, Dimension};
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

/// The setting that a Python error speaks of, and its text: what was raised, then where in the user's code.
fn explain(py: Python<'_>, error: &PyErr) -> (String, String) {
    let explained =
        bridge().ok().and_then(|b| b.bind(py).call_method1("explain", (error.value(py), error.traceback(py))).ok());
    explained.and_then(|pair| pair.extract().ok()).unwrap_or_else(|| ("module".to_owned(), error.to_string()))
}

/// A model of the user's, wrapped by the bridge.
pub(crate) struct Model {
    bridge: &'static Py<PyModule>,
    object: Py<PyAny>,
    pub(crate) differentiable: bool,
    /// Whether it takes pictures as their files hold them.
    pub(crate) takes_pictures: bool,
    /// What it does to an image before its network sees it, in its own words.
    pub(crate) preprocessing: Option<String>,
    /// Names of its classes in label order.
    pub(crate) class_names: Option<Vec<Vec<String>>>,
    component: String,
}

impl Model {
    /// Finds the model that the settings name, and notes the files that it is made of.
    pub(crate) fn find(role: &str, settings: &Settings, context: &MakeContext<'_>) -> Result<Self, SettingError> {
        let bridge = bridge().map_err(|e| SettingError::new("module", format!("Python does not start: {e}")))?;
        let venv = settings.venv.as_ref().map(|v| context.path(v));
        let venv = venv.or_else(|| std::env::var_os("VIRTUAL_ENV").filter(|v| !v.is_empty()).map(Into::into));
        let module = context.path(&settings.module);
        let weights = settings.weights.as_ref().map(|w| context.path(w));
        let device = settings.device.as_ref().unwrap_or(&context.device);
        Python::attach(|py| {
            let make = || -> PyResult<_> {
                let object =
                    bridge.bind(py).call_method1("make", (&module, &settings.attribute, venv, device, weights))?;
                let ask = |function| bridge.bind(py).call_method1(function, (&object,));
                let files: Vec<PathBuf> = object.getattr("files")?.extract()?;
                files.into_iter().for_each(|file| context.note_file(file));
                Ok(Self {
                    bridge,
                    differentiable: object.call_method0("differentiable")?.is_truthy()?,
                    takes_pictures: ask("takes_pictures")?.is_truthy()?,
                    preprocessing: ask("preprocessing")?.extract()?,
                    class_names: ask("class_names")?.extract()?,
                    component: format!("{role} \"python\" ({})", module.display()),
                    object: object.unbind(),
                })
            };
            make().map_err(|e| {
                let (setting, text) = explain(py, &e);
                SettingError::new(setting, text)
            })
        })
    }

    pub(crate) fn error(&self, asked: &str, problem: impl Into<String>) -> ComponentError {
        ComponentError::new(&self.component, asked, problem)
    }

    /// Runs something in Python within the call's budget of threads; an exception becomes an error with its traceback.
    fn run<T>(
        &self,
        asked: &str,
        f: impl FnOnce(Python<'_>, &Bound<'_, PyModule>, &Bound<'_, PyAny>) -> PyResult<T>,
    ) -> Result<T, ComponentError> {
        Python::attach(|py| {
            let bridge = self.bridge.bind(py);
            let limited = bridge.call_method1("limit_threads", (call::threads().unwrap_or(0),));
            let result = limited.and_then(|_| f(py, bridge, self.object.bind(py)));
            result.map_err(|e| self.error(asked, explain(py, &e).1))
        })
    }

    /// An oracle's classes, for models that want to know them.
    pub(crate) fn set_classes(&self, names: &[String], templates: &[String]) -> Result<(), ComponentError> {
        self.run("set classes", |_, bridge, object| {
            bridge.call_method1("set_classes", (object, names, templates)).map(drop)
        })
    }

    /// The model's result for images.
    pub(crate) fn forward<D: Dimension, E: Dimension>(
        &self,
        asked: &str,
        images: ArrayView<'_, f32, D>,
    ) -> Result<Array<f32, E>, ComponentError> {
        let raw = self.run(asked, |py, _, object| unpack(&object.call_method1("forward", pack(py, images)?)?))?;
        self.shaped(asked, raw)
    }

    /// The model's result for pictures as their files hold them; absent where it takes none.
    pub(crate) fn of_pictures(&self, asked: &str, pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        if !self.takes_pictures {
            return Ok(None);
        }
        let raw = self.run(asked, |py, bridge, object| {
            let list = pictures.iter().map(|p| (PyBytes::new(py, &p.bytes), p.shape)).collect::<Vec<_>>();
            unpack(&bridge.call_method1("of_pictures", (object, list))?)
        })?;
        self.shaped(asked, raw).map(Some)
    }

    /// The same, and what the pull-back needs.
    pub(crate) fn forward_saving<D: Dimension, E: Dimension>(
        &self,
        asked: &str,
        images: ArrayView<'_, f32, D>,
    ) -> Result<(Array<f32, E>, Py<PyAny>), ComponentError> {
        let (raw, saved) = self.run(asked, |py, _, object| {
            let (values, saved): (Bound<'_, PyAny>, Py<PyAny>) =
                object.call_method1("forward_saving", pack(py, images)?)?.extract()?;
            Ok((unpack(&values)?, saved))
        })?;
        Ok((self.shaped(asked, raw)?, saved))
    }

    /// The vector-Jacobian product.
    pub(crate) fn pull_back<D: Dimension, E: Dimension>(
        &self,
        asked: &str,
        saved: Py<PyAny>,
        cotangent: ArrayView<'_, f32, D>,
    ) -> Result<Array<f32, E>, ComponentError> {
        let raw = self.run(asked, |py, _, object| {
            let (bytes, shape) = pack(py, cotangent)?;
            unpack(&object.call_method1("pull_back", (saved, bytes, shape))?)
        })?;
        self.shaped(asked, raw)
    }

    fn shaped<E: Dimension>(&self, asked: &str, (values, shape): Raw) -> Result<Array<f32, E>, ComponentError> {
        let array = Array::from_shape_vec(shape.clone(), values).ok().and_then(|a| a.into_dimensionality::<E>().ok());
        let wanted = E::NDIM.unwrap_or_default();
        array.ok_or_else(|| self.error(asked, format!("it gave shape {shape:?}, not an array of {wanted} dimensions")))
    }
}

/// Values and shape.
type Raw = (Vec<f32>, Vec<usize>);

/// An array as the bridge takes it: bytes and shape.
fn pack<'py, D: Dimension>(
    py: Python<'py>,
    array: ArrayView<'_, f32, D>,
) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyTuple>)> {
    let bytes = PyBytes::new_with(py, array.len() * size_of::<f32>(), |bytes| {
        bytes.chunks_exact_mut(4).zip(&array).for_each(|(to, value)| to.copy_from_slice(&value.to_ne_bytes()));
        Ok(())
    })?;
    Ok((bytes, PyTuple::new(py, array.shape())?))
}

/// What the bridge gives: bytes and shape.
fn unpack(given: &Bound<'_, PyAny>) -> PyResult<Raw> {
    let (bytes, shape): (Bound<'_, PyBytes>, Vec<usize>) = given.extract()?;
    let values = bytes.as_bytes().chunks_exact(4).map(|b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]])).collect();
    Ok((values, shape))
}
