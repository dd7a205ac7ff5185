//! A run: rows one after the other, batches side by side, results committed as they come.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fmr_core::perturb::{AnswerCache, PerturbError, Perturber, Workers};
use fmr_core::validity::RepeatCheck;
use fmr_experiment::{MinimalFiltering, SideBySide};
use fmr_mask::MaskError;
use fmr_nn::kernels::winograd::{Tile, limit_this_thread};
use fmr_store::{ComponentNames, Keep, Part, RunPlan, RunStore, StoreError};

use crate::cache::{Caches, FolderCache};
use crate::components::loaded_plugins;
use crate::error::Error;
use crate::events::{Begun, Events, Phase};
use crate::interrupt::Interrupt;
use crate::masks::{self, LearnedMask, RowMask};
use crate::plan::{self, Estimate};
use crate::prepare::{Prepared, PreparedRow, ReadyRow};
use crate::{members, spread, transfer};

/// Images that a further target or oracle is shown together.
const SHOWN_TOGETHER: usize = 32;

/// Runs experiments.
///
/// ```no_run
/// use fmr::experiment::{Changes, Experiment};
///
/// let runner = fmr::Runner::default();
/// let experiment = Experiment::read("experiments/table1.toml".as_ref(), &Changes::default())?;
/// let registry = fmr::registry_of(&experiment, &runner.interrupt);
/// let prepared = fmr::prepare(experiment, &registry)?;
/// let run = runner.run(&prepared, None)?;
/// println!("{}", fmr::report::write(&prepared.experiment, &run.store)?.report);
/// # Ok::<(), fmr::Error>(())
/// ```
#[derive(Clone)]
pub struct Runner<'a> {
    /// Ends runs early.
    pub interrupt: Interrupt,
    /// Told what happens.
    pub events: &'a dyn Events,
    /// The part of each row's images that a new run does; [`merge`](crate::merge) makes one run of all parts. A resumed
    /// run keeps its own part.
    pub part: Part,
}

impl Default for Runner<'_> {
    fn default() -> Self {
        Self { interrupt: Interrupt::default(), events: &(), part: Part::WHOLE }
    }
}

/// A run whose rows are all done. [`report::write`](crate::report::write) says what it found.
#[derive(Debug)]
pub struct FinishedRun {
    /// Its results.
    pub store: RunStore,
}

impl FinishedRun {
    /// Its folder.
    pub fn dir(&self) -> &Path {
        self.store.dir()
    }
}

