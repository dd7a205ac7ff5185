//! A run: cells one after the other, batches side by side, results committed as they come.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use fmr_core::SampleRecord;
use fmr_core::config::{MissingFiles, RunSettings};
use fmr_core::mask::MaskError;
use fmr_core::perturb::{Lanes, PerturbError, Perturbed, Perturber, Search};
use fmr_core::report::Table;
use fmr_core::store::{KeepImages, RunPlan, RunStore, StoreError};
use fmr_core::validity::{LogitsFacts, RepeatFacts};
use fmr_nn::kernels::parallel::run_serially_on_this_thread;
use serde::{Serialize, de::DeserializeOwned};

use crate::components::loaded_plugins;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::masks::{self, CellMask, LearnedMask};
use crate::prepare::{Cell, Prepared, PreparedRow};
use crate::progress::Progress;
use crate::report;

/// Key of the note that holds the seconds spent on a cell.
pub(crate) const SECONDS: &str = "seconds";
/// Key of the note that holds [`LogitsFacts`].
pub(crate) const LOGITS: &str = "logits";
/// Key of the note that holds [`RepeatFacts`].
pub(crate) const REPEATED: &str = "repeated";

/// Runs experiments.
#[derive(Debug, Clone, Default)]
pub struct Runner {
    /// Ends runs early.
    pub interrupt: Interrupt,
    /// Whether nothing is shown while it works.
    pub quiet: bool,
}

/// A finished run.
#[derive(Debug)]
pub struct Finished {
    /// Its folder.
    pub dir: PathBuf,
    /// What it found.
    pub table: Table,
}

/// The table, and the folder as the last line.
impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dir = std::path::absolute(&self.dir).unwrap_or_else(|_| self.dir.clone());
        write!(f, "{}\n{}", self.table, dir.display())
    }
}

impl Runner {
    /// Runs an experiment from the start, in `dir` or in a new folder below the experiment's `run.folder`.
    ///
    /// # Errors
    /// Nothing can run here, the folder cannot be used, a component ends the run, or the user does.
    pub fn run(&self, prepared: &Prepared, dir: Option<&Path>) -> Result<Finished, Error> {
        let plan = plan(prepared)?;
        let keep = KeepImages { exact_finals: prepared.experiment.run.keep_exact_finals };
        let store = match dir {
            Some(dir) => RunStore::create_keeping(dir, &plan, keep)?,
            None => create_numbered(&prepared.experiment.run.folder, &plan, keep)?,
        };
        self.work(prepared, store)
    }

    /// Goes on with a run; `prepared` is made of the experiment that the run keeps. Samples on which a component failed
    /// are done again.
    ///
    /// # Errors
    /// As [`Runner::run`], and a run that was begun with other settings, weights or data, or with other files of plugins
    /// that did not fail.
    pub fn resume(&self, prepared: &Prepared, dir: &Path) -> Result<Finished, Error> {
        self.work(prepared, RunStore::resume(dir, &plan(prepared)?)?)
    }

    /// As [`Runner::resume`], where plugins whose files changed were mended after they ended the process.
    ///
    /// # Errors
    /// As [`Runner::resume`], but for changed plugins.
    pub fn resume_mended(&self, prepared: &Prepared, dir: &Path) -> Result<Finished, Error> {
        self.work(prepared, RunStore::resume_mended(dir, &plan(prepared)?)?)
    }

    fn work(&self, prepared: &Prepared, mut store: RunStore) -> Result<Finished, Error> {
        let mut left = BTreeMap::new();
        for cell in prepared.cells() {
            let finished = store.finished(&cell.plan.id)?;
            left.insert(&cell.plan.id, (0..cell.plan.samples).filter(|i| !finished.contains(i)).collect::<Vec<_>>());
        }
        let progress =
            Progress::new(left.values().map(Vec::len).sum::<usize>() + to_learn(prepared, &store), self.quiet);
        for cell in prepared.cells() {
            let (left, store) = (&left[&cell.plan.id], &mut store);
            self.with_lanes(&prepared.experiment.run, |lanes| {
                self.cell((cell, left, prepared.experiment.run.repeat), lanes, store, &progress)
            })?;
        }
        progress.finish();
        let table = report::write(&prepared.experiment, &store)?;
        Ok(Finished { dir: store.dir().to_owned(), table })
    }

