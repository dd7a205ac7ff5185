//! What the report reads of a run: the only place that touches the run store.

use fmr_core::logits::prediction;
use fmr_core::validity::ReplacedFacts;
use fmr_core::{ImageHash, SampleRecord};
use fmr_store::{Judge, JudgeRole, RowResults, RunPlan, RunResults, RunStore, SampleImages, StoreError};
use ndarray::ArrayView1;

use crate::ReportError;

/// The results of a run, read once for all forms of its report.
#[derive(Debug)]
pub struct Results<'s> {
    store: &'s RunStore,
    run: RunResults,
    views: Vec<View>,
}

/// A row's images as a target sees them for which they were not made.
#[derive(Debug)]
pub(crate) struct View {
    /// Identifier of the row.
    pub row: String,
    /// Name of the target.
    pub target: String,
    /// The row's records with this target's predictions on originals and final images in the place of those of its own.
    pub records: Vec<SampleRecord>,
}

impl<'s> Results<'s> {
    /// Reads the records and facts of all rows. Images stay where they are until they are asked for.
    ///
    /// # Errors
    /// The run cannot be read.
    pub fn read(store: &'s RunStore) -> Result<Self, ReportError> {
        let run = store.results()?;
        let mut views = Vec::new();
        for judge in store.judges()?.into_iter().filter(|judge| judge.role == JudgeRole::Target) {
            for row in run.rows.iter().filter(|row| row.plan.target().fingerprint != judge.fingerprint) {
                if let Some(records) = viewed(store, row, &judge)? {
                    views.push(View { row: row.plan.id.clone(), target: judge.name.clone(), records });
                }
            }
        }
        Ok(Self { store, run, views })
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

    /// The row's images as further targets see them.
    pub(crate) fn views(&self, row: &str) -> impl Iterator<Item = &View> {
        self.views.iter().filter(move |view| view.row == row)
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

/// The records of a row with a target's predictions; `None` unless it was shown all of the row's images.
fn viewed(store: &RunStore, row: &RowResults, judge: &Judge) -> Result<Option<Vec<SampleRecord>>, StoreError> {
    let mut records = Vec::with_capacity(row.records.len());
    for record in &row.records {
        let shown = store.shown(&row.plan.id, record.index)?;
        let seen = |hash: &ImageHash| -> Result<Option<Option<usize>>, StoreError> {
            let logits = store.answer(judge, &row.plan.classes, hash)?;
            Ok(logits.map(|logits| prediction(ArrayView1::from(&logits))))
        };
        let Some(original) = seen(&shown.original.judged)? else { return Ok(None) };
        let last = if record.final_from.is_some() { seen(&shown.final_image.judged)? } else { Some(original) };
        let Some(last) = last else { return Ok(None) };
        records.push(SampleRecord { clean_prediction: original, final_prediction: last, ..record.clone() });
    }
    // Originals may be known from a row of that target's own.
    let shown = records.iter().any(|record| record.final_from.is_some());
    Ok(shown.then_some(records))
}

/// What was done before plugins' files were replaced.
pub(crate) fn replaced(row: &RowResults) -> Option<ReplacedFacts> {
    row.replaced.last().map(|last| ReplacedFacts { before: last.kept, times: row.replaced.len() })
}
