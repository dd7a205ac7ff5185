//! Which models can be named, and what belongs to each.
//!
//! A family is a module with a configuration, a network and the table of its registered members; a new family is one
//! more line of `family.rs`, a new member one more row of its family's table.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::LazyLock;

use fmr_core::registry::RemoteFile;
use sha2::{Digest as _, Sha256};

use crate::family::Architecture;
use crate::labels::LabelSet;
use crate::preprocess::Preprocess;
use crate::{cifar, convnext, efficientnet, lenet, resnet, swin, twins, visformer, vit, xcit};

/// Where timm publishes files that its loaders name by address.
pub(crate) const TIMM: &str = "https://github.com/huggingface/pytorch-image-models/releases/download";

/// A model that can be named in an experiment file or recipe: a published file, with the preprocessing that its published
/// accuracy was measured with. Several files of one network have an entry each.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// The network's name alone, on the entry that it stands for. A file that is known by its hash to be a different
    /// entry's takes that entry's preprocessing all the same.
    pub alias: Option<&'static str>,
    /// Architecture and hyper-parameters.
    pub architecture: Architecture,
    /// What is done to an image before.
    pub preprocess: Preprocess,
    /// What its logits stand for.
    pub labels: LabelSet,
    /// Where published weights come from.
    pub source: &'static str,
    /// First digits of the SHA-256 of published files, in hexadecimal.
    pub sha256: &'static [&'static str],
    /// Where one of them is downloaded from.
    pub download: Option<RemoteFile>,
    /// Accuracy in percent on the data set's test images that the authors state for the file.
    pub top1: Option<f64>,
}

impl Entry {
    /// The entry that a file of this network is, of those whose files are known; `digest` is its SHA-256 in hexadecimal.
    pub fn of_file(&self, digest: &str) -> Option<&'static Entry> {
        self.siblings().find(|e| e.sha256.iter().any(|start| digest.starts_with(start)))
    }

    /// Whether files of this network are known by their hashes.
    pub fn has_known_files(&self) -> bool {
        self.siblings().any(|e| !e.sha256.is_empty())
    }

    fn siblings(&self) -> impl Iterator<Item = &'static Entry> {
        ENTRIES.iter().filter(|e| e.architecture == self.architecture)
    }
}

/// A row of a family's table: a published file of the 1000 classes of ImageNet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<S> {
    name: &'static str,
    /// What the network's architecture follows from.
    pub(crate) size: S,
    alone: bool,
    top1: Option<f64>,
    sha256: &'static [&'static str],
}

impl<S: Copy> Row<S> {
    /// The file of that name, which is the network's, a dot, and timm's word for the training.
    pub(crate) const fn new(name: &'static str, size: S) -> Self {
        Self { name, size, alone: false, top1: None, sha256: &[] }
    }

    /// The network's name alone stands for this file.
    pub(crate) const fn alone(self) -> Self {
        Self { alone: true, ..self }
    }

    /// Accuracy in percent that the authors state.
    pub(crate) const fn stated(self, top1: f64) -> Self {
        Self { top1: Some(top1), ..self }
    }

    /// First digits of the SHA-256 of files that hold it.
    pub(crate) const fn known(self, sha256: &'static [&'static str]) -> Self {
        Self { sha256, ..self }
    }

    /// The registry's entry.
    pub(crate) fn entry(self, architecture: Architecture, preprocess: Preprocess, source: &'static str) -> Entry {
        let network = self.name.split('.').next().filter(|_| self.alone);
        let (download, labels) = (None, LabelSet::Imagenet);
        let Self { name, top1, sha256, .. } = self;
        Entry { name, alias: network, architecture, preprocess, labels, source, sha256, download, top1 }
    }
}

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let families = [
        lenet::entries,
        resnet::entries,
        efficientnet::entries,
        vit::entries,
        convnext::entries,
        swin::entries,
        twins::entries,
        xcit::entries,
        visformer::entries,
        cifar::entries,
    ];
    families.into_iter().flat_map(|entries| entries()).collect()
});

/// All models.
pub fn entries() -> &'static [Entry] {
    &ENTRIES
}

/// The model of that name, or the one that a network's name stands for; hyphens and underscores count as equal.
pub fn entry(name: &str) -> Option<&'static Entry> {
    let same = |a: &str| a.len() == name.len() && a.bytes().zip(name.bytes()).all(|(a, b)| plain(a) == plain(b));
    ENTRIES.iter().find(|e| same(e.name) || e.alias.is_some_and(same))
}

/// SHA-256 of a weights file in hexadecimal, as [`Entry::of_file`] takes it; for a folder of shards, that of no bytes.
///
/// # Errors
/// The file cannot be read.
pub fn file_digest(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    if path.is_file() {
        io::copy(&mut File::open(path)?, &mut hash)?;
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn plain(byte: u8) -> u8 {
    if byte == b'-' { b'_' } else { byte }
}
