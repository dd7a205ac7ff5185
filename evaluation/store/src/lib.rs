//! The run store: one folder a run, with the resolved experiment file and one SQLite database.
//!
//! ```text
//! RUN/experiment.toml   the resolved experiment file, for people
//! RUN/run.sqlite        plan, fingerprints, samples, steps, answers, facts and images
//! RUN/run.lock          held by the process that writes
//! ```
//!
//! The database is the only truth. A batch of samples is one transaction that holds everything the batch produced: rows,
//! steps, images, logits, probabilities and facts. A process that dies at any moment leaves whole batches and nothing
//! else, and what [`RunStore::finished`] lists is finished. Images are stored once, by their content. Readers may look on
//! while a process writes. Files for people (images, tables, reports) are made from the database.

mod answers;
mod browse;
mod error;
mod export;
mod facts;
mod folder;
mod images;
mod lock;
mod mended;
mod merge;
mod open;
mod part;
mod plan;
mod plan_rows;
mod publish;
mod read;
mod results;
mod schema;
mod shown;
mod value;
mod write;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fmr_core::perturb::Perturbed;
use fmr_core::{ImageHash, SampleRecord};
use fmr_data::pixels::png;
use ndarray::{Array1, Array3};
use rusqlite::Connection;

pub use self::answers::{Judge, JudgeRole};
pub use self::browse::{ImageRole, Outline};
use self::error::Asking as _;
pub use self::error::StoreError;
pub use self::export::{sample_fields, step_fields};
pub use self::facts::{ComponentNames, FactsConflict, RowFacts};
use self::lock::RunLock;
pub use self::mended::ReplacedPlugin;
pub use self::part::{Part, PartError};
pub use self::plan::{RowPlan, RunPlan, file_name};
pub use self::publish::Published;
pub use self::results::{RowResults, RunResults};
pub use self::shown::{SampleImages, SampleShown, Shown};

/// Name of the experiment file inside a run's folder.
pub const EXPERIMENT_FILE: &str = "experiment.toml";
/// Name of the database inside a run's folder.
pub const DATABASE_FILE: &str = "run.sqlite";

/// What a new run keeps of each sample beyond its record, images and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Final images with all their digits, so that other oracles and targets can judge exactly what was judged; else
    /// rounded to 8 bits, as originals and reconstructions always are, in roughly half the space.
    pub exact_finals: bool,
    /// Latents of final images.
    pub latents: bool,
}

impl Default for Keep {
    fn default() -> Self {
        Self { exact_finals: true, latents: false }
    }
}

/// A run's results on disk.
///
/// ```
/// use fmr_store::{Part, RowPlan, RunPlan, RunStore};
///
/// # let home = tempfile::tempdir().unwrap();
/// # let dir = home.path().join("digits-001");
/// let row = RowPlan {
///     id: "digits/lenet".to_owned(),
///     title: "MNIST · LeNet".to_owned(),
///     samples: 100,
///     classes: (0..10).map(|digit| digit.to_string()).collect(),
///     fingerprint: [("target.weights".to_owned(), "60303ae22b99".to_owned())].into(),
/// };
/// let plan = RunPlan {
///     name: "digits".to_owned(),
///     experiment: String::new(),
///     rows: vec![row],
///     versions: [].into(),
///     part: Part::WHOLE,
/// };
/// drop(RunStore::create(&dir, &plan)?);
///
/// // A later process goes on where the first one ended, with the same plan alone.
/// let store = RunStore::resume(&dir, &plan)?;
/// assert_eq!(store.finished("digits/lenet")?.len(), 0);
/// drop(store);
/// let mut other = plan.clone();
/// other.rows[0].fingerprint.insert("target.weights".to_owned(), "fd61a03af4f7".to_owned());
/// assert!(RunStore::resume(&dir, &other).unwrap_err().to_string().contains("target.weights"));
/// # Ok::<(), fmr_store::StoreError>(())
/// ```
#[derive(Debug)]
pub struct RunStore {
    dir: PathBuf,
    plan: RunPlan,
    keep: Keep,
    database: Connection,
    /// Absent for a reader. Held until the store is dropped or the process ends.
    lock: Option<RunLock>,
}

