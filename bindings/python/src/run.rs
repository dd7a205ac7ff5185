//! A run's folder, opened.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fmr::Error;
use fmr::experiment::{Changes, Experiment};
use fmr::report::{self, TextOptions};
use fmr::store::{EXPERIMENT_FILE, RunStore};
use ndarray::Array3;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;

use crate::arrow::ArrowTable;
use crate::{raise, tables};

/// Values of an image and its shape.
type Image<'py> = (Bound<'py, PyByteArray>, (usize, usize, usize));

/// A run's folder, opened to read.
#[pyclass(frozen, module = "fmr._native")]
pub(crate) struct Run {
    store: Mutex<RunStore>,
    experiment: Experiment,
}

#[pymethods]
impl Run {
    /// Opens a run's folder.
    #[new]
    fn new(py: Python<'_>, folder: PathBuf) -> PyResult<Self> {
        py.detach(|| {
            let store = RunStore::read(&folder)?;
            Ok(Self { experiment: experiment_of(&store)?, store: Mutex::new(store) })
        })
        .map_err(|error: Error| raise::error(error))
    }

    /// Its folder.
    fn folder(&self) -> PathBuf {
        self.store().dir().to_owned()
    }

    /// The experiment file that it keeps, every default written out.
    fn experiment(&self) -> String {
        self.store().plan().experiment.clone()
    }

    /// Identifier, title, planned samples and class names of each row.
    fn rows(&self) -> Vec<(String, String, usize, Vec<String>)> {
        let store = self.store();
        let rows = store.plan().rows.iter();
        rows.map(|row| (row.id.clone(), row.title.clone(), row.samples, row.classes.clone())).collect()
    }

    /// The report as JSON, as `table.json` holds it.
    fn report_json(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| Ok(self.made()?.to_json()?)).map_err(|error: Error| raise::error(error))
    }

    /// The report in a form for people: `text`, `markdown` or `latex`; `html`: the main table and the sentences about it.
    fn report_as(&self, py: Python<'_>, form: &str) -> PyResult<String> {
        let report = py.detach(|| self.made()).map_err(raise::error)?;
        match form {
            "text" => Ok(report.to_text(&TextOptions::default())),
            "markdown" => Ok(report.to_markdown()),
            "latex" => Ok(report.to_latex()),
            "html" => Ok(report.grids.first().map(report::Grid::to_html).unwrap_or_default()),
            form => Err(raise::bug(&format!("there is no form {form:?}"))),
        }
    }

    /// Writes the report's files into the run's folder. Gives the sentences about those that could not be written.
    fn write_report(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        py.detach(|| {
            let written = report::write(&self.experiment, &self.store())?;
            Ok(written.problems.iter().map(ToString::to_string).collect())
        })
        .map_err(|error: Error| raise::error(error))
    }

    /// A row for each finished sample.
    fn samples(&self, py: Python<'_>) -> PyResult<ArrowTable> {
        py.detach(|| tables::samples(&self.store())).map_err(raise::error)
    }

    /// A row for each attempted update.
    fn steps(&self, py: Python<'_>) -> PyResult<ArrowTable> {
        py.detach(|| tables::steps(&self.store())).map_err(raise::error)
    }

    /// Original, reconstruction and final image of a sample of a row: f32 `[c, h, w]` in [0, 1].
    fn images<'py>(&self, py: Python<'py>, row: &str, index: usize) -> PyResult<[Image<'py>; 3]> {
        let images = py.detach(|| self.store().images(row, index)).map_err(raise::error)?;
        let image = |array: &Array3<f32>| -> PyResult<Image<'py>> {
            let bytes = PyByteArray::new_with(py, array.len() * size_of::<f32>(), |bytes| {
                bytes.chunks_exact_mut(4).zip(array).for_each(|(to, value)| to.copy_from_slice(&value.to_ne_bytes()));
                Ok(())
            })?;
            Ok((bytes, array.dim()))
        };
        Ok([image(&images.original)?, image(&images.reconstruction)?, image(&images.final_image)?])
    }
}

impl Run {
    /// No Python is called while it is held.
    fn store(&self) -> MutexGuard<'_, RunStore> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn made(&self) -> Result<report::Report, Error> {
        report::report(&self.experiment, &self.store())
    }
}

/// The experiment that a run keeps.
pub(crate) fn experiment_of(store: &RunStore) -> Result<Experiment, Error> {
    let dir = store.dir();
    let text = store.plan().experiment.clone();
    Ok(Experiment::parse(&dir.join(EXPERIMENT_FILE), text, dir, &Changes::default())?)
}
