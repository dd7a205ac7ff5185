//! Answers that do not depend on the target, shared by everything that perturbs the same images.
//!
//! Where the search starts from the original, its latent, its reconstruction x̂0 and the oracle's answers on both are
//! the same for every target. An [`AnswerCache`] keeps them, so that seven targets on one data set encode and judge each
//! original once. Results are the same bit for bit with and without a cache, and whichever search filled it.

mod lookup;
mod memory;

use std::fmt;

use ndarray::{Array1, Array3, ArrayView3};

pub(super) use lookup::Lookup;
pub use memory::MemoryCache;

use crate::preprocess::Picture;
use crate::{ComponentError, ImageHash};

/// Names one original and its true class: a class-conditional generator encodes with labels.
///
/// The key says nothing about generator, oracle, classes, prompts, clamp or image domain. An [`AnswerCache`] must not
/// share entries between searches that differ in any of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey {
    image: ImageHash,
    label: usize,
}

impl CacheKey {
    /// The key of an original `[c, h, w]` of class `label`.
    pub fn of(original: ArrayView3<'_, f32>, label: usize) -> Self {
        Self { image: ImageHash::of(original), label }
    }

    /// The key of the same original where models are shown its picture as the file holds it.
    #[must_use]
    pub fn of_picture(self, picture: &Picture) -> Self {
        Self { image: self.image.of_picture(picture), label: self.label }
    }

    /// The original's name; with [`CacheKey::of_picture`], that of original and picture.
    pub fn image(&self) -> &ImageHash {
        &self.image
    }

    /// The true class.
    pub fn label(&self) -> usize {
        self.label
    }
}

/// The hash in hexadecimal, a hyphen, and the label.
impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.image, self.label)
    }
}

/// What generator and oracle say about one original, exactly as they said it.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetFree {
    /// z0, the original's latent, as [`crate::Generator::encode`] gives it.
    pub latent: Array1<f32>,
    /// Oracle's probabilities of the original, one a class of the data set.
    pub oracle_original: Array1<f32>,
    /// x̂0 `[c, h, w]`, clamped and rounded as the search does it; absent where it was not decoded yet.
    pub reconstruction: Option<Array3<f32>>,
    /// Oracle's probabilities of x̂0; absent where it was not asked yet.
    pub oracle_reconstruction: Option<Array1<f32>>,
}

impl TargetFree {
    /// Memory that the values take, in bytes.
    pub fn bytes(&self) -> usize {
        let optional = self.reconstruction.as_ref().map_or(0, Array3::len)
            + self.oracle_reconstruction.as_ref().map_or(0, Array1::len);
        (self.latent.len() + self.oracle_original.len() + optional) * size_of::<f32>()
    }
}

/// Keeps answers that do not depend on the target.
///
/// The scope of an implementation is one generator, one oracle with its classes and prompts, and one setting of
/// `search.clamp` and `search.image-domain`; see [`CacheKey`].
///
/// The engine calls both methods from several threads. It puts a sample once the target has answered on x̂0, before the
/// first update. A sample on which a component failed before that is never put, nor is one with a number that is not
/// finite. An error of the cache costs no sample: the engine warns and asks the components.
pub trait AnswerCache: Sync {
    /// What is known about an original; `None` where nothing is.
    ///
    /// # Errors
    /// The cache cannot be read.
    fn get(&self, key: &CacheKey) -> Result<Option<TargetFree>, ComponentError>;

    /// Keeps what is known about an original, in the place of what was known before.
    ///
    /// # Errors
    /// The cache cannot be written.
    fn put(&self, key: &CacheKey, answers: &TargetFree) -> Result<(), ComponentError>;
}

/// What a cache gave for one sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CacheUse {
    /// There is no cache, or it knew nothing about the sample.
    #[default]
    Unknown,
    /// The cache knew the sample.
    Known,
    /// The cache knew the sample, but the generator decoded x̂0 to other bits than the cache holds: it is not
    /// deterministic. The oracle was asked again.
    Contradicted,
}
