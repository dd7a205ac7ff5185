//! What the report reads of a run: the only place that touches the run store.

use fmr_core::validity::ReplacedFacts;
use fmr_store::{RowResults, RunPlan, RunResults, RunStore, SampleImages};

use crate::ReportError;

/// The results of a run, read once for all forms of its report.
#[derive(Debug)]
pub struct Results<'s> {
    store: &'s RunStore,
    run: RunResults,
}

impl<'s> Results<'s> {
    /// Reads the records and facts of all rows. Images stay where they are until they are asked for.
    ///
    /// # Errors
    /// The run cannot be read.
    pub fn read(store: &'s RunStore) -> Result<Self, ReportError> {
        Ok(Self { store, run: store.results()? })
    }

    /// What the run was to do.
    pub fn plan(&self) -> &RunPlan {
        self.store.plan()
    }

    /// Records and facts, for what else is made of them.
    pub fn run(&self) -> &RunResults {
        &self.run
    }

    /// All rows that could run when the run began.
    pub fn rows(&self) -> &[RowResults] {
        &self.run.rows
    }

    /// A row by its identifier.
    pub fn row(&self, id: &str) -> Option<&RowResults> {
        self.rows().iter().find(|row| row.plan.id == id)
    }

    /// Original, reconstruction and final image of a sample.
    pub(crate) fn images(&self, row: &RowResults, index: usize) -> Result<SampleImages, ReportError> {
        Ok(self.store.images(&row.plan.id, index)?)
    }

    /// The same as PNG files.
    pub(crate) fn pngs(&self, row: &RowResults, index: usize) -> Result<[Vec<u8>; 3], ReportError> {
        Ok(self.store.pngs(&row.plan.id, index)?)
    }
}

/// What was done before plugins' files were replaced.
pub(crate) fn replaced(row: &RowResults) -> Option<ReplacedFacts> {
    row.replaced.last().map(|last| ReplacedFacts { before: last.kept, times: row.replaced.len() })
}
