//! Data sets: readers for the common containers, and seeded subsets.

mod archive;
mod binary;
mod contents;
mod corrupt;
mod decode;
mod folder;
mod groups;
mod idx;
mod listing;
mod names;
mod open;
mod order;
mod picture;
pub mod pixels;
mod published;
mod samples;
mod settings;
mod subset;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use fmr_core::shown;
use ndarray::Array3;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

pub use corrupt::{Corruption, CorruptionKind};
pub use decode::JpegPixels;
pub use names::ClassNames;
pub use open::regular as open_regular;
pub use published::{PublishedData, published};
pub use samples::{ResizeKind, Samples, SamplesError};
pub use settings::{Damaged, DataKind, DataSettings, Split};
pub use subset::{Draw, subset};

use picture::Picture;

/// A data set that could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The system refused.
    #[error("{path}: {source}", path = shown::path(path), source = shown::text(&source.to_string()))]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path}: {problem}", path = shown::path(path), problem = shown::text(problem))]
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

/// Labelled images. Those in files of their own, or in a tar of such, stay there and are read when they are asked for, so
/// that memory does not grow with them; small ones from packed containers are kept as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// As the files and folders name them.
    own: Vec<String>,
    classes: Vec<String>,
    pictures: Vec<Picture>,
    labels: Vec<usize>,
    keys: Vec<String>,
    remarks: Vec<String>,
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

    /// Names of the classes in label order, as the files and folders name them.
    pub fn own_classes(&self) -> &[String] {
        &self.own
    }

    /// Class names in label order, as an oracle is shown them.
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

    /// Sentences about what a reader of figures on these images must know: what is left out, skipped, or read in an
    /// order that is not the only one in use. They begin with a small letter and end without a full stop.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// `[channels, height, width]` of image `i`.
    pub fn shape(&self, i: usize) -> [usize; 3] {
        self.pictures[i].shape()
    }

    /// The shape that all images have, if they have one.
    pub fn common_shape(&self) -> Option<[usize; 3]> {
        let first = self.pictures.first()?.shape();
        self.pictures.iter().all(|p| p.shape() == first).then_some(first)
    }

    /// Bytes of image `i`, `[channels, height, width]` row-major.
    ///
    /// # Errors
    /// The image's file cannot be read any more, or has changed since the data set was opened.
    pub fn bytes(&self, i: usize) -> Result<Cow<'_, [u8]>, DataError> {
        self.pictures[i].bytes()
    }

    /// Image `i` in `[0, 1]`, as it is stored: one channel or three.
    ///
    /// # Errors
    /// As [`Dataset::bytes`].
    pub fn image(&self, i: usize) -> Result<Array3<f32>, DataError> {
        let bytes = self.bytes(i)?;
        let mut values = bytes.iter().map(|b| f32::from(*b) / 255.0);
        Ok(Array3::from_shape_simple_fn(self.shape(i), || values.next().unwrap_or(0.0)))
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
            add(&picture.digest());
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The same images corrupted, held in memory.
    ///
    /// # Errors
    /// As [`Dataset::bytes`].
    pub fn corrupted(&self, corruption: Corruption) -> Result<Self, DataError> {
        let corrupted = |picture: &Picture| {
            let shape = picture.shape();
            Ok(Picture::Held { shape, bytes: Arc::new(corruption.of(shape, &picture.bytes()?)), at: 0 })
        };
        let pictures = self.pictures.iter().map(corrupted).collect::<Result<_, DataError>>()?;
        Ok(Self { pictures, ..self.clone() })
    }

    /// The images of the given indices, in that order.
    pub fn select(&self, indices: &[usize]) -> Self {
        Self {
            own: self.own.clone(),
            classes: self.classes.clone(),
            pictures: indices.iter().map(|i| self.pictures[*i].clone()).collect(),
            labels: indices.iter().map(|i| self.labels[*i]).collect(),
            keys: indices.iter().map(|i| self.keys[*i].clone()).collect(),
            remarks: self.remarks.clone(),
        }
    }
}
