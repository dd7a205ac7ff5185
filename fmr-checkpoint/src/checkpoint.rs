//! An opened checkpoint.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{CheckpointError, Fault};
use crate::limits::{self, Budget};
use crate::shards::{self, Index};
use crate::sniff::{self, Foreign, Format};
use crate::source::Source;
use crate::tensor::TensorInfo;
use crate::weights::{Selection, Weights};
use crate::{recognise, safetensors, shown, torch};

/// The container of a checkpoint, told from the file itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Container {
    /// A safetensors file.
    Safetensors,
    /// The zip archive that `torch.save` writes since PyTorch 1.6.
    TorchZip,
    /// The zip archive that `torch.jit.save` writes; its code is ignored.
    TorchScript,
    /// The stream that `torch.save` wrote before PyTorch 1.6.
    TorchLegacy,
    /// A plain pickle with embedded tensors, as StyleGAN's training writes it.
    Pickle,
    /// The index of a checkpoint in several files.
    Index,
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::TorchZip => "PyTorch zip archive",
            Self::TorchScript => "TorchScript archive",
            Self::TorchLegacy => "legacy PyTorch stream",
            Self::Pickle => "pickle",
            Self::Index => "index of shards",
        })
    }
}

/// A value beside the tensors: an epoch, the name of an architecture, a configuration.
///
/// Its `Display` escapes what does not print and cuts long text.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text.
    Str(Arc<str>),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Str(value) => shown::escaped(value, shown::TEXT).fmt(f),
        }
    }
}

/// What a container lists.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) tensors: Vec<TensorInfo>,
    pub(crate) metadata: Vec<(Arc<str>, Scalar)>,
}

impl Listing {
    /// Memory that a plain value of this key takes, without its text, at most.
    pub(crate) fn cost_of_plain(key: &str) -> usize {
        key.len() + 2 * size_of::<(Arc<str>, Scalar)>() + 48
    }
}

/// One file of a checkpoint.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    source: Source,
    container: Container,
}

/// An opened checkpoint: the list of its tensors, each read from the file when asked for.
///
/// Keys are paths through nested dicts, lists and modules, joined by dots: `state_dict.conv1.weight`.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use fmr_checkpoint::{Checkpoint, FloatType, write_safetensors};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("toy.safetensors");
/// let weight: (&str, &[usize], &[f32]) = ("fc.weight", &[1, 2], &[0.5, -0.5]);
/// write_safetensors(&path, [weight], &BTreeMap::new(), FloatType::F16)?;
///
/// let checkpoint = Checkpoint::open(&path)?;
/// assert_eq!(checkpoint.tensors()[0].key(), "fc.weight");
/// assert_eq!(checkpoint.tensor_f32("fc.weight")?, (vec![1, 2], vec![0.5, -0.5]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Checkpoint {
    path: PathBuf,
    files: Vec<PathBuf>,
    parts: Vec<Part>,
    tensors: Vec<TensorInfo>,
    index: HashMap<Arc<str>, usize>,
    metadata: Vec<(Arc<str>, Scalar)>,
}

