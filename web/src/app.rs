//! What pages are made from: runs, and what is kept of them between requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fmr_experiment::{Changes, Experiment};
use fmr_store::{EXPERIMENT_FILE, RunPlan, RunStore, StoreError};

use crate::error::WebError;
use crate::listing::Listing;
use crate::people::People;
use crate::runs::{Run, Runs};

/// The tables and charts of a run, as pages show them.
#[derive(Debug, Clone)]
pub struct Tables {
    /// Title of the experiment.
    pub title: String,
    /// A piece of HTML, as `fmr_report::Page::body` makes it.
    pub body: String,
}

/// Makes the tables of a run; errors in a sentence.
pub type MakeTables = dyn Fn(&RunStore) -> Result<Tables, String> + Send + Sync;

/// Something that was made of the finished samples of a run.
struct Kept<T> {
    value: Arc<T>,
    /// Samples that were finished then.
    done: usize,
    made: Instant,
    /// How long it took.
    took: Duration,
    /// When the samples were counted last.
    counted: Instant,
    /// Whether it is being made anew.
    renewing: bool,
}

/// What is kept under each key. A request for something that is being made for the first time waits.
type Cache<K, T> = Mutex<BTreeMap<K, Arc<Mutex<Option<Kept<T>>>>>>;

/// Samples are counted at most this often.
const COUNT: Duration = Duration::from_secs(1);
/// What a run under way has outdated is made anew at most this often, and at most a tenth of the time.
const ANEW: Duration = Duration::from_secs(3);

/// Runs that are read before anybody asks.
const WARM: usize = 8;

/// The state of a server, or of the making of a site.
pub struct App {
    /// The runs.
    pub runs: Runs,
    /// Who is asked about images, where somebody is.
    pub people: Option<People>,
    make: Box<MakeTables>,
    tables: Cache<String, Tables>,
    listings: Cache<(String, usize), Listing>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "App({:?})", self.runs)
    }
}

impl App {
    /// Of runs, and of what makes their tables.
    pub fn new(runs: Runs, make: Box<MakeTables>) -> Self {
        Self { runs, people: None, make, tables: Mutex::default(), listings: Mutex::default() }
    }

    /// The same with people who are asked about images.
    #[must_use]
    pub fn asking(self, people: People) -> Self {
        Self { people: Some(people), ..self }
    }

    /// A run by its name in addresses.
    ///
    /// # Errors
    /// There is none.
    pub fn run(&self, slug: &str) -> Result<Arc<Run>, WebError> {
        self.runs.get(slug).ok_or_else(|| WebError::NotFound(format!("run {slug:?}")))
    }

    /// The tables of a run.
    ///
    /// # Errors
    /// The run cannot be read.
    pub fn tables(&self, run: &Run) -> Result<Arc<Tables>, WebError> {
        let count = || run.look(|store| Ok::<_, WebError>(counts(store)?.iter().map(|row| row.done).sum()));
        let make = || run.look(|store| (self.make)(store).map_err(WebError::Report));
        kept(&self.tables, run.slug.clone(), count, make)
    }

    /// The finished samples of a row.
    ///
    /// # Errors
    /// There is no such row, or the run cannot be read.
    pub fn listing(&self, run: &Run, row: usize) -> Result<Arc<Listing>, WebError> {
        let id = |store: &RunStore| row_id(store.plan(), row);
        let count = || run.look(|store| Ok::<_, WebError>(store.done(&id(store)?)?));
        let make = || run.look(|store| Ok::<_, WebError>(Listing { outlines: store.outlines(&id(store)?)? }));
        kept(&self.listings, (run.slug.clone(), row), count, make)
    }

    /// Reads the newest runs, so that the first readers need not wait.
    pub(crate) fn warm(&self) {
        for run in self.runs.list().iter().rev().take(WARM) {
            // What cannot be read says so where it is asked for.
            let rows = self.plan(run).map_or(0, |plan| plan.rows.len());
            for row in 0..rows {
                let _ = self.listing(run, row);
            }
            let _ = self.tables(run);
        }
    }

    /// What a run was to do.
    ///
    /// # Errors
    /// The run cannot be read.
    pub fn plan(&self, run: &Run) -> Result<RunPlan, WebError> {
        run.look(|store| Ok(store.plan().clone()))
    }
}

/// The identifier of a row by its number.
pub(crate) fn row_id(plan: &RunPlan, row: usize) -> Result<String, WebError> {
    let found = plan.rows.get(row).map(|row| row.id.clone());
    found.ok_or_else(|| WebError::NotFound(format!("row {row} in this run")))
}

/// The experiment of a run.
pub(crate) fn experiment(run: &Run, plan: &RunPlan) -> Result<Experiment, WebError> {
    let file = run.dir().join(EXPERIMENT_FILE);
    Experiment::parse(&file, plan.experiment.clone(), run.dir(), &Changes::default())
        .map_err(|error| WebError::Report(error.in_a_line()))
}

/// How far a row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowProgress {
    /// What people read.
    pub title: String,
    /// Samples that are finished.
    pub done: usize,
    /// Samples that the run does.
    pub of: usize,
}

/// How far the rows of a run are.
///
/// # Errors
/// The run cannot be read.
pub(crate) fn counts(store: &RunStore) -> Result<Vec<RowProgress>, StoreError> {
    let part = store.plan().part;
    let rows = store.plan().rows.iter();
    rows.map(|row| {
        let of = (0..row.samples).filter(|index| part.holds(*index)).count();
        Ok(RowProgress { title: row.title.clone(), done: store.done(&row.id)?, of })
    })
    .collect()
}

/// What is kept, or made anew where samples were added since.
fn kept<K: Ord, T>(
    cache: &Cache<K, T>,
    key: K,
    count: impl Fn() -> Result<usize, WebError>,
    make: impl FnOnce() -> Result<T, WebError>,
) -> Result<Arc<T>, WebError> {
    let place = Arc::clone(cache.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default());
    let lock = || place.lock().unwrap_or_else(PoisonError::into_inner);
    let mut known = lock();
    let Some(kept) = &mut *known else {
        // Counted before it is made: what is added meanwhile is found out at the next count.
        let done = count()?;
        let kept = Kept::make(done, make)?;
        let value = Arc::clone(&kept.value);
        *known = Some(kept);
        return Ok(value);
    };
    let value = Arc::clone(&kept.value);
    let outdated = kept.made.elapsed() >= ANEW.max(10 * kept.took) && kept.counted.elapsed() >= COUNT;
    if kept.renewing || !outdated {
        return Ok(value);
    }
    kept.counted = Instant::now();
    let done = count()?;
    if done == kept.done {
        return Ok(value);
    }
    // Other requests use the old value meanwhile.
    kept.renewing = true;
    drop(known);
    let made = Kept::make(done, make);
    let mut known = lock();
    match made {
        Ok(kept) => {
            let value = Arc::clone(&kept.value);
            *known = Some(kept);
            Ok(value)
        }
        Err(error) => {
            *known = None;
            Err(error)
        }
    }
}

impl<T> Kept<T> {
    fn make(done: usize, make: impl FnOnce() -> Result<T, WebError>) -> Result<Self, WebError> {
        let begin = Instant::now();
        let value = Arc::new(make()?);
        let made = Instant::now();
        Ok(Self { value, done, made, took: made - begin, counted: made, renewing: false })
    }
}
