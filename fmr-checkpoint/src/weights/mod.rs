//! The weights of one model, taken out of a container piece by piece.

mod average;
mod load;
mod places;
mod selection;

use std::collections::{HashMap, HashSet};
use std::fmt;

pub use load::{StateDict, Stored};
pub use places::Place;
pub(crate) use places::first_levels;
pub use selection::Selection;

use crate::checkpoint::Checkpoint;
use crate::error::CheckpointError;
use crate::misfit::{Misfit, Misshapen, OtherType};
use crate::shown;
use crate::tensor::TensorInfo;

/// The tensors of one model under its own parameter names, and a record of those not used yet.
///
/// [`Weights::load`] reads all of them into a [`StateDict`]. A model can also take its tensors one after another, and
/// either stop at the first that does not fit ([`Weights::take`]), or let all of them be compared first
/// ([`Weights::check`]), or collect what does not fit while it is built ([`Weights::fetch`], [`Weights::finish`]).
///
/// ```
/// use std::collections::BTreeMap;
///
/// use fmr_checkpoint::{Checkpoint, FloatType, Selection, write_safetensors};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("toy.safetensors");
/// let tensors: [(&str, &[usize], &[f32]); 2] =
///     [("state_dict.module.fc.weight", &[1, 2], &[0.5, -0.5]), ("state_dict.module.fc.bias", &[1], &[2.0])];
/// write_safetensors(&path, tensors, &BTreeMap::new(), FloatType::F32)?;
///
/// let checkpoint = Checkpoint::open(&path)?;
/// let mut weights = checkpoint.weights(&Selection::default())?;
/// assert_eq!(weights.prefix(), "state_dict.module.");
/// assert_eq!(weights.take("fc.bias", &[1])?, [2.0]);
/// let error = weights.finish("a model without a bias").unwrap_err();
/// assert!(error.to_string().ends_with("1 unexpected: fc.weight"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Weights<'c> {
    checkpoint: &'c Checkpoint,
    prefix: String,
    averaged: bool,
    entries: Vec<Entry<'c>>,
    index: HashMap<&'c str, usize>,
    ignored: Vec<NameTest>,
    missing: Vec<String>,
    misshapen: Vec<Misshapen>,
    failure: Option<CheckpointError>,
}

/// Answers whether a name is meant.
type NameTest = Box<dyn Fn(&str) -> bool + Send>;

struct Entry<'c> {
    name: &'c str,
    tensor: &'c TensorInfo,
    used: bool,
}

impl<'c> Weights<'c> {
    /// All tensors whose keys start with `prefix`, which is taken off.
    pub(crate) fn new(checkpoint: &'c Checkpoint, prefix: String) -> Self {
        let below =
            checkpoint.tensors().iter().filter_map(|tensor| Some((tensor.key().strip_prefix(&prefix)?, tensor)));
        let entries: Vec<Entry<'c>> = below.map(|(name, tensor)| Entry { name, tensor, used: false }).collect();
        Self {
            checkpoint,
            index: entries.iter().enumerate().map(|(index, entry)| (entry.name, index)).collect(),
            entries,
            ignored: Vec::new(),
            missing: Vec::new(),
            misshapen: Vec::new(),
            failure: None,
            averaged: places::is_averaged(&prefix),
            prefix,
        }
    }

