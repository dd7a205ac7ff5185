//! A model of the user's in an interpreter.

use std::ffi::CStr;

use fmr_core::ComponentError;
use fmr_core::preprocess::Picture;
use ndarray::{Array, Array2, ArrayView, Dimension};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyModule, PyTuple};

const BRIDGE: &CStr = match CStr::from_bytes_with_nul(concat!(include_str!("bridge.py"), "\0").as_bytes()) {
    Ok(text) => text,
    Err(_) => panic!("the bridge holds a zero byte"),
};

/// The bridge's module, made once an interpreter.
///
/// # Errors
/// Python cannot run it.
pub fn bridge(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let made = MODULE
        .get_or_try_init(py, || PyModule::from_code(py, BRIDGE, c"fmr_bridge.py", c"fmr_bridge").map(Bound::unbind))?;
    Ok(made.bind(py))
}

/// What a model's calls need to know of the run that they are part of.
pub trait Caller: Send + Sync {
    /// Threads that the call under way may keep busy; 0 leaves it to the model.
    fn threads(&self) -> usize;

    /// Whether nobody wants the results of further calls.
    fn cancelled(&self) -> bool;

    /// A call raised an exception. The run continues with other samples, unless the user stops it.
    fn raised(&self, _py: Python<'_>, _error: &PyErr) {}
}

/// A model of the user's, wrapped by the bridge.
pub struct Model {
    object: Py<PyAny>,
    caller: Box<dyn Caller>,
    component: String,
    /// Whether it has a gradient.
    pub differentiable: bool,
    /// Whether it takes pictures as their files hold them.
    pub takes_pictures: bool,
    /// What it does to an image before its network sees it, in its own words.
    pub preprocessing: Option<String>,
    /// Names of its classes in label order.
    pub class_names: Option<Vec<Vec<String>>>,
}

impl Model {
    /// Takes what the bridge's `wrap` made. `component` names the model in messages.
    ///
    /// # Errors
    /// The model says something about itself that cannot be.
    pub fn new(wrapped: &Bound<'_, PyAny>, component: String, caller: Box<dyn Caller>) -> PyResult<Self> {
        let bridge = bridge(wrapped.py())?;
        let ask = |function| bridge.call_method1(function, (wrapped,));
        Ok(Self {
            differentiable: wrapped.call_method0("differentiable")?.is_truthy()?,
            takes_pictures: ask("takes_pictures")?.is_truthy()?,
            preprocessing: ask("preprocessing")?.extract()?,
            class_names: ask("class_names")?.extract()?,
            object: wrapped.clone().unbind(),
            caller,
            component,
        })
    }

    /// The setting that a Python error speaks of, and its text: what was raised, then where in the user's code.
    pub fn explain(py: Python<'_>, error: &PyErr) -> (String, String) {
        let explained =
            bridge(py).and_then(|bridge| bridge.call_method1("explain", (error.value(py), error.traceback(py))));
        let pair = explained.and_then(|pair| pair.extract());
        pair.unwrap_or_else(|_| ("module".to_owned(), error.to_string()))
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
        let cancelled = || ComponentError { cancelled: true, ..self.error(asked, "cancelled") };
        if self.caller.cancelled() {
            return Err(cancelled());
        }
        Python::attach(|py| {
            let result = bridge(py).and_then(|bridge| {
                bridge.call_method1("limit_threads", (self.caller.threads(),))?;
                f(py, bridge, self.object.bind(py))
            });
            result.map_err(|error| {
                self.caller.raised(py, &error);
                // An exception that ends the run says nothing of the samples.
                if self.caller.cancelled() { cancelled() } else { self.error(asked, Self::explain(py, &error).1) }
            })
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
            let list = pictures.iter().map(|p| (PyByteArray::new(py, &p.bytes), p.shape)).collect::<Vec<_>>();
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

/// An array as the bridge takes it: memory of its own, and its shape.
fn pack<'py, D: Dimension>(
    py: Python<'py>,
    array: ArrayView<'_, f32, D>,
) -> PyResult<(Bound<'py, PyByteArray>, Bound<'py, PyTuple>)> {
    let bytes = PyByteArray::new_with(py, array.len() * size_of::<f32>(), |bytes| {
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
