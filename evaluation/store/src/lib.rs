//! The run store: one folder a run, with the resolved experiment file and one SQLite database.
//!
//! ```text
//! RUN/experiment.toml   the resolved experiment file, for people
//! RUN/run.sqlite        plan, fingerprints, samples, steps, notes and images
//! RUN/run.lock          held by the process that writes
//! ```
//!
//! The database is the only truth. A batch of samples, with its steps and images, is one transaction: a process that
//! dies at any moment leaves whole batches and nothing else, and what [`RunStore::finished`] lists is finished.
//! Readers may look on while a process writes. Files for people (images, tables, reports) are made from the database.

mod error;
mod export;
mod folder;
mod images;
mod lock;
mod mended;
mod open;
mod plan;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _};

use self::error::Asking as _;
pub use self::error::StoreError;
pub use self::images::SampleImages;
use self::lock::RunLock;
pub use self::mended::ReplacedPlugin;
pub use self::plan::{RowPlan, RunPlan};
use fmr_core::SampleRecord;
use fmr_core::perturb::Perturbed;

/// Name of the experiment file inside a run's folder.
pub const EXPERIMENT_FILE: &str = "experiment.toml";
/// Name of the database inside a run's folder.
pub const DATABASE_FILE: &str = "run.sqlite";

/// What a new run keeps of its images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepImages {
    /// Final images with all their digits, so that other oracles and targets can judge exactly what was judged; else
    /// rounded to 8 bits, as originals and reconstructions always are, in roughly half the space.
    pub exact_finals: bool,
}

impl Default for KeepImages {
    fn default() -> Self {
        Self { exact_finals: true }
    }
}

/// A run's results on disk.
#[derive(Debug)]
pub struct RunStore {
    dir: PathBuf,
    plan: RunPlan,
    keep: KeepImages,
    database: Connection,
    /// Absent for a reader. Held until the store is dropped or the process ends.
    lock: Option<RunLock>,
}

impl RunStore {
    /// Begins a run in a new or empty folder, which this process alone may write to.
    ///
    /// # Errors
    /// The folder holds a run or other files, cannot be written, or another process is at work in it.
    pub fn create(dir: &Path, plan: &RunPlan) -> Result<Self, StoreError> {
        Self::create_keeping(dir, plan, KeepImages::default())
    }

    /// As [`RunStore::create`], with a choice of what is kept of images.
    ///
    /// # Errors
    /// As [`RunStore::create`].
    pub fn create_keeping(dir: &Path, plan: &RunPlan, keep: KeepImages) -> Result<Self, StoreError> {
        plan.check(dir)?;
        let lock = open::claim_new(dir)?;
        let database = open::create(dir, plan, keep)?;
        Ok(Self { dir: dir.to_owned(), plan: plan.clone(), keep, database, lock: Some(lock) })
    }

    /// Opens a run to go on with it; this process alone may write to it. Samples on which a component failed are no
    /// longer there, to be done again.
    ///
    /// # Errors
    /// The folder holds no run, its database is damaged, another process is at work in it, or the run was begun under
    /// another fingerprint: settings, weights or data that differ from `plan`'s would give rows that do not belong
    /// together. A plugin's file may be another than it was where the old one failed on samples of the run.
    pub fn resume(dir: &Path, plan: &RunPlan) -> Result<Self, StoreError> {
        Self::go_on(dir, plan, false)
    }

    /// As [`RunStore::resume`], where the user says that plugins whose files changed were mended: for those that ended
    /// the process rather than failed.
    ///
    /// # Errors
    /// As [`RunStore::resume`], but for changed plugins.
    pub fn resume_mended(dir: &Path, plan: &RunPlan) -> Result<Self, StoreError> {
        Self::go_on(dir, plan, true)
    }

    fn go_on(dir: &Path, plan: &RunPlan, mended: bool) -> Result<Self, StoreError> {
        plan.check(dir)?;
        open::expect_run(dir)?;
        let lock = RunLock::take(dir)?;
        let mut database = open::open_to_write(dir)?;
        let (begun, keep) = open::read_plan(dir, &database)?;
        mended::expect_resumable(dir, &database, &begun, plan, mended)?;
        let begun = mended::reopen(dir, &mut database, begun, plan)?;
        let plan = open::add_versions(dir, &mut database, begun, plan)?;
        Ok(Self { dir: dir.to_owned(), plan, keep, database, lock: Some(lock) })
    }

    /// Opens a run to look at it, also while another process writes.
    ///
    /// # Errors
    /// The folder holds no run, or its database is damaged.
    pub fn read(dir: &Path) -> Result<Self, StoreError> {
        open::expect_run(dir)?;
        let database = open::open_to_read(dir)?;
        let (plan, keep) = open::read_plan(dir, &database)?;
        Ok(Self { dir: dir.to_owned(), plan, keep, database, lock: None })
    }

    /// The run's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the run was to do.
    pub fn plan(&self) -> &RunPlan {
        &self.plan
    }

