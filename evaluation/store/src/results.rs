//! The results of a run, read once for everything that is made of them.

use fmr_core::SampleRecord;

use super::{ReplacedPlugin, RowFacts, RowPlan, RunStore, StoreError};

/// The results of a run. Images and answers stay in the store until they are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct RunResults {
    /// Its rows, in the plan's order.
    pub rows: Vec<RowResults>,
}

/// The results of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct RowResults {
    /// What the row was to do.
    pub plan: RowPlan,
    /// Finished samples, by index.
    pub records: Vec<SampleRecord>,
    /// What is known beyond them.
    pub facts: RowFacts,
    /// Plugins whose files were replaced when the run was resumed, in order.
    pub replaced: Vec<ReplacedPlugin>,
}

impl RunStore {
    /// Records and facts of all rows.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn results(&self) -> Result<RunResults, StoreError> {
        let row = |plan: &RowPlan| {
            Ok(RowResults {
                plan: plan.clone(),
                records: self.records(&plan.id)?,
                facts: self.facts(&plan.id)?,
                replaced: self.replaced_plugins(&plan.id)?,
            })
        };
        Ok(RunResults { rows: self.plan().rows.iter().map(row).collect::<Result<_, StoreError>>()? })
    }
}
