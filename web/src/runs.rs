//! The runs that may be looked at: those that were named when the server began, and new ones in the folders that were named.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fmr_store::{DATABASE_FILE, RunStore, StoreError};

/// Deepest folder below a named one that is searched for runs.
const DEEPEST: usize = 3;
/// Most runs that are listed.
const MOST: usize = 1000;
/// Connections that a run keeps open while nobody asks.
const IDLE: usize = 8;

/// A run under the name that addresses use.
#[derive(Debug)]
pub struct Run {
    /// A name that is safe in addresses and as a folder's name.
    pub slug: String,
    dir: PathBuf,
    idle: Mutex<Vec<RunStore>>,
}

impl Run {
    fn new(slug: String, dir: PathBuf) -> Self {
        Self { slug, dir, idle: Mutex::default() }
    }

    /// The run's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Looks into the run, by a connection that reads.
    ///
    /// # Errors
    /// The run cannot be opened, or what `look` says.
    pub fn look<T, E: From<StoreError>>(&self, look: impl FnOnce(&RunStore) -> Result<T, E>) -> Result<T, E> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let store = idle().pop();
        let store = match store {
            Some(store) => store,
            None => RunStore::read(&self.dir)?,
        };
        let found = look(&store);
        // A connection that failed may be one to a run that is no longer there.
        if found.is_ok() {
            let mut idle = idle();
            if idle.len() < IDLE {
                idle.push(store);
            }
        }
        found
    }
}

/// All runs of the named folders.
#[derive(Debug)]
pub struct Runs {
    roots: Vec<PathBuf>,
    known: Mutex<BTreeMap<PathBuf, Arc<Run>>>,
}

impl Runs {
    /// The runs among and below some folders.
    pub fn of(roots: Vec<PathBuf>) -> Self {
        let runs = Self { roots, known: Mutex::default() };
        runs.list();
        runs
    }

    /// All runs, those that began meanwhile too, by their folder.
    pub fn list(&self) -> Vec<Arc<Run>> {
        let mut dirs = Vec::new();
        for root in &self.roots {
            find(root, DEEPEST, &mut dirs);
        }
        dirs.sort();
        dirs.dedup();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for dir in dirs.into_iter().take(MOST) {
            if !known.contains_key(&dir) {
                let slug = slug(&dir, known.values().map(|run| run.slug.as_str()));
                known.insert(dir.clone(), Arc::new(Run::new(slug, dir)));
            }
        }
        known.retain(|dir, _| dir.join(DATABASE_FILE).is_file());
        known.values().cloned().collect()
    }

    /// A run by its name in addresses.
    pub fn get(&self, slug: &str) -> Option<Arc<Run>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().find(|run| run.slug == slug).cloned()
    }
}

/// Folders with a run's database. Links are not followed, so that nothing outside the named folders is found.
fn find(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    if dir.join(DATABASE_FILE).is_file() {
        found.push(dir.to_owned());
        return;
    }
    let Some(depth) = depth.checked_sub(1) else { return };
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && found.len() < MOST {
            find(&entry.path(), depth, found);
        }
    }
}

/// A name that no other run has.
fn slug<'s>(dir: &Path, taken: impl Iterator<Item = &'s str> + Clone) -> String {
    let name = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let name =
        fmr_files::safe_name(&name.file_name().unwrap_or_default().to_string_lossy()).to_lowercase().replace(' ', "-");
    let name = if name.is_empty() { "run".to_owned() } else { name };
    let free = |name: &String| !taken.clone().any(|other| other == name);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.clone()).chain(numbered).find(free).unwrap_or(name)
}
