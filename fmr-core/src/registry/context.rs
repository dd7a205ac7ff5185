//! What a component is made for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::{MakeError, Registry, Role};
use crate::Progress;

/// Components inside components: an ensemble of ensembles is one thing, a component that makes itself another.
const DEEPEST: usize = 8;

/// What a component may need to know of the run that it is made for. It also tells the run what it was made of: every
/// file that it reads, so that the run's results are bound to the contents.
#[derive(Debug, Clone)]
pub struct MakeContext<'r> {
    /// The components that it may be made of.
    pub registry: &'r Registry,
    /// Folder that relative paths of the settings start from: the experiment file's.
    pub base: PathBuf,
    /// Device that computes unless the settings name another, e.g. `cpu`.
    pub device: String,
    /// Seed of what the component draws.
    pub seed: u64,
    /// `[channels, height, width]` of the images of the run.
    pub image: [usize; 3],
    /// Names of the data's classes, in label order; none while the data have not been looked at.
    pub classes: Vec<String>,
    /// Set once the component is not wanted any more; one that takes long to make should look now and then.
    pub cancel: Option<Arc<AtomicBool>>,
    /// Where it tells how far it is with what takes long; see [`Progress`].
    pub progress: Progress,
    /// Folder in which it may keep what is expensive to compute, shared by runs; it need not exist yet.
    pub cache: Option<PathBuf>,
    sources: Arc<Mutex<Sources>>,
    depth: usize,
}

/// What components were made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources {
    /// Files that were read, in order.
    pub files: Vec<PathBuf>,
    /// SHA-256, in lower-case hexadecimal, of those that were hashed on the way.
    pub digests: BTreeMap<PathBuf, String>,
    /// Libraries of plugins, with the SHA-256 of each.
    pub plugins: Vec<(PathBuf, String)>,
    /// What a reader of the figures must know of them, one sentence each.
    pub remarks: Vec<String>,
}

/// Of no components.
static NONE: LazyLock<Registry> = LazyLock::new(Registry::default);

impl MakeContext<'static> {
    /// For images of that shape and a component that is made of no others.
    pub fn alone(image: [usize; 3]) -> Self {
        Self::new(&NONE, image)
    }
}

impl<'r> MakeContext<'r> {
    /// For images of that shape: the current folder, the processor, seed 0, no cache.
    pub fn new(registry: &'r Registry, image: [usize; 3]) -> Self {
        Self {
            registry,
            base: PathBuf::from("."),
            device: "cpu".to_owned(),
            seed: 0,
            image,
            classes: Vec::new(),
            cancel: None,
            progress: Progress::default(),
            cache: None,
            sources: Arc::default(),
            depth: 0,
        }
    }

    /// The same with relative paths from another folder.
    #[must_use]
    pub fn with_base(self, base: impl Into<PathBuf>) -> Self {
        Self { base: base.into(), ..self }
    }

    /// The same for another device.
    #[must_use]
    pub fn with_device(self, device: impl Into<String>) -> Self {
        Self { device: device.into(), ..self }
    }

    /// The same with another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same for data of these classes.
    #[must_use]
    pub fn with_classes(self, classes: &[String]) -> Self {
        Self { classes: classes.to_vec(), ..self }
    }

    /// The same with other components to make members of; files are noted in the same place.
    pub fn with_registry<'s>(&self, registry: &'s Registry) -> MakeContext<'s> {
        let Self { registry: _, base, device, seed, image, classes, cancel, progress, cache, sources, depth } =
            self.clone();
        MakeContext { registry, base, device, seed, image, classes, cancel, progress, cache, sources, depth }
    }

    /// A path of the settings, relative ones taken from [`MakeContext::base`].
    pub fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// Whether the component is not wanted any more.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Notes a file that the component read. Results depend on the contents of every such file.
    pub fn note_file(&self, file: impl Into<PathBuf>) {
        let file = file.into();
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if !sources.files.contains(&file) {
            sources.files.push(file);
        }
    }

    /// Notes a file that the component read and hashed, so that nobody has to hash it again: its SHA-256 in lower-case
    /// hexadecimal.
    pub fn note_hashed_file(&self, file: impl Into<PathBuf>, sha256: impl Into<String>) {
        let file = file.into();
        self.note_file(&file);
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).digests.insert(file, sha256.into());
    }

    /// Notes what a reader of the figures must know of the component, in a sentence: a choice that was made for the user.
    pub fn note_remark(&self, sentence: impl Into<String>) {
        let sentence = sentence.into();
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if !sources.remarks.contains(&sentence) {
            sources.remarks.push(sentence);
        }
    }

    /// Notes the plugin that the component is of.
    pub fn note_plugin(&self, file: impl Into<PathBuf>, sha256: impl Into<String>) {
        let plugin = (file.into(), sha256.into());
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if !sources.plugins.contains(&plugin) {
            sources.plugins.push(plugin);
        }
    }

    /// What was noted so far, by this context and by those that came of it.
    pub fn sources(&self) -> Sources {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The context of a component that is made inside this one.
    pub(super) fn inner(&self, role: Role, kind: &str) -> Result<Self, MakeError> {
        if self.depth == DEEPEST {
            return Err(MakeError::Nested { role, kind: kind.to_owned(), most: DEEPEST });
        }
        Ok(Self { depth: self.depth + 1, ..self.clone() })
    }
}