impl Runner<'_> {
    /// Runs an experiment from the start, in `dir` or in a new folder below the experiment's `run.folder`.
    ///
    /// # Errors
    /// Nothing can run here, the folder cannot be used, a component ends the run, or the user does.
    pub fn run(&self, prepared: &Prepared, dir: Option<&Path>) -> Result<FinishedRun, Error> {
        let plan = plan(prepared, self.part)?;
        let run = &prepared.experiment.run;
        let keep = Keep { exact_finals: run.keep_exact_finals, latents: run.keep_latents };
        let store = match dir {
            Some(dir) => RunStore::create_keeping(dir, &plan, keep)?,
            None => create_numbered(&run.folder, &plan, keep)?,
        };
        self.work(prepared, store)
    }

    /// Resumes a run; `prepared` is made of the experiment that the run keeps. Samples on which a component failed are
    /// done again.
    ///
    /// # Errors
    /// As [`Runner::run`], and a run that was begun with other settings, weights or data, or with other files of plugins
    /// that did not fail.
    pub fn resume(&self, prepared: &Prepared, dir: &Path) -> Result<FinishedRun, Error> {
        self.work(prepared, RunStore::resume(dir, &plan(prepared, self.part)?)?)
    }

    /// As [`Runner::resume`], where plugins whose files changed were mended after they ended the process.
    ///
    /// # Errors
    /// As [`Runner::resume`], but for changed plugins.
    pub fn resume_mended(&self, prepared: &Prepared, dir: &Path) -> Result<FinishedRun, Error> {
        self.work(prepared, RunStore::resume_mended(dir, &plan(prepared, self.part)?)?)
    }

    /// Whether a folder holds this run, finished. False where there is no run.
    ///
    /// # Errors
    /// It holds a different one, or cannot be read.
    pub fn is_done_in(&self, prepared: &Prepared, dir: &Path) -> Result<bool, Error> {
        if !RunStore::is_in(dir) {
            return Ok(false);
        }
        let store = RunStore::read(dir)?;
        store.expect_work(&plan(prepared, self.part)?)?;
        Ok(store.is_finished()?)
    }

    fn work(&self, prepared: &Prepared, mut store: RunStore) -> Result<FinishedRun, Error> {
        let part = store.plan().part;
        let mut left = BTreeMap::new();
        let mut done = 0;
        let mut said = BTreeSet::new();
        for row in prepared.ready() {
            for remark in row.remarks.iter().filter(|remark| said.insert((&row.settings.data, *remark))) {
                self.events.warning(&format!("{}: {remark}", row.settings.data));
            }
            let finished = store.finished(&row.plan.id)?;
            done += finished.len();
            left.insert(
                &row.plan.id,
                (0..row.plan.samples).filter(|i| part.holds(*i) && !finished.contains(i)).collect::<Vec<_>>(),
            );
        }
        let images = done + left.values().map(Vec::len).sum::<usize>() + to_learn(prepared, &store);
        self.events.begun(Begun::new(Some(store.dir()), images, done));
        let caches = Caches::of(prepared, store.dir());
        for row in prepared.ready() {
            let (left, store, cache) = (&left[&row.plan.id], &mut store, caches.of_row(row));
            self.with_workers(prepared, |workers| {
                let shared = Shared { cache: cache.as_ref(), mask: caches.mask_of(row) };
                self.row(row, left, prepared.experiment.run.repeat, &shared, workers, store)
            })?;
        }
        self.show_to_others(prepared, &mut store)?;
        if let Err(error) = caches.remove() {
            self.events.warning(&format!("the run's cache could not be removed: {error}"));
        }
        self.events.finished();
        Ok(FinishedRun { store })
    }

    /// Shows the images of a run to the further targets and oracles of its experiment (`evaluate.also`, `evaluate.oracles`). What
    /// they have seen is not shown to them again.
    ///
    /// # Errors
    /// A component fails, the run keeps no exact final images, a different process works in its folder, or the user stops it.
    pub fn transfer(&self, prepared: &Prepared, dir: &Path) -> Result<FinishedRun, Error> {
        let mut store = RunStore::open_to_judge(dir)?;
        self.show_to_others(prepared, &mut store)?;
        Ok(FinishedRun { store })
    }

    fn show_to_others(&self, prepared: &Prepared, store: &mut RunStore) -> Result<(), Error> {
        for row in prepared.ready().filter(|row| transfer::audience(row).next().is_some()) {
            self.events.row(&row.plan.title, Phase::Transfer);
            for viewer in transfer::audience(row) {
                transfer::show(row, viewer, SHOWN_TOGETHER, &self.interrupt, store)?;
            }
        }
        Ok(())
    }

    /// Learns the mask of a row as its table says, without a run's folder. `None` where the user stopped it.
    ///
    /// # Errors
    /// As [`learn_mask`](crate::learn_mask), or the row learns no mask.
    pub fn learn(&self, prepared: &Prepared, row: &ReadyRow) -> Result<Option<LearnedMask>, Error> {
        let Some((mask, samples)) = row.mask.as_ref().and_then(RowMask::learns) else {
            return Err(Error::mask(row, MaskError::Data("the row learns no mask".to_owned())));
        };
        self.events.begun(Begun::new(None, samples.len(), 0));
        let learned = self.with_workers(prepared, |workers| {
            let spread = match row.settings.search.images_for_spread() {
                0 => None,
                images => {
                    self.events.row(&row.plan.title, Phase::Spread);
                    let Some(spread) = spread::measure(row, workers, None, images)? else { return Ok(None) };
                    Some(spread)
                }
            };
            self.events.row(&row.plan.title, Phase::Mask);
            masks::learn_mask(row, mask, samples, spread.as_ref(), workers, |batch| self.events.batch(batch))
        })?;
        if learned.is_some() {
            self.events.finished();
        }
        Ok(learned)
    }

    /// What a row is expected to cost here: runs a few short searches.
    ///
    /// # Errors
    /// A component fails on the row's first images.
    pub fn plan(&self, prepared: &Prepared, row: &ReadyRow) -> Result<Estimate, Error> {
        self.with_workers(prepared, |workers| plan::estimate(row, workers))
    }

    /// Workers as the `[run]` table asks for them.
    pub(crate) fn with_workers<T>(&self, prepared: &Prepared, work: impl FnOnce(&Workers<'_>) -> T) -> T {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let SideBySide { lanes: threads, batch } = prepared.experiment.run.side_by_side(cores);
        // Events stay on this thread; workers see the interrupt alone.
        let interrupt = &self.interrupt;
        let largest = match prepared.experiment.run.minimal_filtering {
            MinimalFiltering::Four => Some(Tile::Four),
            MinimalFiltering::Two => Some(Tile::Two),
            MinimalFiltering::Off => None,
        };
        let told = RefCell::new(Vec::new());
        work(&Workers {
            threads,
            batch,
            // A worker's kernels must not start threads of their own where workers fill the cores already.
            enter: &|| {
                fmr_core::threads::set_budget((threads > 1).then_some(std::num::NonZeroUsize::MIN));
                limit_this_thread(largest);
            },
            go_on: &|| !interrupt.asked(),
            tick: &|| {
                let now = prepared.progress.now();
                if now != *told.borrow() {
                    self.events.working(&now);
                    told.replace(now);
                }
            },
        })
    }

    /// Perturbs the samples `left` of a row, and `repeats` of them once more.
    fn row(
        &self,
        row: &ReadyRow,
        left: &[usize],
        repeats: usize,
        shared: &Shared<'_>,
        workers: &Workers<'_>,
        store: &mut RunStore,
    ) -> Result<(), Error> {
        let id = &row.plan.id;
        let components = ComponentNames {
            target: row.target.spec().name.clone(),
            generator: row.generator.spec().name.clone(),
            oracle: row.oracle.name().to_owned(),
            target_preprocessing: row.target.preprocessing(),
            oracle_preprocessing: row.oracle.preprocessing(),
        };
        store.update_facts(id, |facts| {
            facts.components = Some(components);
            facts.published_accuracy = row.published_accuracy;
            facts.remarks.clone_from(&row.remarks);
        })?;
        let cache = shared.cache.map(|cache| cache as &dyn AnswerCache);
        self.events.row(&row.plan.title, Phase::Spread);
        let spread = spread::ready(row, workers, cache, store)?;
        self.events.row(&row.plan.title, Phase::Mask);
        let mask = masks::ready(row, spread.as_ref(), workers, shared.mask.as_deref(), store, |batch| {
            self.events.batch(batch)
        })?;
        let perturber =
            Perturber { spread: spread.as_ref(), observer: &self.interrupt, ..row.perturber(mask.as_deref()) };
        self.events.row(&row.plan.title, Phase::Measure);
        let mut clock = Clock::start();
        let mut check = RepeatCheck::new(repeats);
        // The repeat check asks everybody again, so that it sees a component that answers differently.
        let cached = Perturber { cache, ..perturber };
        workers.run::<Error>(&cached, left, &|positions| Ok(row.samples.batch(positions)?), |batch| {
            // The answers first: a sample that is finished has all of them, whenever the process ends.
            members::ask(row, &batch, store)?;
            store.commit(id, &batch, clock.since_last())?;
            check.keep(&batch);
            self.events.batch(&batch);
            Ok(())
        })?;
        let interrupted = |store: &RunStore| Error::Interrupted { dir: store.dir().to_owned() };
        if self.interrupt.asked() {
            return Err(interrupted(store));
        }
        // Samples that were taken up again may be among those that are done twice.
        if !left.is_empty() || store.facts(id)?.repeated.is_none() {
            let again = |index: usize| Ok(row.samples.batch(&[index])?);
            let repeated = match check.run(&perturber, &store.records(id)?, again) {
                Err(Error::Perturb(PerturbError::Cancelled)) if self.interrupt.asked() => {
                    return Err(interrupted(store));
                }
                repeated => repeated?,
            };
            store.update_facts(id, |facts| facts.repeated = Some(repeated))?;
        }
        Ok(())
    }
}

