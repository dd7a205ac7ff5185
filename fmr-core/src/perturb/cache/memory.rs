//! A cache in memory.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{AnswerCache, CacheKey, TargetFree};
use crate::ComponentError;

/// Keeps answers in memory, up to a limit.
///
/// A full cache takes no new entry and keeps those it has. Targets go through the same images in the same order, so a
/// cache that dropped its oldest entries would have dropped each before it is asked for.
///
/// ```
/// use fmr_core::perturb::{AnswerCache, CacheKey, MemoryCache, TargetFree};
/// use ndarray::{Array3, array};
///
/// let cache = MemoryCache::new(1 << 30);
/// let original = Array3::from_elem((3, 32, 32), 0.5);
/// let key = CacheKey::of(original.view(), 7);
/// let answers = TargetFree {
///     latent: array![0.25, -1.0],
///     oracle_original: array![0.9, 0.1],
///     reconstruction: None,
///     oracle_reconstruction: None,
/// };
/// cache.put(&key, &answers)?;
/// assert_eq!(cache.get(&key)?, Some(answers));
/// # Ok::<(), fmr_core::ComponentError>(())
/// ```
#[derive(Debug)]
pub struct MemoryCache {
    limit: usize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_key: HashMap<CacheKey, TargetFree>,
    bytes: usize,
}

impl MemoryCache {
    /// An empty cache for at most `limit` bytes of values.
    pub fn new(limit: usize) -> Self {
        Self { limit, entries: Mutex::default() }
    }

    /// Number of originals that it knows.
    pub fn len(&self) -> usize {
        self.lock().by_key.len()
    }

    /// Whether it knows nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of values that it holds.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// No operation leaves entries half changed, so a panic on another thread does not harm them.
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AnswerCache for MemoryCache {
    fn get(&self, key: &CacheKey) -> Result<Option<TargetFree>, ComponentError> {
        Ok(self.lock().by_key.get(key).cloned())
    }

    fn put(&self, key: &CacheKey, answers: &TargetFree) -> Result<(), ComponentError> {
        let mut entries = self.lock();
        let replaced = entries.by_key.get(key).map_or(0, TargetFree::bytes);
        let bytes = entries.bytes - replaced + answers.bytes();
        if bytes <= self.limit {
            entries.by_key.insert(*key, answers.clone());
            entries.bytes = bytes;
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use ndarray::{Array1, Array3, arr3};

    use super::*;

    fn key(value: f32, label: usize) -> CacheKey {
        CacheKey::of(arr3(&[[[value]]]).view(), label)
    }

    fn answers(latent: usize, reconstructed: bool) -> TargetFree {
        TargetFree {
            latent: Array1::zeros(latent),
            oracle_original: Array1::zeros(2),
            reconstruction: reconstructed.then(|| Array3::zeros((1, 2, 2))),
            oracle_reconstruction: reconstructed.then(|| Array1::zeros(2)),
        }
    }

    #[test]
    fn keys_tell_images_shapes_and_labels_apart() {
        let image = Array3::<f32>::zeros((1, 2, 3));
        let turned = Array3::<f32>::zeros((1, 3, 2));
        let of = |image: &Array3<f32>, label| CacheKey::of(image.view(), label);
        assert_eq!(of(&image, 4), of(&image.clone(), 4));
        assert_ne!(of(&image, 4), of(&image, 5));
        assert_ne!(of(&image, 4), of(&turned, 4));
        assert_ne!(of(&image, 4), of(&image.mapv(|v: f32| -v), 4), "minus zero is not zero");
        // What a view is made of does not matter, only its values in order.
        assert_eq!(of(&image, 4), CacheKey::of(turned.view().permuted_axes([0, 2, 1]), 4));
        let (text, first) = (key(0.0, 7).to_string(), key(0.0, 7).image().to_string());
        assert!(text.len() == 66 && text.ends_with("-7") && text.starts_with(&first), "{text}");
    }

    #[test]
    fn a_full_cache_keeps_what_it_has() {
        let cache = MemoryCache::new(60);
        assert!(cache.is_empty());
        cache.put(&key(0.1, 0), &answers(3, false)).unwrap();
        cache.put(&key(0.2, 0), &answers(3, false)).unwrap();
        cache.put(&key(0.3, 0), &answers(4, false)).unwrap();
        assert_eq!((cache.len(), cache.bytes()), (2, 40));
        assert_eq!(cache.get(&key(0.3, 0)).unwrap(), None);
        // An entry that grows too large stays as it was; one that fits is replaced.
        cache.put(&key(0.1, 0), &answers(3, true)).unwrap();
        assert_eq!(cache.get(&key(0.1, 0)).unwrap(), Some(answers(3, false)));
        cache.put(&key(0.2, 0), &answers(1, false)).unwrap();
        assert_eq!((cache.len(), cache.bytes()), (2, 32));
    }
}
