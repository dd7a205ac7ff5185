//! A finished run, copied to where others look for it.

use std::io::ErrorKind;
use std::path::Path;

use super::error::Asking as _;
use super::lock::LOCK_FILE;
use super::{RunPlan, RunStore, StoreError};

/// What came of publishing a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It is there now.
    Now,
    /// A different process published the same results before, and they stay.
    Before,
}

impl RunStore {
    /// Copies the run to the new folder `to`, whole or not at all, and leaves this one as it is. The copy has all that the
    /// folder holds and a database without a log, so that it can be read on any file system.
    ///
    /// # Errors
    /// The folder `to` holds something different, one of the folders cannot be read or written, or a program reads the
    /// database just now.
    pub fn publish(&self, to: &Path) -> Result<Published, StoreError> {
        let settle = || -> Result<(), rusqlite::Error> {
            self.database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            self.database.pragma_update(None, "journal_mode", "delete")
        };
        settle().asking(&self.dir, "bring the database to rest")?;
        let stays = |name: &str| name == LOCK_FILE || fmr_files::is_partial(name);
        match fmr_files::publish_folder(&self.dir, to, stays) {
            Ok(()) => Ok(Published::Now),
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {
                self.expect_same_results(&Self::read(to)?)?;
                Ok(Published::Before)
            }
            Err(error) => Err(error).asking(to, "publish the run in"),
        }
    }

    /// Whether all samples of the run's part are done.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn is_finished(&self) -> Result<bool, StoreError> {
        for row in &self.plan.rows {
            if self.count(&row.id)? < self.plan.part.count(row.samples) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Refuses a run that is not the work that `plan` says, or a different part of it.
    ///
    /// # Errors
    /// Names the first thing that differs.
    pub fn expect_work(&self, plan: &RunPlan) -> Result<(), StoreError> {
        self.plan.expect_same(plan, &self.dir)?;
        if self.plan.part == plan.part {
            return Ok(());
        }
        Err(StoreError::OtherPart { dir: self.dir.clone(), part: self.plan.part, wanted: plan.part })
    }

    fn expect_same_results(&self, other: &Self) -> Result<(), StoreError> {
        other.expect_work(&self.plan)?;
        for row in &self.plan.rows {
            let (ours, theirs) = (self.records(&row.id)?, other.records(&row.id)?);
            // In words: a number that is not one equals itself there.
            if format!("{ours:?}") != format!("{theirs:?}") {
                let (dir, row) = (other.dir.clone(), row.id.clone());
                return Err(StoreError::OtherResults { dir, row });
            }
        }
        Ok(())
    }
}