    /// Indices of the samples of a cell that are finished, in every way a sample can end.
    ///
    /// # Errors
    /// The cell is not of this run, or the database cannot be read.
    pub fn finished(&self, cell: &str) -> Result<BTreeSet<usize>, StoreError> {
        self.plan.cell(cell, &self.dir)?;
        rows::finished(&self.database, cell).asking(&self.dir, "list finished samples")
    }

    /// Adds finished samples: rows, steps and images, all of them or, after an error or a crash, none.
    ///
    /// # Errors
    /// A sample is finished already or lies outside the plan, the store was opened to read, or the disk is full.
    pub fn commit(&mut self, cell: &str, batch: &[Perturbed]) -> Result<(), StoreError> {
        self.expect_writable()?;
        self.plan.cell(cell, &self.dir)?.expect_new(cell, batch, &self.finished(cell)?, &self.dir)?;
        let keep = self.keep;
        let mut add = || -> Result<(), rusqlite::Error> {
            let transaction = self.database.transaction()?;
            rows::insert(&transaction, cell, batch)?;
            images::insert(&transaction, cell, batch, keep)?;
            transaction.commit()
        };
        add().asking(&self.dir, "add a batch of samples")
    }

    /// All finished samples of a cell with their steps, in order of their index.
    ///
    /// # Errors
    /// The cell is not of this run, or the database cannot be read.
    pub fn records(&self, cell: &str) -> Result<Vec<SampleRecord>, StoreError> {
        self.plan.cell(cell, &self.dir)?;
        rows::read(&self.database, cell).asking(&self.dir, "read samples")
    }

    /// Original, reconstruction and final image of a finished sample.
    ///
    /// # Errors
    /// There is no such sample, or its images are damaged.
    pub fn images(&self, cell: &str, index: usize) -> Result<SampleImages, StoreError> {
        self.plan.cell(cell, &self.dir)?;
        let found = images::read(&self.database, cell, index).asking(&self.dir, "read images")?;
        found.ok_or_else(|| StoreError::Sample {
            dir: self.dir.clone(),
            cell: cell.to_owned(),
            index,
            problem: "is not finished, so it has no images".to_owned(),
        })
    }

    /// Keeps a fact about a cell (a wall time, what was seen of the logits), in place of what `key` held before.
    ///
    /// # Errors
    /// The cell is not of this run, the store was opened to read, or the disk is full.
    pub fn note(&mut self, cell: &str, key: &str, value: &serde_json::Value) -> Result<(), StoreError> {
        self.expect_writable()?;
        self.plan.cell(cell, &self.dir)?;
        self.database
            .execute("INSERT OR REPLACE INTO notes (cell, key, value) VALUES (?, ?, ?)", (cell, key, value.to_string()))
            .map(|_| ())
            .asking(&self.dir, "keep a note")
    }

    /// All facts kept about a cell.
    ///
    /// # Errors
    /// The cell is not of this run, or the database cannot be read.
    pub fn notes(&self, cell: &str) -> Result<BTreeMap<String, serde_json::Value>, StoreError> {
        self.plan.cell(cell, &self.dir)?;
        let read = || -> Result<_, rusqlite::Error> {
            let mut statement = self.database.prepare_cached("SELECT key, value FROM notes WHERE cell = ?")?;
            let notes = statement.query_map([cell], |row| {
                let text: String = row.get(1)?;
                let value = serde_json::from_str(&text).map_err(|e| rows::unreadable(1, e))?;
                Ok((row.get(0)?, value))
            })?;
            notes.collect()
        };
        read().asking(&self.dir, "read notes")
    }

    /// One fact kept about a cell.
    ///
    /// # Errors
    /// As [`RunStore::notes`].
    pub fn noted(&self, cell: &str, key: &str) -> Result<Option<serde_json::Value>, StoreError> {
        Ok(self.notes(cell)?.remove(key))
    }

    /// Plugins of a cell whose files were replaced when the run was resumed, in order.
    ///
    /// # Errors
    /// As [`RunStore::notes`].
    pub fn replaced_plugins(&self, cell: &str) -> Result<Vec<ReplacedPlugin>, StoreError> {
        self.plan.cell(cell, &self.dir)?;
        mended::read(&self.database, cell).asking(&self.dir, "read which plugins were replaced")
    }

    fn expect_writable(&self) -> Result<(), StoreError> {
        if self.lock.is_some() {
            return Ok(());
        }
        Err(StoreError::OpenedToRead { dir: self.dir.clone() })
    }

    /// Number of finished samples of a cell.
    ///
    /// # Errors
    /// The cell is not of this run, or the database cannot be read.
    pub fn count(&self, cell: &str) -> Result<usize, StoreError> {
        self.plan.cell(cell, &self.dir)?;
        self.database
            .query_row("SELECT count(*) FROM samples WHERE cell = ?", [cell], |row| row.get::<_, i64>(0))
            .optional()
            .map(|n| n.and_then(|n| usize::try_from(n).ok()).unwrap_or(0))
            .asking(&self.dir, "count samples")
    }
}

#[cfg(test)]
mod export_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod toy;
