//! What the report reads of a run: the only place that touches the run store.

use fmr_core::SampleRecord;
use fmr_core::validity::{LogitsFacts, RepeatFacts, ReplacedFacts};
use fmr_data::pixels::png;
use fmr_store::{RowPlan, RunPlan, RunStore, SampleImages, StoreError};
use serde::de::DeserializeOwned;

use crate::{MaskFigures, ReportError};

/// Keys of the notes that a run keeps of a row.
pub mod notes {
    /// Seconds spent on the row.
    pub const SECONDS: &str = "seconds";
    /// [`fmr_core::validity::LogitsFacts`].
    pub const LOGITS: &str = "logits";
    /// [`fmr_core::validity::RepeatFacts`].
    pub const REPEATED: &str = "repeated";
    /// [`crate::MaskFigures`].
    pub const MASK: &str = "mask";
}

/// The results of a run, read once for all forms of its report.
#[derive(Debug)]
pub struct Results<'s> {
    store: &'s RunStore,
    rows: Vec<RowResults>,
}

/// The results of one row.
#[derive(Debug, Clone)]
pub struct RowResults {
    /// What the row was to do.
    pub plan: RowPlan,
    /// Finished samples, by index.
    pub records: Vec<SampleRecord>,
    /// The mask that its search ran with.
    pub mask: Option<MaskFigures>,
    /// Wall seconds, without those of learning the mask.
    pub seconds: Option<f64>,
    /// The target's outputs on final images.
    pub logits: Option<LogitsFacts>,
    /// What came of doing some samples twice.
    pub repeated: Option<RepeatFacts>,
    /// What was done before a plugin's file was replaced.
    pub replaced: Option<ReplacedFacts>,
}

impl<'s> Results<'s> {
    /// Reads the records and facts of all rows. Images stay where they are until they are asked for.
    ///
    /// # Errors
    /// The run cannot be read.
    pub fn read(store: &'s RunStore) -> Result<Self, ReportError> {
        let rows = store.plan().rows.iter().map(|plan| RowResults::read(store, plan)).collect::<Result<_, _>>()?;
        Ok(Self { store, rows })
    }

    /// What the run was to do.
    pub fn plan(&self) -> &RunPlan {
        self.store.plan()
    }

    /// All rows that could run when the run began.
    pub fn rows(&self) -> &[RowResults] {
        &self.rows
    }

    /// A row by its identifier.
    pub fn row(&self, id: &str) -> Option<&RowResults> {
        self.rows.iter().find(|row| row.plan.id == id)
    }

    /// Original, reconstruction and final image of a sample.
    pub(crate) fn images(&self, row: &RowResults, index: usize) -> Result<SampleImages, ReportError> {
        Ok(self.store.images(&row.plan.id, index)?)
    }

    /// The same as PNG files.
    pub(crate) fn pngs(&self, row: &RowResults, index: usize) -> Result<[Vec<u8>; 3], ReportError> {
        let images = self.images(row, index)?;
        let encode = |image: &ndarray::Array3<f32>| {
            png(image.view()).map_err(|problem| ReportError::Image { row: row.plan.id.clone(), index, problem })
        };
        Ok([encode(&images.original)?, encode(&images.reconstruction)?, encode(&images.final_image)?])
    }
}

impl RowResults {
    fn read(store: &RunStore, plan: &RowPlan) -> Result<Self, StoreError> {
        let replaced = store.replaced_plugins(&plan.id)?;
        Ok(Self {
            plan: plan.clone(),
            records: store.records(&plan.id)?,
            mask: noted(store, plan, notes::MASK)?,
            seconds: noted(store, plan, notes::SECONDS)?,
            logits: noted(store, plan, notes::LOGITS)?,
            repeated: noted(store, plan, notes::REPEATED)?,
            replaced: replaced.last().map(|last| ReplacedFacts { before: last.kept, times: replaced.len() }),
        })
    }
}

fn noted<T: DeserializeOwned>(store: &RunStore, plan: &RowPlan, key: &str) -> Result<Option<T>, StoreError> {
    Ok(store.noted(&plan.id, key)?.and_then(|value| serde_json::from_value(value).ok()))
}
