//! Which data set, and how much of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::decode::{JpegPixels, Limits};
use super::listing::{self, Wanted};
use super::subset::{Draw, subset};
use super::{ClassNames, Corruption, DataError, Dataset, binary, idx};

/// Container of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataKind {
    /// MNIST's idx files, plain or gzip: `images` and `labels`.
    Idx,
    /// CIFAR-10's binary release: `path` is one file of records, or the folder of the release, of which `split` is read.
    Cifar10Binary,
    /// Pictures in class folders, at any depth, below `path`, a folder or a tar, and below `prefix` in it: JPEG, PNG,
    /// WebP, BMP, GIF (the first frame), TIFF, PPM, PGM and PBM.
    Images,
}

/// A part of CIFAR-10's binary release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// `test_batch.bin`: 10,000 images.
    Test,
    /// `data_batch_1.bin` to `data_batch_5.bin`: 50,000 images.
    Train,
}

/// Treatment of a picture that cannot be evaluated: damaged, no picture, too large, or of a kind that is not read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Damaged {
    /// The data set is refused, with the picture's name.
    #[default]
    Refuse,
    /// It is left out; how many were, and the first of them, is said.
    Skip,
}

/// Most pixels of a picture, where the settings name no limit: 8192 × 8192.
const MOST_PIXELS: u64 = 1 << 26;

/// A data set of an experiment file or a training recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DataSettings {
    /// Container.
    pub kind: DataKind,
    /// Images of an idx pair.
    #[serde(default)]
    pub images: Option<PathBuf>,
    /// Labels of an idx pair.
    #[serde(default)]
    pub labels: Option<PathBuf>,
    /// Folder, tar or file of the other kinds.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// Folder inside `path` that holds the class folders, e.g. `cifar10/test`.
    #[serde(default)]
    pub prefix: String,
    /// Class names in label order; for images the names of the class folders. Default: the folders, numbers in the order
    /// of numbers and other names in that of their characters, or the digits for idx.
    #[serde(default)]
    pub classes: Vec<String>,
    /// For images: coarse classes made of class folders, each listed by name or by position in the order of
    /// folders, e.g. `dog = "151-268"` (protocol, item 32).
    #[serde(default)]
    pub grouping: BTreeMap<String, String>,
    /// Number of class folders that positions in `grouping` were written for; data with a different number are refused.
    /// Default: 1000 where the folders are WordNet ids.
    #[serde(default)]
    pub folders: Option<usize>,
    /// Part of CIFAR-10's binary release. Default: `test` where the folder holds both parts.
    #[serde(default)]
    pub split: Option<Split>,
    /// Treatment of pictures that cannot be evaluated.
    #[serde(default)]
    pub damaged: Damaged,
    /// Most pixels that a picture may declare. A picture's file may have as many bytes, and an idx file eight times as
    /// many once it is unpacked.
    #[serde(default = "most_pixels")]
    pub max_pixels: u64,
    /// Whose pixels a JPEG has.
    #[serde(default)]
    pub jpeg_pixels: JpegPixels,
    /// Names to show to the oracle instead of `classes`: a list in the same order, or `"imagenet"` for folders of
    /// WordNet ids (protocol, item 15).
    #[serde(default)]
    pub class_names: ClassNames,
    /// A corruption of all images, as in benchmarks of common corruptions. The corrupted images stay in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrupt: Option<Corruption>,
    /// At most this many images (protocol, item 28). Default: all.
    #[serde(default)]
    pub limit: Option<usize>,
    /// This many images of the subset's order are left out first: what `limit = N` takes and what `skip = N` leaves have
    /// no image in common, for the same `seed` and `balance`.
    #[serde(default)]
    pub skip: usize,
    /// At most this many images of each class (protocol, item 32).
    #[serde(default)]
    pub per_class: Option<usize>,
    /// Whether a limited subset holds the classes in equal numbers.
    #[serde(default = "yes")]
    pub balance: bool,
    /// Seed of the subset.
    #[serde(default)]
    pub seed: u64,
}

fn most_pixels() -> u64 {
    MOST_PIXELS
}

fn yes() -> bool {
    true
}

impl DataSettings {
    /// All keys.
    pub const KEYS: &'static [&'static str] = &[
        "kind",
        "images",
        "labels",
        "path",
        "prefix",
        "classes",
        "grouping",
        "folders",
        "split",
        "damaged",
        "max-pixels",
        "jpeg-pixels",
        "class-names",
        "corrupt",
        "limit",
        "skip",
        "per-class",
        "balance",
        "seed",
    ];
    /// Keys that hold paths.
    pub const FILES: &'static [&'static str] = &["images", "labels", "path"];

    /// Reads the data set and draws the subset.
    ///
    /// # Errors
    /// A file is missing, is not what it should be, or the settings do not go together.
    pub fn load(&self) -> Result<Dataset, DataError> {
        let need = |path: &Option<PathBuf>, key: &str| {
            path.clone().ok_or_else(|| {
                DataError::format(
                    std::path::Path::new(key),
                    format!("data of kind {:?} need the key `{key}`", self.kind),
                )
            })
        };
        if !self.grouping.is_empty() && self.kind != DataKind::Images {
            return Err(DataError::format(
                std::path::Path::new("grouping"),
                "only images in class folders are grouped",
            ));
        }
        let only = |key: &str, is_given: bool, kind: DataKind| match is_given && self.kind != kind {
            true => {
                let problem = format!("is for data of kind {kind:?}, these are of kind {:?}", self.kind);
                Err(DataError::format(std::path::Path::new(key), problem))
            }
            false => Ok(()),
        };
        only("split", self.split.is_some(), DataKind::Cifar10Binary)?;
        only("folders", self.folders.is_some(), DataKind::Images)?;
        if let Some(problem) = self.corrupt.and_then(Corruption::problem) {
            return Err(DataError::format(std::path::Path::new("corrupt"), problem));
        }
        let limits = Limits { pixels: self.max_pixels, jpeg: self.jpeg_pixels };
        let data = match self.kind {
            DataKind::Idx => {
                idx::read(&need(&self.images, "images")?, &need(&self.labels, "labels")?, &self.classes, limits)?
            }
            DataKind::Cifar10Binary => binary::read(&need(&self.path, "path")?, &self.classes, self.split, limits)?,
            DataKind::Images => {
                let wanted = Wanted {
                    prefix: &self.prefix,
                    classes: &self.classes,
                    grouping: &self.grouping,
                    folders: self.folders,
                };
                let listing = listing::list(&need(&self.path, "path")?, wanted)?;
                let indices = self.indices(&listing.labels, listing.classes.len());
                return self.named(listing.open(&indices, limits, self.damaged)?);
            }
        };
        let indices = self.indices(data.labels(), data.classes.len());
        self.named(if indices.len() == data.len() { data } else { data.select(&indices) })
    }

    fn indices(&self, labels: &[usize], classes: usize) -> Vec<usize> {
        let draw = Draw {
            skip: self.skip,
            limit: self.limit.unwrap_or(usize::MAX),
            per_class: self.per_class,
            balance: self.balance,
            seed: self.seed,
        };
        subset(labels, classes, draw)
    }

    fn named(&self, mut data: Dataset) -> Result<Dataset, DataError> {
        data.classes = self
            .class_names
            .of(&data.classes)
            .map_err(|problem| DataError::format(std::path::Path::new("class-names"), problem))?;
        match self.corrupt {
            Some(corruption) => data.corrupted(corruption),
            None => Ok(data),
        }
    }
}
