//! Data sets: readers for the common containers, and seeded subsets.

mod binary;
mod idx;
mod images;
mod names;
mod picture;
mod settings;
mod subset;

use std::borrow::Cow;
use std::path::PathBuf;

use ndarray::{Array3, Array4};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use picture::Picture;

pub use names::{ClassNames, imagenet_classes};
pub use settings::{DataKind, DataSettings};
pub use subset::subset;

/// A data set that could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path}: {problem}", path = path.display())]
    Format {
        /// File or folder.
        path: PathBuf,
        /// What was expected, and what was found.
        problem: String,
    },
}

impl DataError {
    fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    fn format(path: &std::path::Path, problem: impl Into<String>) -> Self {
        Self::Format { path: path.to_owned(), problem: problem.into() }
    }
}

/// Labelled images, kept as the bytes that the files hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    classes: Vec<String>,
    pictures: Vec<Picture>,
    labels: Vec<usize>,
    keys: Vec<String>,
}

impl Dataset {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Class names in label order.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Label of image `i`, an index into [`Dataset::classes`].
    pub fn label(&self, i: usize) -> usize {
        self.labels[i]
    }

    /// All labels.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// Name of image `i` that is the same whatever the subset, e.g. `test/00017`.
    pub fn key(&self, i: usize) -> &str {
        &self.keys[i]
    }

    /// `[channels, height, width]` of image `i`.
    pub fn shape(&self, i: usize) -> [usize; 3] {
        self.pictures[i].shape
    }

    /// The shape that all images have, if they have one.
    pub fn common_shape(&self) -> Option<[usize; 3]> {
        let first = self.pictures.first()?.shape;
        self.pictures.iter().all(|p| p.shape == first).then_some(first)
    }

    /// Bytes of image `i`, `[channels, height, width]` row-major.
    pub fn bytes(&self, i: usize) -> Cow<'_, [u8]> {
        self.pictures[i].bytes()
    }

    /// Image `i` in `[0, 1]`, as it is stored: one channel or three.
    pub fn image(&self, i: usize) -> Array3<f32> {
        let bytes = self.bytes(i);
        let mut values = bytes.iter().map(|b| f32::from(*b) / 255.0);
        Array3::from_shape_simple_fn(self.shape(i), || values.next().unwrap_or(0.0))
    }

    /// The images of the given indices as one colour batch `[n, 3, h, w]` in `[0, 1]`; grey ones are repeated.
    ///
    /// Absent if they differ in size or there is none.
    pub fn colour_batch(&self, indices: &[usize]) -> Option<Array4<f32>> {
        let [_, h, w] = self.shape(*indices.first()?);
        let mut batch = Array4::zeros((indices.len(), 3, h, w));
        for (mut out, i) in batch.outer_iter_mut().zip(indices) {
            let image = self.image(*i);
            if image.shape()[1..] != [h, w] {
                return None;
            }
            out.assign(&image.broadcast((3, h, w))?);
        }
        Some(batch)
    }

    /// SHA-256 of everything that results can depend on: class names, keys, labels and pixels. The same images in
    /// another container have the same digest.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        for class in &self.classes {
            add(class.as_bytes());
        }
        for ((picture, label), key) in self.pictures.iter().zip(&self.labels).zip(&self.keys) {
            add(key.as_bytes());
            add(&(*label as u64).to_le_bytes());
            add(format!("{:?}", picture.shape).as_bytes());
            add(&picture.bytes());
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The images of the given indices, in that order.
    pub fn select(&self, indices: &[usize]) -> Self {
        Self {
            classes: self.classes.clone(),
            pictures: indices.iter().map(|i| self.pictures[*i].clone()).collect(),
            labels: indices.iter().map(|i| self.labels[*i]).collect(),
            keys: indices.iter().map(|i| self.keys[*i].clone()).collect(),
        }
    }
}
