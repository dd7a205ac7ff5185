//! The weights of one model, taken out of a container piece by piece.

mod selection;

use std::collections::{HashMap, HashSet};
use std::fmt;

pub use selection::Selection;

use crate::checkpoint::Checkpoint;
use crate::error::{CheckpointError, Misfit, Misshapen};
use crate::tensor::TensorInfo;

/// The tensors of one model under its own parameter names, and a record of those not used yet.
///
/// A model takes its tensors one after another, and either stops at the first that does not fit
/// ([`StateDict::take`]), or lets all of them be compared first ([`StateDict::check`]), or collects what does not fit
/// while it is built ([`StateDict::fetch`], [`StateDict::finish`]).
pub struct StateDict<'c> {
    checkpoint: &'c Checkpoint,
    prefix: String,
    entries: Vec<Entry<'c>>,
    index: HashMap<String, usize>,
    ignored: Vec<NameTest>,
    missing: Vec<String>,
    misshapen: Vec<Misshapen>,
    failure: Option<CheckpointError>,
}

/// Answers whether a name is meant.
type NameTest = Box<dyn Fn(&str) -> bool + Send>;

struct Entry<'c> {
    name: String,
    tensor: &'c TensorInfo,
    used: bool,
}

impl<'c> StateDict<'c> {
    /// All tensors below `prefix`, which ends in a dot or is empty.
    pub(crate) fn new(checkpoint: &'c Checkpoint, prefix: String) -> Self {
        let below = checkpoint.tensors().iter().filter_map(|tensor| {
            let name = tensor.key().strip_prefix(&prefix)?.to_owned();
            Some((name, tensor))
        });
        let mut state_dict = Self {
            checkpoint,
            entries: Vec::new(),
            index: HashMap::new(),
            ignored: Vec::new(),
            missing: Vec::new(),
            misshapen: Vec::new(),
            failure: None,
            prefix: String::new(),
        };
        state_dict.fill(below);
        state_dict.prefix = prefix;
        state_dict
    }

    fn fill(&mut self, named: impl IntoIterator<Item = (String, &'c TensorInfo)>) {
        self.entries.clear();
        self.index.clear();
        for (name, tensor) in named {
            self.index.insert(name.clone(), self.entries.len());
            self.entries.push(Entry { name, tensor, used: false });
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

    /// Parameter names with their tensors, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'c TensorInfo)> {
        self.entries.iter().map(|e| (e.name.as_str(), e.tensor))
    }

    /// The parameter names in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
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

    /// Renames the tensors, to read the layout of another project; `None` drops a tensor. Where two tensors get one
    /// name, the later one counts.
    pub fn rename(&mut self, mut rename: impl FnMut(&str) -> Option<String>) {
        let entries = std::mem::take(&mut self.entries);
        let renamed = entries.into_iter().filter_map(|entry| {
            let name = rename(&entry.name)?;
            Some((name, entry.tensor))
        });
        self.fill(renamed);
    }

    /// Excludes names from [`StateDict::unused`] and from the unexpected keys of every error.
    pub fn ignore(&mut self, ignored: impl Fn(&str) -> bool + Send + 'static) {
        self.ignored.push(Box::new(ignored));
    }

    /// Names not taken yet and not ignored, in the order of the file.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        let unused = self.entries.iter().filter(|entry| !entry.used);
        let names = unused.map(|entry| entry.name.as_str());
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
            self.misfit(format!("a model with {name} of shape {shape:?}"), missing, misshapen, false)
        })?;
        self.checkpoint.read_f32(tensor)
    }

    /// As [`StateDict::take`], but a tensor that does not fit is noted for [`StateDict::finish`], and zeros stand in
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
        if missing.is_empty() && misshapen.is_empty() && self.unused().next().is_none() {
            return Ok(());
        }
        Err(self.misfit(wanted.into(), missing, misshapen, true))
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
        let unexpected: Vec<String> = unexpected.map(str::to_owned).collect();
        if missing.is_empty() && misshapen.is_empty() && unexpected.is_empty() {
            return Ok(());
        }
        let mut misfit = self.describe(wanted.into(), missing, misshapen);
        misfit.unexpected = unexpected;
        Err(CheckpointError::Misfit(Box::new(misfit)))
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

    fn describe(&self, wanted: String, missing: Vec<String>, misshapen: Vec<Misshapen>) -> Misfit {
        Misfit {
            path: self.checkpoint.path().to_owned(),
            looks_like: self.checkpoint.looks_like(),
            wanted,
            missing,
            unexpected: Vec::new(),
            misshapen,
        }
    }

    fn misfit(
        &self,
        wanted: String,
        missing: Vec<String>,
        misshapen: Vec<Misshapen>,
        complete: bool,
    ) -> CheckpointError {
        let mut misfit = self.describe(wanted, missing, misshapen);
        if complete {
            misfit.unexpected = self.unused().map(str::to_owned).collect();
        }
        CheckpointError::Misfit(Box::new(misfit))
    }
}

impl fmt::Debug for StateDict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateDict")
            .field("path", &self.checkpoint.path())
            .field("prefix", &self.prefix)
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