/// What a row shares with other rows and runs.
struct Shared<'c> {
    cache: Option<&'c FolderCache>,
    /// Where the mask is kept that it learns.
    mask: Option<PathBuf>,
}

/// Images to be perturbed to learn masks from.
fn to_learn(prepared: &Prepared, store: &RunStore) -> usize {
    let missing = |row: &&ReadyRow| !masks::path_in(store.dir(), row).exists();
    let learns = |row: &ReadyRow| row.mask.as_ref().and_then(RowMask::learns).map_or(0, |(_, samples)| samples.len());
    prepared.ready().filter(missing).map(learns).sum()
}

/// The run as the store keeps it.
fn plan(prepared: &Prepared, part: Part) -> Result<RunPlan, Error> {
    let rows: Vec<_> = prepared.ready().map(|row| row.plan.clone()).collect();
    if rows.is_empty() {
        let lines = prepared.rows.iter().map(|row| match row {
            PreparedRow::CannotRun(row, lack) => format!("  {}: {lack}", row.id),
            PreparedRow::Ready(row) => format!("  {}: nothing", row.settings.id),
        });
        let mut needs: Vec<String> = lines.collect();
        if prepared.rows.iter().any(|row| matches!(row, PreparedRow::CannotRun(_, lack) if lack.is_published())) {
            needs.push(format!("`fmr fetch {}` downloads what is published", prepared.experiment.file().display()));
        }
        return Err(Error::NothingToRun { file: prepared.experiment.file().to_owned(), needs: needs.join("\n") });
    }
    let versions = [("fmr", env!("CARGO_PKG_VERSION")), ("target", std::env::consts::ARCH)];
    let versions = versions.map(|(name, version)| (name.to_owned(), version.to_owned()));
    Ok(RunPlan {
        name: prepared.experiment.name.clone(),
        experiment: prepared.experiment.resolved(),
        rows,
        versions: versions.into_iter().chain(loaded_plugins()).collect(),
        part,
    })
}

/// Begins a run in the first folder `NAME-001`, `NAME-002` … that is free.
fn create_numbered(folder: &Path, plan: &RunPlan, keep: Keep) -> Result<RunStore, Error> {
    let mut number = 1;
    loop {
        let dir = folder.join(format!("{}-{number:03}", fmr_files::safe_name(&plan.name)));
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

/// Time spent on a row, part by part.
struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since this was asked last.
    fn since_last(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.0, now)
    }
}
