//! A cache on disk of what does not depend on the target: latents, reconstructions, and the oracle's answers on
//! originals and reconstructions.
//!
//! Rows with the same generator, oracle, classes and prompts share one *scope*, a folder named by the hash of all that
//! these answers depend on. An entry is one file, written under a temporary name and renamed, so that a killed process
//! leaves whole entries, and several processes may share the folder. An entry that is damaged counts as absent.

mod entry;
mod scope;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use fmr_core::ComponentError;
use fmr_core::perturb::{AnswerCache, CacheKey, TargetFree};

use crate::masks::MASKS;
use crate::prepare::{Prepared, ReadyRow};
use scope::Scope;

/// Folder of the cache inside a run's folder, where the experiment names none. It lasts until the run is done.
const FOLDER: &str = "cache";

/// The caches of a run's rows.
pub(crate) struct Caches {
    root: PathBuf,
    /// Whether the experiment names the folder, which then outlives the run.
    shared: bool,
    /// Rows of each scope.
    rows: BTreeMap<Scope, usize>,
}

impl Caches {
    /// The caches of a run in `dir`.
    pub(crate) fn of(prepared: &Prepared, dir: &Path) -> Self {
        let named = prepared.experiment.run.cache.as_deref();
        let mut rows = BTreeMap::new();
        for row in prepared.ready() {
            *rows.entry(Scope::of(&row.plan.fingerprint, &row.plan.classes)).or_default() += 1;
        }
        Self { root: named.map_or_else(|| dir.join(FOLDER), Path::to_owned), shared: named.is_some(), rows }
    }

    /// The cache of a row; `None` where no other row or run could use what it would keep.
    pub(crate) fn of_row(&self, row: &ReadyRow) -> Option<FolderCache> {
        let scope = Scope::of(&row.plan.fingerprint, &row.plan.classes);
        let used = self.shared || self.rows.get(&scope).is_some_and(|rows| *rows > 1);
        used.then(|| FolderCache::new(&self.root, &scope))
    }

    /// The scope of a row, by name.
    pub(crate) fn scope_of(&self, row: &ReadyRow) -> String {
        Scope::of(&row.plan.fingerprint, &row.plan.classes).name().to_owned()
    }

    /// Where runs that share the cache keep the mask that a row learns; `None` where they share none.
    pub(crate) fn mask_of(&self, row: &ReadyRow) -> Option<PathBuf> {
        self.shared.then(|| self.root.join(MASKS).join(format!("{}.mask", scope::digest_of_row(&row.plan))))
    }

    /// Removes the run's own cache once all rows are done: the run store holds all that was measured.
    pub(crate) fn remove(&self) -> io::Result<()> {
        if self.shared || !self.root.exists() {
            return Ok(());
        }
        std::fs::remove_dir_all(&self.root)
    }
}

/// The entries of one scope.
#[derive(Debug)]
pub(crate) struct FolderCache {
    folder: PathBuf,
}

impl FolderCache {
    /// The entries of `scope` below `root`, which need not be there yet.
    pub(crate) fn new(root: &Path, scope: &Scope) -> Self {
        Self { folder: root.join(scope.name()) }
    }

    /// One folder for each of 256 first bytes keeps listings short.
    fn path(&self, key: &CacheKey) -> PathBuf {
        let name = key.to_string();
        self.folder.join(&name[..2]).join(name)
    }

    fn read(&self, key: &CacheKey) -> io::Result<Option<TargetFree>> {
        match std::fs::read(self.path(key)) {
            Ok(bytes) => Ok(entry::decode(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, key: &CacheKey, answers: &TargetFree) -> io::Result<()> {
        let path = self.path(key);
        let folder = path.parent().unwrap_or(&self.folder);
        std::fs::create_dir_all(folder)?;
        let file = tempfile::NamedTempFile::new_in(folder)?;
        std::fs::write(file.path(), entry::encode(answers))?;
        file.persist(path)?;
        Ok(())
    }

    fn error(&self, asked: &str, error: &io::Error) -> ComponentError {
        ComponentError::new(format!("the cache {}", self.folder.display()), asked, error.to_string())
    }
}

impl AnswerCache for FolderCache {
    fn get(&self, key: &CacheKey) -> Result<Option<TargetFree>, ComponentError> {
        self.read(key).map_err(|error| self.error("read an entry", &error))
    }

    fn put(&self, key: &CacheKey, answers: &TargetFree) -> Result<(), ComponentError> {
        self.write(key, answers).map_err(|error| self.error("write an entry", &error))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use ndarray::{Array1, Array3};

    use super::*;

    fn answers() -> TargetFree {
        TargetFree {
            latent: Array1::from(vec![1.5, -0.0, f32::MIN_POSITIVE]),
            oracle_original: Array1::from(vec![0.25, 0.75]),
            reconstruction: Some(Array3::from_shape_fn((3, 2, 5), |(c, h, w)| (c + h * w) as f32 * 0.1)),
            oracle_reconstruction: Some(Array1::from(vec![0.5, 0.5])),
        }
    }

    fn key(value: f32) -> CacheKey {
        CacheKey::of(Array3::from_elem((1, 1, 1), value).view(), 3)
    }

    #[test]
    fn an_entry_comes_back_exactly_in_its_scope_alone() {
        let root = tempfile::tempdir().unwrap();
        let scope = |weights: &str| {
            Scope::of(&BTreeMap::from([("generator.weights".to_owned(), weights.to_owned())]), &["a".to_owned()])
        };
        let (ours, other) = (FolderCache::new(root.path(), &scope("1")), FolderCache::new(root.path(), &scope("2")));
        assert_eq!(ours.get(&key(0.1)).unwrap(), None);
        ours.put(&key(0.1), &answers()).unwrap();
        let found = ours.get(&key(0.1)).unwrap().unwrap();
        assert_eq!(found, answers());
        assert!(found.latent[1].is_sign_negative(), "−0.0 is kept");
        assert_eq!(ours.get(&key(0.2)).unwrap(), None);
        assert_eq!(other.get(&key(0.1)).unwrap(), None);
    }

    #[test]
    fn a_damaged_entry_counts_as_absent() {
        let root = tempfile::tempdir().unwrap();
        let cache = FolderCache::new(root.path(), &Scope::of(&BTreeMap::new(), &[]));
        cache.put(&key(0.1), &answers()).unwrap();
        let path = cache.path(&key(0.1));
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            assert_eq!(cache.get(&key(0.1)).unwrap(), None, "byte {at}");
            std::fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(cache.get(&key(0.1)).unwrap(), None, "cut at {at}");
        }
    }
}