    /// The checkpoint that the tensors come from.
    #[must_use]
    pub fn checkpoint(&self) -> &'c Checkpoint {
        self.checkpoint
    }

    /// What stands before the parameter names in the file's keys: `state_dict.module.`, or nothing.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether these are a moving average (EMA) of the weights, as far as the names tell it.
    #[must_use]
    pub fn averaged(&self) -> bool {
        self.averaged
    }

    /// Where the weights stand in the file, for people: `under "state_dict_ema.", averaged (EMA)`.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { prefix: self.prefix.clone(), tensors: self.entries.len(), averaged: self.averaged }
    }

    /// Other places of the file that hold a model with mostly the same names: averaged weights beside raw ones, a
    /// teacher beside its student.
    #[must_use]
    pub fn alternatives(&self) -> Vec<Place> {
        places::alternatives(self)
    }

    /// Parameter names with their tensors, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&'c str, &'c TensorInfo)> {
        self.entries.iter().map(|entry| (entry.name, entry.tensor))
    }

    /// The parameter names in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &'c str> {
        self.entries.iter().map(|entry| entry.name)
    }

    /// Whether there is a tensor of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    /// The tensor of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'c TensorInfo> {
        self.index.get(name).map(|&index| self.entries[index].tensor)
    }

    /// The shape of the tensor of this name.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<&'c [usize]> {
        self.get(name).map(TensorInfo::shape)
    }

    /// The tensors whose names start with `prefix`, under the rest of their names.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NoTensor`] if there are none.
    pub fn with_prefix(&self, prefix: &str) -> Result<Self, CheckpointError> {
        let found = Self::new(self.checkpoint, format!("{}{prefix}", self.prefix));
        if found.entries.is_empty() {
            return Err(places::nothing_under(self.checkpoint, prefix));
        }
        Ok(found)
    }

    /// Whether a tensor of the checkpoint is one of these.
    pub(crate) fn holds(&self, tensor: &TensorInfo) -> bool {
        tensor
            .key()
            .strip_prefix(&self.prefix)
            .and_then(|name| self.get(name))
            .is_some_and(|own| own.key() == tensor.key())
    }

    /// Tensors directly beside the model in a wrapper around it: the mean and deviation of a normalising layer.
    /// Empty unless the weights stand inside a wrapper.
    pub fn beside(&self) -> impl Iterator<Item = &'c TensorInfo> {
        let prefix = self.prefix.as_str();
        let outer = prefix.trim_end_matches('.').rfind('.');
        let outer = outer.map_or("", |dot| &prefix[..=dot]);
        let tensors = self.checkpoint.tensors().iter();
        tensors.filter(move |tensor| {
            let key = tensor.key();
            let rest = key.strip_prefix(outer).unwrap_or_default();
            !prefix.is_empty()
                && !key.starts_with(prefix)
                && rest.matches('.').count() <= 1
                && tensor.numel() <= selection::NORMALISER_ELEMENTS
        })
    }

    /// Tensors that hold something other than floating-point numbers: counters, tables of indices, quantised weights.
    #[must_use]
    pub fn integers(&self) -> Vec<OtherType> {
        let others = self.entries.iter().filter(|entry| !entry.tensor.dtype().is_float());
        others.map(|entry| OtherType { key: entry.name.to_owned(), dtype: entry.tensor.dtype() }).collect()
    }

    /// Excludes names from [`Weights::unused`] and from the unexpected keys of every error.
    pub fn ignore(&mut self, ignored: impl Fn(&str) -> bool + Send + 'static) {
        self.ignored.push(Box::new(ignored));
    }

    /// Names not taken yet and not ignored, in the order of the file.
    pub fn unused(&self) -> impl Iterator<Item = &'c str> {
        let unused = self.entries.iter().filter(|entry| !entry.used);
        let names = unused.map(|entry| entry.name);
        names.filter(|name| !self.ignored.iter().any(|ignored| ignored(name)))
    }

    /// The values of the tensor of this name and shape in row-major order; a size of one may be missing or added
    /// where the number of values is one (`[]` and `[1]`).
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Misfit`] if it is missing or has another shape, otherwise what reading met.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let tensor = self.find(name, shape).map_err(|problem| {
            let (missing, misshapen) = problem.split();
            self.misfit(format!("a model with {name} of shape {shape:?}"), missing, misshapen)
        })?;
        self.checkpoint.read_f32(tensor)
    }

    /// As [`Weights::take`], but a tensor that does not fit is noted for [`Weights::finish`], and zeros stand in
    /// for its values. So a model that is built tensor by tensor reports all problems at once.
    pub fn fetch(&mut self, name: &str, shape: &[usize]) -> Vec<f32> {
        let problem = match self.find(name, shape) {
            Ok(tensor) => match self.checkpoint.read_f32(tensor) {
                Ok(values) => return values,
                Err(failure) => {
                    self.failure.get_or_insert(failure);
                    None
                }
            },
            Err(problem) => Some(problem),
        };
        if let Some(problem) = problem {
            let (missing, misshapen) = problem.split();
            self.missing.extend(missing);
            self.misshapen.extend(misshapen);
        }
        vec![0.0; shape.iter().product()]
    }

    /// Ends a model's construction: every fetched tensor must have fitted, and every tensor must have been used or
    /// ignored. `wanted` names the model with its article: "a ResNet-50".
    ///
    /// # Errors
    ///
    /// The first failure of reading, otherwise one [`CheckpointError::Misfit`] with everything that does not fit.
    pub fn finish(mut self, wanted: impl Into<String>) -> Result<(), CheckpointError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let missing = std::mem::take(&mut self.missing);
        let misshapen = std::mem::take(&mut self.misshapen);
        let unexpected: Vec<String> = self.unused().map(str::to_owned).collect();
        self.verdict(wanted.into(), missing, misshapen, unexpected)
    }

    /// Compares all names and shapes with those that a model needs, before anything is read. `wanted` names the model
    /// with its article: "a ResNet-50".
    ///
    /// # Errors
    ///
    /// One [`CheckpointError::Misfit`] with everything that is missing, misshapen, or neither expected nor ignored.
    pub fn check<'e>(
        &self,
        wanted: impl Into<String>,
        expected: impl IntoIterator<Item = (&'e str, &'e [usize])>,
    ) -> Result<(), CheckpointError> {
        let mut names = HashSet::new();
        let mut missing = Vec::new();
        let mut misshapen = Vec::new();
        for (name, shape) in expected {
            names.insert(name);
            if let Err(problem) = self.compare(name, shape) {
                let (absent, wrong) = problem.split();
                missing.extend(absent);
                misshapen.extend(wrong);
            }
        }
        let unexpected = self.unused().filter(|name| !names.contains(name));
        let unexpected = unexpected.map(str::to_owned).collect();
        self.verdict(wanted.into(), missing, misshapen, unexpected)
    }

    fn compare(&self, name: &str, shape: &[usize]) -> Result<usize, Problem> {
        let index = self.index.get(name).copied();
        let index = index.ok_or_else(|| Problem::Missing(name.to_owned()))?;
        let tensor = self.entries[index].tensor;
        let one_value = tensor.numel() == 1 && shape.len() <= 1 && tensor.shape().len() <= 1;
        if tensor.shape() == shape || (one_value && shape.iter().product::<usize>() == 1) {
            return Ok(index);
        }
        Err(Problem::Misshapen(Misshapen {
            key: name.to_owned(),
            found: tensor.shape().to_vec(),
            expected: shape.to_vec(),
        }))
    }

    fn find(&mut self, name: &str, shape: &[usize]) -> Result<&'c TensorInfo, Problem> {
        // A misshapen tensor was asked for too: it is not unexpected.
        if let Some(&index) = self.index.get(name) {
            self.entries[index].used = true;
        }
        let index = self.compare(name, shape)?;
        Ok(self.entries[index].tensor)
    }

    fn verdict(
        &self,
        wanted: String,
        missing: Vec<String>,
        misshapen: Vec<Misshapen>,
        unexpected: Vec<String>,
    ) -> Result<(), CheckpointError> {
        if missing.is_empty() && misshapen.is_empty() && unexpected.is_empty() {
            return Ok(());
        }
        let mut misfit = self.describe(wanted, missing, misshapen);
        misfit.unexpected = unexpected;
        Err(CheckpointError::Misfit(Box::new(misfit)))
    }

    fn misfit(&self, wanted: String, missing: Vec<String>, misshapen: Vec<Misshapen>) -> CheckpointError {
        CheckpointError::Misfit(Box::new(self.describe(wanted, missing, misshapen)))
    }

    fn describe(&self, wanted: String, missing: Vec<String>, misshapen: Vec<Misshapen>) -> Misfit {
        Misfit {
            path: self.checkpoint.path().to_owned(),
            looks_like: self.checkpoint.looks_like(),
            wanted,
            missing,
            misshapen,
            integers: self.integers(),
            ..Misfit::default()
        }
    }
}

impl fmt::Debug for Weights<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Weights")
            .field("path", &shown::path(self.checkpoint.path()))
            .field("prefix", &format_args!("{}", shown::key(&self.prefix)))
            .field("averaged", &self.averaged)
            .field("tensors", &self.entries.len())
            .finish_non_exhaustive()
    }
}

enum Problem {
    Missing(String),
    Misshapen(Misshapen),
}

impl Problem {
    fn split(self) -> (Vec<String>, Vec<Misshapen>) {
        match self {
            Self::Missing(name) => (vec![name], Vec::new()),
            Self::Misshapen(shape) => (Vec::new(), vec![shape]),
        }
    }
}

#[cfg(test)]
mod tests;
