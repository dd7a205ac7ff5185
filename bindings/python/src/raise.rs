//! Errors as exceptions of `fmr.errors`.

use std::fmt::Display;

use fmr::Error;
use fmr::experiment::ConfigError;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// The exception of that name in `fmr.errors`.
pub(crate) fn named(py: Python<'_>, name: &str, text: impl Display) -> PyErr {
    let made = py.import("fmr.errors").and_then(|module| module.getattr(name)?.call1((text.to_string(),)));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// An `FmrError`.
pub(crate) fn other(error: impl Display) -> PyErr {
    Python::attach(|py| named(py, "FmrError", error))
}

/// A mistake of this package.
pub(crate) fn bug(text: &str) -> PyErr {
    PyRuntimeError::new_err(format!("{text}; this is a bug of fmr"))
}

/// The exception that an error of the library is.
pub(crate) fn error(error: impl Into<Error>) -> PyErr {
    let error = error.into();
    let name = match &error {
        Error::Config(_) => "ConfigError",
        Error::Store(_) => "StoreError",
        Error::Interrupted { .. } => "Interrupted",
        _ => "FmrError",
    };
    let text = match &error {
        Error::Config(error) => with_place(error),
        error => error.to_string(),
    };
    Python::attach(|py| named(py, name, text))
}

/// Where it is wrong, what is wrong, and what would be right.
fn with_place(error: &ConfigError) -> String {
    // Text that the package wrote has no place that a user knows.
    let place = error.file.exists().then(|| {
        let line = error.line_and_column().map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
        format!("{}{line}: ", error.file.display())
    });
    let help = error.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{}{}{help}", place.unwrap_or_default(), error.problem)
}
