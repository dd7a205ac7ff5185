//! Files of weights: all parameters in, all parameters out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fmr_checkpoint::{
    Checkpoint, CheckpointError, Container, FloatType, Misfit, Misshapen, OtherType, Place, Scalar, Selection, shown,
    write_safetensors,
};

use crate::weights::{StateDict, WeightsError};

/// Writes parameters as safetensors, matrices and kernels as half precision where `half`. Equal parameters and metadata
/// give equal files, whose name appears when they are whole.
///
/// # Errors
/// The file cannot be written.
pub fn write(
    path: &Path,
    tensors: &StateDict,
    half: bool,
    metadata: &BTreeMap<String, String>,
) -> Result<(), CheckpointError> {
    let float = if half { FloatType::F16Matrices } else { FloatType::F32 };
    let tensors = tensors.iter().map(|(name, t)| (name.as_str(), t.shape.as_slice(), t.values.as_slice()));
    write_safetensors(path, tensors, metadata, float)
}

/// Which tensors of a file are the model's: the settings `weights-key`, `prefix` and `ema`, which every component with
/// weights has. Without them, the usual places are searched.
///
/// ```
/// use fmr_checkpoint::Selection;
/// use fmr_nn::weights::Chosen;
///
/// let chosen = Chosen { weights_key: Some("state_dict"), prefix: Some("model."), ema: None };
/// let selection = chosen.of(Selection::by_keys(["fc.weight"]));
/// # let _ = selection;
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chosen<'s> {
    /// Full key of the part of the file that holds the model, such as `state_dict_ema` or `G_ema`.
    pub weights_key: Option<&'s str>,
    /// Start of the names of the model's parameters, such as `model.`; other parameters are left alone.
    pub prefix: Option<&'s str>,
    /// Whether the moving average of the weights is asked for; unless said, raw weights are preferred.
    pub ema: Option<bool>,
}

impl Chosen<'_> {
    /// A selection narrowed down to what is chosen.
    pub fn of(self, mut selection: Selection) -> Selection {
        if let Some(key) = self.weights_key {
            selection = selection.under(key);
        }
        if let Some(prefix) = self.prefix {
            selection = selection.prefix(prefix);
        }
        if let Some(ema) = self.ema {
            selection = selection.ema(ema);
        }
        selection
    }
}

/// The parameters of a checkpoint and the texts beside them.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The file, or the index of a checkpoint in several files. Of a folder, what was found in it.
    pub path: PathBuf,
    /// Parameters by upstream key, containers and prefixes removed; integers (counters) left out.
    pub tensors: StateDict,
    /// Tensors of the model that hold integers: counters, tables of indices, quantised weights.
    pub integers: Vec<OtherType>,
    /// Texts of the file, e.g. the configuration that this project's own files carry.
    pub metadata: BTreeMap<String, String>,
    /// What the file looks like, with its article, if it was recognised.
    pub looks_like: Option<String>,
    /// Every file that was read: the file itself, or an index and its shards.
    pub files: Vec<PathBuf>,
    /// Kind of the file.
    pub container: Container,
    /// Where in the file the parameters stand, and whether they are a moving average.
    pub place: Place,
    /// Other places of the file with a model of the same names: raw weights beside averaged ones, or the other way round.
    pub others: Vec<Place>,
    /// Small tensors beside the model in a wrapper around it: mean and deviation of a normalising layer.
    pub beside: Vec<(String, Vec<f32>)>,
}

impl Loaded {
    /// Which weights were taken, in a sentence, where the file keeps averaged ones: nobody should have to guess.
    pub fn taken(&self) -> Option<String> {
        let kind = |averaged: bool| if averaged { "averaged" } else { "raw" };
        let taken = kind(self.place.averaged);
        let other = self.others.iter().find(|other| other.averaged != self.place.averaged);
        let place = |place: &Place| match place.prefix.as_str() {
            "" => "at the top level".to_owned(),
            prefix => format!("under {}", shown::quoted(prefix, shown::KEY)),
        };
        match other {
            Some(other) => {
                let choice = if other.averaged { "ema = true" } else { "ema = false" };
                Some(format!(
                    "the {taken} weights {} are used; `{choice}` takes the {} ones {}",
                    place(&self.place),
                    kind(other.averaged),
                    place(other)
                ))
            }
            None => self.place.averaged.then(|| format!("the averaged weights {} are used", place(&self.place))),
        }
    }

    /// The whole story in one error: the file, what it looks like, what was wanted (with its article: "a ResNet-50"),
    /// and the first keys of each kind.
    pub fn misfit(&self, error: WeightsError, wanted: String) -> CheckpointError {
        let misshapen = error.misshapen.into_iter();
        CheckpointError::Misfit(Box::new(Misfit {
            path: self.path.clone(),
            looks_like: self.looks_like.clone(),
            wanted,
            missing: error.missing,
            unexpected: error.unexpected,
            misshapen: misshapen.map(|(key, expected, found)| Misshapen { key, found, expected }).collect(),
            integers: self.integers.clone(),
        }))
    }
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
    let weights = file.weights(selection)?;
    let text = |value: &Scalar| match value {
        Scalar::Str(text) => Some(text.to_string()),
        _ => None,
    };
    let metadata = file.metadata().iter().filter_map(|(key, value)| Some((key.to_string(), text(value)?)));
    let beside = weights.beside().filter(|info| info.dtype().is_float());
    let beside = beside.map(|info| Ok((info.key().to_owned(), file.tensor_f32(info.key())?.1)));
    Ok(Loaded {
        path: file.path().to_owned(),
        tensors: weights.load(keep)?,
        integers: weights.integers(),
        metadata: metadata.collect(),
        looks_like: file.looks_like(),
        files: file.files().to_vec(),
        container: file.container(),
        place: weights.place(),
        others: weights.alternatives(),
        beside: beside.collect::<Result<_, CheckpointError>>()?,
    })
}