impl RunStore {
    /// Whether a folder holds a run, or the beginning of one.
    pub fn is_in(dir: &Path) -> bool {
        open::expect_run(dir).is_ok() && open::expect_new(dir).is_err()
    }

    /// Begins a run in a new or empty folder, which this process alone may write to.
    ///
    /// # Errors
    /// The folder holds a run or other files, cannot be written, or another process is at work in it.
    pub fn create(dir: &Path, plan: &RunPlan) -> Result<Self, StoreError> {
        Self::create_keeping(dir, plan, Keep::default())
    }

    /// As [`RunStore::create`], with a choice of what is kept of samples.
    ///
    /// # Errors
    /// As [`RunStore::create`].
    pub fn create_keeping(dir: &Path, plan: &RunPlan, keep: Keep) -> Result<Self, StoreError> {
        plan.check(dir)?;
        let lock = open::claim_new(dir)?;
        let database = open::create(dir, plan, keep)?;
        Ok(Self { dir: dir.to_owned(), plan: plan.clone(), keep, database, lock: Some(lock) })
    }

    /// Whether a run could begin in a folder, before the work of preparing one.
    ///
    /// # Errors
    /// The folder holds a run or other files.
    pub fn expect_new(dir: &Path) -> Result<(), StoreError> {
        open::expect_new(dir)
    }

