//! Tables in Arrow's memory, handed out through its C interface (arrow.apache.org/docs/format/CDataInterface). A
//! consumer reads this memory; nothing is copied.

mod border;
mod columns;

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyCapsule;

pub(crate) use columns::{Builder, Column};

/// A table of samples or steps.
#[pyclass(frozen, module = "fmr._native")]
pub(crate) struct ArrowTable(Arc<Columns>);

/// Columns of one length.
pub(crate) struct Columns {
    columns: Vec<Column>,
    length: usize,
}

impl ArrowTable {
    /// A table of columns that are equally long.
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        let length = columns.first().map_or(0, Column::len);
        Self(Arc::new(Columns { columns, length }))
    }
}

#[pymethods]
impl ArrowTable {
    fn __len__(&self) -> usize {
        self.0.length
    }

    /// Names of the columns.
    fn columns(&self) -> Vec<String> {
        self.0.columns.iter().map(|column| column.name().to_owned()).collect()
    }

    /// A capsule named `arrow_array_stream` with one batch. A schema that is asked for is a wish, which nobody has to grant.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        PyCapsule::new_with_value(py, border::Stream::of(Arc::clone(&self.0)), c"arrow_array_stream")
    }
}