    /// Learns the mask of a cell as its table says, without a run's folder. `None` where the user stopped it.
    ///
    /// # Errors
    /// As [`learn_mask`](crate::learn_mask), or the cell learns no mask.
    pub fn learn(&self, prepared: &Prepared, cell: &Cell) -> Result<Option<LearnedMask>, Error> {
        let Some((mask, samples)) = cell.mask.as_ref().and_then(CellMask::learns) else {
            return Err(Error::mask(cell, MaskError::Data("the row learns no mask".to_owned())));
        };
        let progress = Progress::new(samples.len(), self.quiet);
        progress.begin(&cell.plan.title);
        let learned = self.with_lanes(&prepared.experiment.run, |lanes| {
            masks::learn_mask(cell, mask, samples, lanes, |batch| progress.add(batch))
        });
        progress.finish();
        learned
    }

    /// Lanes as the `[run]` table wants them.
    fn with_lanes<T>(&self, run: &RunSettings, work: impl FnOnce(&Lanes<'_>) -> T) -> T {
        let lanes = match run.lanes {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            lanes => lanes,
        };
        work(&Lanes {
            lanes,
            batch: run.batch,
            // A lane's kernels must not start threads of their own where lanes fill the cores already.
            enter: &|| run_serially_on_this_thread(lanes > 1),
            go_on: &|| !self.interrupt.asked(),
        })
    }

    /// Perturbs the samples `left` of a cell, and `repeats` of them once more.
    fn cell(
        &self,
        (cell, left, repeats): (&Cell, &[usize], usize),
        lanes: &Lanes<'_>,
        store: &mut RunStore,
        progress: &Progress,
    ) -> Result<(), Error> {
        let id = &cell.plan.id;
        let names = [("target", &cell.target.spec().name), ("generator", &cell.generator.spec().name)]
            .map(|(k, v)| (k, v.as_str()));
        for (key, name) in names.into_iter().chain([("oracle", cell.oracle.name())]) {
            store.note(id, key, &name.into())?;
        }
        progress.begin(&format!("mask of {}", cell.plan.title));
        let mask = masks::ready(cell, lanes, store, |batch| progress.add(batch))?;
        let perturber = perturber(cell, mask.as_deref());
        progress.begin(&cell.plan.title);
        let mut facts: LogitsFacts = noted(store, id, LOGITS)?.unwrap_or_default();
        let clock = Clock::start(noted(store, id, SECONDS)?.unwrap_or(0.0));
        lanes.run::<Error>(&perturber, left, &|positions| Ok(cell.samples.batch(positions)?), |batch| {
            store.commit(id, &batch)?;
            batch.iter().for_each(|sample| facts.add(sample.final_logits()));
            note(store, id, LOGITS, &facts)?;
            note(store, id, SECONDS, &clock.seconds())?;
            progress.add(&batch);
            Ok(())
        })?;
        let interrupted = |store: &RunStore| {
            progress.finish();
            Error::Interrupted { dir: store.dir().to_owned() }
        };
        if self.interrupt.asked() {
            return Err(interrupted(store));
        }
        // Samples that were taken up again may be among those that are done twice.
        if !left.is_empty() || noted::<RepeatFacts>(store, id, REPEATED)?.is_none() {
            let repeated = match repeat(cell, &perturber, &store.records(id)?, repeats) {
                Err(Error::Perturb(PerturbError::Cancelled)) if self.interrupt.asked() => {
                    return Err(interrupted(store));
                }
                repeated => repeated?,
            };
            note(store, id, REPEATED, &repeated)?;
        }
        Ok(())
    }
}

/// Images to be perturbed to learn masks from.
fn to_learn(prepared: &Prepared, store: &RunStore) -> usize {
    let missing = |cell: &&Cell| !masks::path_in(store.dir(), cell).exists();
    let learns = |cell: &Cell| cell.mask.as_ref().and_then(CellMask::learns).map_or(0, |(_, samples)| samples.len());
    prepared.cells().filter(missing).map(learns).sum()
}

/// What the engine needs of a cell.
pub(crate) fn perturber<'a>(cell: &'a Cell, mask: Option<&'a [f32]>) -> Perturber<'a> {
    let search: &Search = &cell.row.search;
    Perturber {
        generator: &*cell.generator,
        oracle: &*cell.oracle,
        target: &*cell.target,
        scorer: &*cell.scorer,
        search,
        verdict: &cell.verdict,
        classes: cell.plan.classes.len(),
        mask,
        observer: &(),
        cache: None,
    }
}

/// The run as the store keeps it.
fn plan(prepared: &Prepared) -> Result<RunPlan, Error> {
    let cells: Vec<_> = prepared.cells().map(|cell| cell.plan.clone()).collect();
    if cells.is_empty() {
        let lines = prepared.rows.iter().map(|row| match row {
            PreparedRow::Missing(row, files) => {
                format!("  {}: {}", row.id, files.iter().map(MissingFiles::list).collect::<Vec<_>>().join(", "))
            }
            PreparedRow::Ready(cell) => format!("  {}: nothing", cell.row.id),
        });
        let needs = lines.collect::<Vec<_>>().join("\n");
        return Err(Error::NothingToRun { file: prepared.experiment.file().to_owned(), needs });
    }
    let versions = [("fmr", env!("CARGO_PKG_VERSION")), ("target", std::env::consts::ARCH)];
    let versions = versions.map(|(name, version)| (name.to_owned(), version.to_owned()));
    Ok(RunPlan {
        name: prepared.experiment.name.clone(),
        experiment: prepared.experiment.resolved(),
        cells,
        versions: versions.into_iter().chain(loaded_plugins()).collect(),
    })
}

/// Begins a run in the first folder `NAME-001`, `NAME-002` … that is free.
fn create_numbered(folder: &Path, plan: &RunPlan, keep: KeepImages) -> Result<RunStore, Error> {
    let mut number = 1;
    loop {
        let dir = folder.join(format!("{}-{number:03}", plan.name));
        if !dir.exists() {
            match RunStore::create_keeping(&dir, plan, keep) {
                // Another process was quicker.
                Err(StoreError::Exists { .. } | StoreError::NotEmpty { .. } | StoreError::InUse { .. }) => {}
                other => return Ok(other?),
            }
        }
        number += 1;
    }
}

/// Perturbs the first `samples` samples once more, each alone, and compares.
fn repeat(
    cell: &Cell,
    perturber: &Perturber<'_>,
    records: &[SampleRecord],
    samples: usize,
) -> Result<RepeatFacts, Error> {
    let mut facts = RepeatFacts::default();
    for record in records.iter().filter(|r| !r.outcome.is_failure()).take(samples) {
        let again: Vec<Perturbed> = perturber.run(&cell.samples.batch(&[record.index])?)?;
        facts.samples += 1;
        for again in again.iter().map(|sample| &sample.record).filter(|again| !same(again, record)) {
            facts.differing += 1;
            facts.largest_difference = facts.largest_difference.max(difference(again, record));
        }
    }
    Ok(facts)
}

/// Whether two records say the same, NaN being equal to itself.
fn same(a: &SampleRecord, b: &SampleRecord) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

/// Largest difference of scores and oracle probabilities.
fn difference(a: &SampleRecord, b: &SampleRecord) -> f64 {
    let scores = [(a.score0, b.score0), (a.final_score, b.final_score)];
    let steps = a.steps.iter().zip(&b.steps).flat_map(|(a, b)| {
        let probabilities = (a.oracle_true.unwrap_or(0.0).into(), b.oracle_true.unwrap_or(0.0).into());
        [(a.score, b.score), probabilities]
    });
    scores.into_iter().chain(steps).map(|(a, b): (f64, f64)| (a - b).abs()).fold(0.0, f64::max)
}

pub(crate) fn noted<T: DeserializeOwned>(store: &RunStore, cell: &str, key: &str) -> Result<Option<T>, StoreError> {
    Ok(store.noted(cell, key)?.and_then(|value| serde_json::from_value(value).ok()))
}

pub(crate) fn note(store: &mut RunStore, cell: &str, key: &str, value: &impl Serialize) -> Result<(), StoreError> {
    store.note(cell, key, &serde_json::to_value(value).unwrap_or_default())
}

/// Seconds spent, over several processes.
struct Clock {
    before: f64,
    since: Instant,
}

impl Clock {
    fn start(before: f64) -> Self {
        Self { before, since: Instant::now() }
    }

    fn seconds(&self) -> f64 {
        self.before + self.since.elapsed().as_secs_f64()
    }
}
