//! Files of weights: all parameters in, all parameters out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fmr_checkpoint::{Checkpoint, CheckpointError, Container, Scalar, Selection};
use thiserror::Error;

use crate::weights::{StateDict, Stored};

/// A weights file that could not be read or written.
#[derive(Debug, Error)]
#[error("{path}: {problem}", path = path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: String,
}

/// Writes parameters as safetensors, through a temporary file; matrices and kernels as half precision where `half`.
pub fn write(path: &Path, tensors: &StateDict, half: bool, metadata: &[(String, String)]) -> Result<(), FileError> {
    use safetensors::tensor::{Dtype, TensorView};
    let error = |problem: String| FileError { path: path.to_owned(), problem };
    let encoded: Vec<(&String, Dtype, &Stored, Vec<u8>)> = tensors
        .iter()
        .map(|(name, t)| {
            if half && t.shape.len() > 1 {
                let bytes = t.values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect();
                (name, Dtype::F16, t, bytes)
            } else {
                (name, Dtype::F32, t, t.values.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
        })
        .collect();
    let views = encoded
        .iter()
        .map(|(name, dtype, t, bytes)| Ok((name.as_str(), TensorView::new(*dtype, t.shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|e| error(e.to_string()))?;
    let metadata = (!metadata.is_empty()).then(|| metadata.iter().cloned().collect());
    let bytes = safetensors::serialize(views, metadata).map_err(|e| error(e.to_string()))?;
    let part = path.with_extension("safetensors.part");
    std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path)).map_err(|e| error(e.to_string()))
}

/// The parameters of a checkpoint and the texts beside them.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Parameters by upstream key, containers and prefixes removed; integers (counters) left out.
    pub tensors: StateDict,
    /// Texts of the file, e.g. the configuration that this project's own files carry.
    pub metadata: BTreeMap<String, String>,
    /// What the file looks like, with its article, if it was recognised.
    pub looks_like: Option<String>,
    /// Every file that was read: the file itself, or an index and its shards.
    pub files: Vec<PathBuf>,
    /// Kind of the file.
    pub container: Container,
    /// Small tensors beside the model in a wrapper around it: mean and deviation of a normalising layer.
    pub beside: Vec<(String, Vec<f32>)>,
}

/// Reads all floating-point parameters of a checkpoint in any container that [`fmr_checkpoint`] understands.
///
/// # Errors
/// The file is missing, damaged, or no checkpoint; the message names it and says what it is.
pub fn read(path: &Path) -> Result<Loaded, CheckpointError> {
    read_selected(path, &Selection::default(), |_| true)
}

/// As [`read`], of the place in the file that `selection` finds, and only the parameters that `keep` says yes to:
/// what a training run saved beside the model need not be read.
///
/// # Errors
/// As [`read`]; or the file holds nothing at that place.
pub fn read_selected(
    path: &Path,
    selection: &Selection,
    keep: impl Fn(&str) -> bool,
) -> Result<Loaded, CheckpointError> {
    let file = Checkpoint::open(path)?;
    let state = file.state_dict(selection)?;
    let mut tensors = StateDict::new();
    for (name, info) in state.iter().filter(|(name, info)| info.dtype().is_float() && keep(name)) {
        let (shape, values) = file.tensor_f32(info.key())?;
        tensors.insert(name.to_owned(), Stored { shape, values });
    }
    let text = |value: &Scalar| match value {
        Scalar::Str(text) => Some(text.clone()),
        _ => None,
    };
    let metadata = file.metadata().iter().filter_map(|(k, v)| Some((k.clone(), text(v)?))).collect();
    let beside = state.beside().filter(|info| info.dtype().is_float());
    let beside = beside.map(|info| Ok((info.key().to_owned(), file.tensor_f32(info.key())?.1)));
    let beside = beside.collect::<Result<_, CheckpointError>>()?;
    Ok(Loaded {
        tensors,
        metadata,
        looks_like: file.looks_like(),
        files: file.files().to_vec(),
        container: file.container(),
        beside,
    })
}
