//! What the report reads of a run: the only place that touches the run store.

use std::collections::BTreeMap;

use fmr_core::logits::prediction;
use fmr_core::validity::ReplacedFacts;
use fmr_core::{ImageHash, SampleRecord};
use fmr_store::{Judge, JudgeRole, RowResults, RunPlan, RunResults, RunStore, SampleImages, StoreError};
use ndarray::ArrayView1;

use crate::ReportError;
use crate::aimed::{self, Aimed};

/// The results of a run, read once for all forms of its report.
#[derive(Debug)]
pub struct Results<'s> {
    store: &'s RunStore,
    run: RunResults,
    views: Vec<View>,
    verdicts: Vec<OracleView>,
    aimed: BTreeMap<String, Vec<Aimed>>,
}

/// A row's images as a target sees them for which they were not made.
#[derive(Debug)]
pub(crate) struct View {
    /// Identifier of the row.
    pub row: String,
    /// The target: what the run store knows of it.
    pub judge: Judge,
    /// The row's records with this target's predictions on originals and final images in the place of those of its own.
    pub records: Vec<SampleRecord>,
}

/// A row's images as an oracle sees them under which they were not searched for.
#[derive(Debug)]
pub(crate) struct OracleView {
    /// Identifier of the row.
    pub row: String,
    /// The oracle: what the run store knows of it.
    pub judge: Judge,
    /// Of each of the row's records, the classes that it sees in the original and in the final image.
    pub seen: Vec<[Option<usize>; 2]>,
}

impl<'s> Results<'s> {
    /// Reads the records and facts of all rows. Images stay where they are until they are asked for.
    ///
    /// # Errors
    /// The run cannot be read.
    pub fn read(store: &'s RunStore) -> Result<Self, ReportError> {
        let run = store.results()?;
        let (mut views, mut verdicts) = (Vec::new(), Vec::new());
        for judge in store.judges()? {
            for row in &run.rows {
                let own = match judge.role {
                    JudgeRole::Target => row.plan.target(),
                    JudgeRole::Oracle => row.plan.oracle(),
                    JudgeRole::Person => continue,
                };
                let (row_id, judge) = (row.plan.id.clone(), judge.clone());
                if own.fingerprint == judge.fingerprint {
                    continue;
                }
                match seen(store, row, &judge)? {
                    Some(seen) if judge.role == JudgeRole::Target => {
                        views.push(View { row: row_id, judge, records: viewed(row, &seen) });
                    }
                    Some(seen) => verdicts.push(OracleView { row: row_id, judge, seen }),
                    None => {}
                }
            }
        }
        let mut aimed = BTreeMap::new();
        for row in &run.rows {
            if let Some(of_row) = aimed::of(store, row)? {
                aimed.insert(row.plan.id.clone(), of_row);
            }
        }
        Ok(Self { store, run, views, verdicts, aimed })
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

    /// The row's images as further oracles see them.
    pub(crate) fn verdicts(&self, row: &str) -> impl Iterator<Item = &OracleView> {
        self.verdicts.iter().filter(move |view| view.row == row)
    }

    /// What the row's target says of final images, where the row aims at a class.
    pub(crate) fn aimed(&self, row: &str) -> &[Aimed] {
        self.aimed.get(row).map_or(&[], Vec::as_slice)
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

/// What a judge sees in the original and in the final image of each of the row's records; `None` unless it was shown all of
/// them.
fn seen(store: &RunStore, row: &RowResults, judge: &Judge) -> Result<Option<Vec<[Option<usize>; 2]>>, StoreError> {
    // Originals may be known from a row of the judge's own.
    if !row.records.iter().any(|record| record.final_from.is_some()) {
        return Ok(None);
    }
    let mut classes = Vec::with_capacity(row.records.len());
    for record in &row.records {
        let shown = store.shown(&row.plan.id, record.index)?;
        let class = |hash: &ImageHash| -> Result<Option<Option<usize>>, StoreError> {
            let answer = store.answer(judge, &row.plan.classes, hash)?;
            // An oracle that gives no class more than 0 sees none.
            let sees = |answer: &Vec<f32>| judge.role == JudgeRole::Target || answer.iter().any(|p| *p != 0.0);
            Ok(answer.map(|answer| prediction(ArrayView1::from(&answer)).filter(|_| sees(&answer))))
        };
        let Some(original) = class(&shown.original.judged)? else { return Ok(None) };
        let last = if record.final_from.is_some() { class(&shown.final_image.judged)? } else { Some(original) };
        let Some(last) = last else { return Ok(None) };
        classes.push([original, last]);
    }
    Ok(Some(classes))
}

/// The records of a row with a target's predictions.
fn viewed(row: &RowResults, seen: &[[Option<usize>; 2]]) -> Vec<SampleRecord> {
    let with = |(record, [original, last]): (&SampleRecord, &[Option<usize>; 2])| SampleRecord {
        clean_prediction: *original,
        final_prediction: *last,
        ..record.clone()
    };
    row.records.iter().zip(seen).map(with).collect()
}

/// What was done before plugins' files were replaced.
pub(crate) fn replaced(row: &RowResults) -> Option<ReplacedFacts> {
    row.replaced.last().map(|last| ReplacedFacts { before: last.kept, times: row.replaced.len() })
}