impl Checkpoint {
    /// Opens a checkpoint and lists its tensors without reading their values.
    ///
    /// `path` names a file, the index of a checkpoint in several files (`model.safetensors.index.json`,
    /// `pytorch_model.bin.index.json`), or a folder that holds one of these.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] if the file cannot be read, is something else, is damaged, or is of an unsupported kind; if
    /// a shard is missing, lies outside of the folder of its index, or holds other tensors than the index says.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        let is_folder = fs::metadata(path).is_ok_and(|found| found.is_dir());
        let path = if is_folder { shards::in_folder(path)? } else { path.to_owned() };
        let source = Source::open(&path)?;
        let budget = Budget::default();
        if sniff::sniff(&source) == Err(Foreign::Json)
            && let Some(index) = read_index(&path, &source, &budget)?
        {
            return Self::open_shards(path, index, &budget);
        }
        let mut checkpoint = Self::empty(path.clone());
        checkpoint.add(path.clone(), source, &budget)?;
        checkpoint.files.push(path);
        Ok(checkpoint)
    }

    /// Lists a checkpoint held in memory; `name` stands for the path in messages.
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::open`].
    pub fn from_bytes(name: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Self, CheckpointError> {
        let name = name.into();
        let mut checkpoint = Self::empty(name.clone());
        checkpoint.add(name, Source::memory(bytes), &Budget::default())?;
        Ok(checkpoint)
    }

    fn empty(path: PathBuf) -> Self {
        Self {
            path,
            files: Vec::new(),
            parts: Vec::new(),
            tensors: Vec::new(),
            index: HashMap::new(),
            metadata: Vec::new(),
        }
    }

    fn open_shards(path: PathBuf, mut index: Index, budget: &Budget) -> Result<Self, CheckpointError> {
        let mut checkpoint = Self::empty(path.clone());
        checkpoint.files.push(path.clone());
        for (number, file) in index.files(&path)?.into_iter().enumerate() {
            let before = checkpoint.tensors.len();
            checkpoint.add(file.clone(), Source::open(&file)?, budget)?;
            for tensor in &checkpoint.tensors[before..] {
                index.found(tensor.key(), number).map_err(|problem| shards::shards(&path, problem))?;
            }
            checkpoint.files.push(file);
        }
        index.finish().map_err(|problem| shards::shards(&path, problem))?;
        Ok(checkpoint)
    }

    /// Lists what one file holds.
    fn add(&mut self, path: PathBuf, source: Source, budget: &Budget) -> Result<(), CheckpointError> {
        let format = match sniff::sniff(&source) {
            Ok(format) => format,
            Err(found) => return Err(CheckpointError::NotACheckpoint { path, looks_like: found.looks_like() }),
        };
        let (container, listing) = match format {
            Format::Safetensors => (Container::Safetensors, safetensors::list(&source, budget)),
            Format::Legacy => (Container::TorchLegacy, torch::legacy(&source, budget)),
            Format::PlainPickle => (Container::Pickle, torch::plain_pickle(&source, budget)),
            Format::Zip => match torch::zip(&source, budget) {
                Ok((listing, true)) => (Container::TorchScript, Ok(listing)),
                Ok((listing, false)) => (Container::TorchZip, Ok(listing)),
                Err(fault) => (Container::TorchZip, Err(fault)),
            },
        };
        let listing = listing.map_err(|fault| fault.at(&path, container))?;
        let part = self.parts.len();
        self.parts.push(Part { path, source, container });
        self.tensors.reserve(listing.tensors.len());
        self.index.reserve(listing.tensors.len());
        for tensor in listing.tensors {
            let tensor = tensor.in_part(part);
            // As in Python, the last entry of a key counts.
            match self.index.get(tensor.key()) {
                Some(&earlier) => self.tensors[earlier] = tensor,
                None => {
                    self.index.insert(tensor.shared_key(), self.tensors.len());
                    self.tensors.push(tensor);
                }
            }
        }
        // Shards repeat the metadata of the whole.
        if part == 0 {
            self.metadata = listing.metadata;
        }
        Ok(())
    }

    /// The file, or the name given to [`Checkpoint::from_bytes`]. Of a folder, the file or the index in it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every file that was read for this checkpoint: the index of a checkpoint in shards first, then the shards in the
    /// order of their names. Empty for [`Checkpoint::from_bytes`].
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The container; of a checkpoint in shards, that of the first shard.
    #[must_use]
    pub fn container(&self) -> Container {
        self.parts.first().map_or(Container::Index, |part| part.container)
    }

    /// Number of files that hold the tensors.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.parts.len()
    }

    /// All tensors in the order of the file, with their full keys.
    #[must_use]
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The tensor of this full key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&TensorInfo> {
        self.index.get(key).map(|&index| &self.tensors[index])
    }

    /// Plain values beside the tensors, under the same kind of keys, in the order of the file. Of a list of plain
    /// values, the first 256 are kept.
    #[must_use]
    pub fn metadata(&self) -> &[(Arc<str>, Scalar)] {
        &self.metadata
    }

    /// The plain value of this full key: `epoch`, `arch`, `args.model`.
    #[must_use]
    pub fn scalar(&self, key: &str) -> Option<&Scalar> {
        let mut entries = self.metadata.iter().rev();
        entries.find(|(k, _)| &**k == key).map(|(_, value)| value)
    }

    /// Shape and values of a tensor in row-major order, converted to `f32` from any type but quantised and complex
    /// ones.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NoTensor`] for an unknown key, [`CheckpointError::Unsupported`] for quantised or complex
    /// values, otherwise what reading met.
    pub fn tensor_f32(&self, key: &str) -> Result<(Vec<usize>, Vec<f32>), CheckpointError> {
        let tensor = self.require(key)?;
        Ok((tensor.shape().to_vec(), self.read_f32(tensor)?))
    }

    /// Shape and values of a tensor of integers or truth values in row-major order.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NoTensor`] for an unknown key, [`CheckpointError::Unsupported`] for floating-point values,
    /// otherwise what reading met.
    pub fn tensor_i64(&self, key: &str) -> Result<(Vec<usize>, Vec<i64>), CheckpointError> {
        let tensor = self.require(key)?;
        let part = &self.parts[tensor.part()];
        let values = tensor.read_i64(&part.source).map_err(|fault| part.fault(key, fault))?;
        Ok((tensor.shape().to_vec(), values))
    }

    /// Finds the weights inside the container and gives them under the model's own parameter names.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NoTensor`] if the selection names a place that holds no tensors, or the file holds none;
    /// [`CheckpointError::NoAverage`] if it asks for averaged weights and there are none.
    pub fn weights(&self, selection: &Selection) -> Result<Weights<'_>, CheckpointError> {
        selection.apply(self)
    }

    /// What the weights are, with its article, told from keys and shapes: "an open_clip ViT-B/16".
    #[must_use]
    pub fn looks_like(&self) -> Option<String> {
        recognise::looks_like(&self.weights(&Selection::default()).ok()?)
    }

    pub(crate) fn read_f32(&self, tensor: &TensorInfo) -> Result<Vec<f32>, CheckpointError> {
        let part = &self.parts[tensor.part()];
        tensor.read_f32(&part.source).map_err(|fault| part.fault(tensor.key(), fault))
    }

    /// Length of all files that hold tensors, in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.source.len()))
    }

    fn require(&self, key: &str) -> Result<&TensorInfo, CheckpointError> {
        self.get(key).ok_or_else(|| CheckpointError::NoTensor {
            path: self.path.clone(),
            key: key.to_owned(),
            hint: self.nearest(key),
        })
    }

    /// Keys with the same last part, as a clause.
    pub(crate) fn nearest(&self, key: &str) -> String {
        let tail = key.rsplit('.').take(2).collect::<Vec<_>>();
        let alike = |tensor: &&TensorInfo| {
            let mut parts = tensor.key().rsplit('.');
            tail.iter().all(|part| parts.next() == Some(part))
        };
        let found = self.tensors.iter().find(alike);
        match found.or_else(|| self.tensors.first()) {
            Some(tensor) => format!("; it holds for example {}", shown::key(tensor.key())),
            None => "; it holds no tensors at all".into(),
        }
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("path", &shown::path(&self.path))
            .field("container", &self.container())
            .field("tensors", &self.tensors.len())
            .finish_non_exhaustive()
    }
}

impl Part {
    /// The error of one tensor.
    fn fault(&self, key: &str, fault: Fault) -> CheckpointError {
        let about = |detail: String| format!("{}: {detail}", shown::escaped(key, shown::KEY));
        let fault = match fault {
            Fault::Corrupt(detail) => Fault::Corrupt(about(detail)),
            Fault::Unsupported(detail) => Fault::Unsupported(about(detail)),
            io @ Fault::Io(_) => io,
        };
        fault.at(&self.path, self.container)
    }
}

/// Reads an index of shards; `None` for a JSON document of another kind.
fn read_index(path: &Path, source: &Source, budget: &Budget) -> Result<Option<Index>, CheckpointError> {
    const MARK: &[u8] = b"\"weight_map\"";
    if source.len() > limits::INDEX_BYTES {
        return Ok(None);
    }
    let at = |fault: Fault| fault.at(path, Container::Index);
    let bytes = source.read(source.span(), limits::INDEX_BYTES).map_err(at)?;
    if !bytes.windows(MARK.len()).any(|window| window == MARK) {
        return Ok(None);
    }
    Index::parse(&bytes, budget).map_err(at)
}
