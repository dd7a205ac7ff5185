//! An opened checkpoint.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{CheckpointError, Fault};
use crate::recognise;
use crate::sniff::{self, Format};
use crate::source::Source;
use crate::state_dict::{Selection, StateDict};
use crate::tensor::TensorInfo;
use crate::{safetensors, torch};

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
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::TorchZip => "PyTorch zip archive",
            Self::TorchScript => "TorchScript archive",
            Self::TorchLegacy => "legacy PyTorch stream",
            Self::Pickle => "pickle",
        })
    }
}

/// A value beside the tensors: an epoch, the name of an architecture, a configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text.
    Str(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Str(value) => value.fmt(f),
        }
    }
}

/// What a container lists.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) tensors: Vec<TensorInfo>,
    pub(crate) metadata: Vec<(String, Scalar)>,
}

/// An opened checkpoint: the list of its tensors, each read from the file when asked for.
///
/// Keys are paths through nested dicts, lists and modules, joined by dots: `state_dict.conv1.weight`.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    files: Vec<PathBuf>,
    source: Source,
    container: Container,
    tensors: Vec<TensorInfo>,
    index: HashMap<String, usize>,
    metadata: Vec<(String, Scalar)>,
}

impl Checkpoint {
    /// Opens a checkpoint and lists its tensors without reading their values.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] if the file cannot be read, is something else, is damaged, or is of an unsupported kind.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        let source = Source::open(path).map_err(|error| Self::io(path, error))?;
        let mut checkpoint = Self::list(path.to_owned(), source)?;
        checkpoint.files.push(path.to_owned());
        Ok(checkpoint)
    }

    /// Lists a checkpoint held in memory; `name` stands for the path in messages.
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::open`].
    pub fn from_bytes(name: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Self, CheckpointError> {
        Self::list(name.into(), Source::memory(bytes))
    }

    fn io(path: &Path, source: std::io::Error) -> CheckpointError {
        CheckpointError::Io { path: path.to_owned(), source }
    }

    fn list(path: PathBuf, source: Source) -> Result<Self, CheckpointError> {
        let format = match sniff::sniff(&source) {
            Ok(format) => format,
            Err(looks_like) => return Err(CheckpointError::NotACheckpoint { path, looks_like }),
        };
        let (container, listing) = match format {
            Format::Safetensors => (Container::Safetensors, safetensors::list(&source)),
            Format::Legacy => (Container::TorchLegacy, torch::legacy(&source)),
            Format::PlainPickle => (Container::Pickle, torch::plain_pickle(&source)),
            Format::Zip => match torch::zip(&source) {
                Ok((listing, true)) => (Container::TorchScript, Ok(listing)),
                Ok((listing, false)) => (Container::TorchZip, Ok(listing)),
                Err(fault) => (Container::TorchZip, Err(fault)),
            },
        };
        let listing = listing.map_err(|fault| fault.at(&path, container))?;
        let mut checkpoint = Self {
            path,
            files: Vec::new(),
            source,
            container,
            tensors: Vec::with_capacity(listing.tensors.len()),
            index: HashMap::with_capacity(listing.tensors.len()),
            metadata: listing.metadata,
        };
        for tensor in listing.tensors {
            // As in Python, the last entry of a key counts.
            match checkpoint.index.get(tensor.key()) {
                Some(&earlier) => checkpoint.tensors[earlier] = tensor,
                None => {
                    let key = tensor.key().to_owned();
                    checkpoint.index.insert(key, checkpoint.tensors.len());
                    checkpoint.tensors.push(tensor);
                }
            }
        }
        Ok(checkpoint)
    }

    /// The file, or the name given to [`Checkpoint::from_bytes`].
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

    /// The container.
    #[must_use]
    pub fn container(&self) -> Container {
        self.container
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

    /// Everything plain beside the tensors, under the same kind of keys, in the order of the file.
    #[must_use]
    pub fn metadata(&self) -> &[(String, Scalar)] {
        &self.metadata
    }

    /// The plain value of this full key: `epoch`, `arch`, `args.model`.
    #[must_use]
    pub fn scalar(&self, key: &str) -> Option<&Scalar> {
        let mut entries = self.metadata.iter().rev();
        entries.find(|(k, _)| k == key).map(|(_, value)| value)
    }

    /// Shape and values of a tensor in row-major order, converted to `f32` from any type.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NoTensor`] for an unknown key, otherwise what reading met.
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
        let values = tensor.read_i64(&self.source);
        let values = values.map_err(|fault| self.fault(Some(key), fault))?;
        Ok((tensor.shape().to_vec(), values))
    }

    /// Finds the weights inside the container and gives them under the model's own parameter names.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NoTensor`] if the selection names a place that holds no tensors, or the file holds none.
    pub fn state_dict(&self, selection: &Selection) -> Result<StateDict<'_>, CheckpointError> {
        selection.apply(self)
    }

    /// What the weights are, with its article, told from keys and shapes: "an open_clip ViT-B/16".
    #[must_use]
    pub fn looks_like(&self) -> Option<String> {
        recognise::looks_like(self)
    }

    pub(crate) fn read_f32(&self, tensor: &TensorInfo) -> Result<Vec<f32>, CheckpointError> {
        let values = tensor.read_f32(&self.source);
        values.map_err(|fault| self.fault(Some(tensor.key()), fault))
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
            Some(tensor) => format!("; it holds for example {:?}", tensor.key()),
            None => "; it holds no tensors at all".into(),
        }
    }

    fn fault(&self, key: Option<&str>, fault: Fault) -> CheckpointError {
        let about = |detail: String| match key {
            Some(key) => format!("{key}: {detail}"),
            None => detail,
        };
        let fault = match fault {
            Fault::Corrupt(detail) => Fault::Corrupt(about(detail)),
            Fault::Unsupported(detail) => Fault::Unsupported(about(detail)),
            io @ Fault::Io(_) => io,
        };
        fault.at(&self.path, self.container)
    }
}