    /// Opens a run to go on with it; this process alone may write to it. Samples on which a component failed are no
    /// longer there, to be done again.
    ///
    /// # Errors
    /// The folder holds no run, its database is damaged, another process is at work in it, or the run was begun under
    /// another fingerprint: settings, weights or data that differ from `plan`'s would give rows that do not belong
    /// together. A plugin's file may be another than it was where the old one failed on samples of the run. The part of
    /// the images stays the run's, whatever `plan` says.
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
        let Self { dir, plan: begun, keep, mut database, lock } = Self::open_to_judge(dir)?;
        mended::expect_resumable(&dir, &database, &begun, plan, mended)?;
        let begun = mended::reopen(&dir, &mut database, begun, plan)?;
        let plan = open::add_versions(&dir, &mut database, begun, plan)?;
        Ok(Self { dir, plan, keep, database, lock })
    }

    /// Opens a run to add answers of further judges; this process alone may write to it.
    ///
    /// # Errors
    /// The folder holds no run, its database is damaged, or another process is at work in it.
    pub fn open_to_judge(dir: &Path) -> Result<Self, StoreError> {
        open::expect_run(dir)?;
        let lock = RunLock::take(dir)?;
        let database = open::open_to_write(dir)?;
        let (plan, keep) = open::read_plan(dir, &database)?;
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

    /// Indices of the samples of a row that are finished, in every way a sample can end.
    ///
    /// # Errors
    /// The row is not of this run, or the database cannot be read.
    pub fn finished(&self, row: &str) -> Result<BTreeSet<usize>, StoreError> {
        let row = self.plan.number(row, &self.dir)?;
        read::finished(&self.database, row).asking(&self.dir, "list finished samples")
    }

    /// Number of finished samples of a row.
    ///
    /// # Errors
    /// As [`RunStore::finished`].
    pub fn count(&self, row: &str) -> Result<usize, StoreError> {
        Ok(self.finished(row)?.len())
    }

    /// Adds finished samples, which took `spent` of wall time: everything that is known of them and their part in the
    /// row's facts, all of it or, after an error or a crash, nothing. Takes as long however many samples are finished.
    ///
    /// # Errors
    /// A sample is finished already or lies outside the plan, the store was opened to read, or the disk is full.
    pub fn commit(&mut self, row: &str, batch: &[Perturbed], spent: Duration) -> Result<(), StoreError> {
        self.expect_writable()?;
        let number = self.plan.number(row, &self.dir)?;
        let (plan, keep) = (&self.plan.rows[number], self.keep);
        plan.expect_planned(batch, self.plan.part, &self.dir)?;
        let mut add = || -> Result<Option<usize>, rusqlite::Error> {
            let transaction = self.database.transaction()?;
            let mut facts = facts::read(&transaction, number)?;
            let judges = answers::of_row(&transaction, plan, &facts)?;
            if let Some(known) = write::insert(&transaction, number, batch)? {
                return Ok(Some(known));
            }
            shown::insert(&transaction, number, batch, &judges, keep)?;
            facts.merge(&RowFacts::of_batch(batch, spent.as_secs_f64())).map_err(value::unwritable)?;
            facts::write(&transaction, number, &facts)?;
            transaction.commit()?;
            Ok(None)
        };
        match add().asking(&self.dir, "add a batch of samples")? {
            None => Ok(()),
            Some(index) => Err(self.sample(number, index, "cannot be added: it is there already")),
        }
    }

    /// All finished samples of a row with their steps, in order of their index.
    ///
    /// # Errors
    /// The row is not of this run, or the database cannot be read.
    pub fn records(&self, row: &str) -> Result<Vec<SampleRecord>, StoreError> {
        let number = self.plan.number(row, &self.dir)?;
        let (row, part) = (&self.plan.rows[number], self.plan.part);
        read::records(&self.database, number, row, part).asking(&self.dir, "read samples")
    }

    /// The three images of a finished sample by name, and what the row's target and oracle answered about each, to the
    /// last bit.
    ///
    /// # Errors
    /// There is no such sample, or the database cannot be read.
    pub fn shown(&self, row: &str, index: usize) -> Result<SampleShown, StoreError> {
        let number = self.plan.number(row, &self.dir)?;
        let found = shown::read(&self.database, number, index).asking(&self.dir, "read answers")?;
        found.ok_or_else(|| self.sample(number, index, "is not finished, so it has no images"))
    }

    /// Original, reconstruction and final image of a finished sample, as they are kept.
    ///
    /// # Errors
    /// There is no such sample, or its images are damaged.
    pub fn images(&self, row: &str, index: usize) -> Result<SampleImages, StoreError> {
        let SampleShown { original, reconstruction, final_image } = self.shown(row, index)?;
        let image = |shown: Shown| self.image(&shown.image);
        Ok(SampleImages {
            original: image(original)?,
            reconstruction: image(reconstruction)?,
            final_image: image(final_image)?,
        })
    }

    /// The same as PNG files of 8 bits.
    ///
    /// # Errors
    /// As [`RunStore::images`], or they are neither grey nor RGB.
    pub fn pngs(&self, row: &str, index: usize) -> Result<[Vec<u8>; 3], StoreError> {
        let SampleShown { original, reconstruction, final_image } = self.shown(row, index)?;
        Ok([self.png(&original.image)?, self.png(&reconstruction.image)?, self.png(&final_image.image)?])
    }

    /// An image by its hash: [`Shown::image`].
    ///
    /// # Errors
    /// The run does not keep it, or it is damaged.
    pub fn image(&self, hash: &ImageHash) -> Result<Array3<f32>, StoreError> {
        Ok(self.kept(hash)?.0)
    }

    fn png(&self, hash: &ImageHash) -> Result<Vec<u8>, StoreError> {
        match self.kept(hash)? {
            (_, Some(png)) => Ok(png),
            (image, None) => png(image.view()).map_err(|problem| StoreError::Picture {
                dir: self.dir.clone(),
                image: *hash,
                problem,
            }),
        }
    }

    fn kept(&self, hash: &ImageHash) -> Result<images::Kept, StoreError> {
        let found = images::read_kept(&self.database, hash).asking(&self.dir, "read an image")?;
        found.ok_or_else(|| {
            let problem = format!("it lacks the image {hash}");
            StoreError::Damaged { path: self.dir.join(DATABASE_FILE), problem }
        })
    }

    /// The latent of a sample's final image; `None` where the run keeps none, and for samples that are not finished.
    ///
    /// # Errors
    /// The row is not of this run, or the database cannot be read.
    pub fn latent(&self, row: &str, index: usize) -> Result<Option<Array1<f32>>, StoreError> {
        let number = self.plan.number(row, &self.dir)?;
        shown::latent(&self.database, number, index).asking(&self.dir, "read a latent")
    }

    /// What is known of a row beyond its samples.
    ///
    /// # Errors
    /// The row is not of this run, or the database cannot be read.
    pub fn facts(&self, row: &str) -> Result<RowFacts, StoreError> {
        let number = self.plan.number(row, &self.dir)?;
        facts::read(&self.database, number).asking(&self.dir, "read facts")
    }

    /// Changes what is known of a row, in one transaction.
    ///
    /// # Errors
    /// The row is not of this run, the store was opened to read, or the disk is full.
    pub fn update_facts(&mut self, row: &str, change: impl FnOnce(&mut RowFacts)) -> Result<(), StoreError> {
        self.expect_writable()?;
        let number = self.plan.number(row, &self.dir)?;
        let update = || -> Result<(), rusqlite::Error> {
            let transaction = self.database.transaction()?;
            let mut facts = facts::read(&transaction, number)?;
            change(&mut facts);
            facts::write(&transaction, number, &facts)?;
            transaction.commit()
        };
        update().asking(&self.dir, "keep facts")
    }

    /// Plugins of a row whose files were replaced when the run was resumed, in order.
    ///
    /// # Errors
    /// The row is not of this run, or the database cannot be read.
    pub fn replaced_plugins(&self, row: &str) -> Result<Vec<ReplacedPlugin>, StoreError> {
        let number = self.plan.number(row, &self.dir)?;
        mended::replaced(&self.database, number).asking(&self.dir, "read which plugins were replaced")
    }

    /// Adds answers of a judge about images, one value a class, in the place of those that it gave before: all of them
    /// or, after an error, none. The hashes are those of exactly the pixels that the judge was shown.
    ///
    /// # Errors
    /// An answer has not one value for each class, the store was opened to read, or the disk is full.
    pub fn put_answers(
        &mut self,
        judge: &Judge,
        classes: &[String],
        answers: &[(ImageHash, Vec<f32>)],
    ) -> Result<(), StoreError> {
        self.expect_writable()?;
        if let Some((image, answer)) = answers.iter().find(|(_, answer)| answer.len() != classes.len()) {
            return Err(StoreError::Answer {
                dir: self.dir.clone(),
                image: *image,
                values: answer.len(),
                classes: classes.len(),
            });
        }
        let mut add = || -> Result<(), rusqlite::Error> {
            let transaction = self.database.transaction()?;
            answers::put(&transaction, judge, classes, answers)?;
            transaction.commit()
        };
        add().asking(&self.dir, "add answers")
    }

    /// What a judge says about an image, one value a class; `None` where it was not asked. The row's own targets and
    /// oracles ([`RowPlan::target`], [`RowPlan::oracle`]) answer as further judges do. Where a judge was asked several
    /// times in the course of a run, its first answer counts.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn answer(&self, judge: &Judge, classes: &[String], image: &ImageHash) -> Result<Option<Vec<f32>>, StoreError> {
        answers::get(&self.database, judge, classes, image).asking(&self.dir, "read answers")
    }

    /// All judges on record: targets and oracles of the rows, and further ones.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn judges(&self) -> Result<Vec<Judge>, StoreError> {
        let judges = answers::numbered_judges(&self.database).asking(&self.dir, "list judges")?;
        Ok(judges.into_iter().map(|(_, judge)| judge).collect())
    }

    fn expect_writable(&self) -> Result<(), StoreError> {
        if self.lock.is_some() {
            return Ok(());
        }
        Err(StoreError::OpenedToRead { dir: self.dir.clone() })
    }

    fn sample(&self, row: usize, index: usize, problem: &str) -> StoreError {
        let row = self.plan.rows[row].id.clone();
        StoreError::Sample { dir: self.dir.clone(), row, index, problem: problem.to_owned() }
    }
}

#[cfg(test)]
mod export_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod toy;
