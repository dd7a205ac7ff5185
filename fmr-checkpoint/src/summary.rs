//! What a checkpoint is, for `fmr inspect`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::checkpoint::{Checkpoint, Container, Scalar};
use crate::error::CheckpointError;
use crate::state_dict::Selection;

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryKey {
    /// Its name in the model.
    pub name: String,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Type of its values.
    pub dtype: String,
}

/// What a checkpoint is: container, family, sizes, keys. Shows itself as text, with the first keys only;
/// `{:#}` shows all.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The file.
    pub path: PathBuf,
    /// Kind of the file.
    pub container: Container,
    /// What the weights look like, with its article, if that was recognised.
    pub looks_like: Option<String>,
    /// What stands before the parameters' names in the file.
    pub prefix: String,
    /// The model's parameters, counters included, in the order of the file.
    pub keys: Vec<SummaryKey>,
    /// Number of floating-point values among them.
    pub parameters: usize,
    /// Tensors elsewhere in the file: moving averages, optimiser states, losses.
    pub others: usize,
    /// Plain values beside the tensors, e.g. the epoch.
    pub metadata: Vec<(String, Scalar)>,
}

impl Checkpoint {
    /// What this checkpoint is.
    ///
    /// # Errors
    /// [`CheckpointError::NoTensor`] if it holds no tensors.
    pub fn summary(&self) -> Result<Summary, CheckpointError> {
        let weights = self.state_dict(&Selection::default())?;
        let keys: Vec<SummaryKey> = weights
            .iter()
            .map(|(name, info)| SummaryKey {
                name: name.to_owned(),
                shape: info.shape().to_vec(),
                dtype: info.dtype().to_string(),
            })
            .collect();
        let floats = weights.iter().filter(|(_, info)| info.dtype().is_float());
        Ok(Summary {
            path: self.path().to_owned(),
            container: self.container(),
            looks_like: self.looks_like(),
            prefix: weights.prefix().to_owned(),
            parameters: floats.map(|(_, info)| info.numel()).sum(),
            others: self.tensors().len() - keys.len(),
            keys,
            metadata: self.metadata().to_vec(),
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FIRST: usize = 12;
        const LONGEST: usize = 60;
        let all = f.alternate();
        writeln!(f, "{}", self.path.display())?;
        writeln!(f, "  container   {}", self.container)?;
        writeln!(f, "  looks like  {}", self.looks_like.as_deref().unwrap_or("nothing that is known"))?;
        let mut types: BTreeMap<&str, usize> = BTreeMap::new();
        self.keys.iter().for_each(|key| *types.entry(&key.dtype).or_default() += 1);
        let types: Vec<String> = types.into_iter().map(|(dtype, n)| format!("{n} {dtype}")).collect();
        writeln!(f, "  parameters  {} values in {} tensors ({})", self.parameters, self.keys.len(), types.join(", "))?;
        if !self.prefix.is_empty() {
            writeln!(f, "  prefix      {}", self.prefix)?;
        }
        if self.others > 0 {
            writeln!(f, "  elsewhere   {} further tensors", self.others)?;
        }
        for (key, value) in self.metadata.iter().take(if all { usize::MAX } else { FIRST }) {
            let text: String = value.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let short: String = text.chars().take(LONGEST).collect();
            writeln!(f, "  {key} = {short}{}", if short.len() < text.len() { "…" } else { "" })?;
        }
        let shown = if all { self.keys.len() } else { FIRST.min(self.keys.len()) };
        let width = self.keys[..shown].iter().map(|key| key.name.len()).max().unwrap_or_default();
        for key in &self.keys[..shown] {
            let shape: Vec<String> = key.shape.iter().map(usize::to_string).collect();
            let shape = if shape.is_empty() { "scalar".to_owned() } else { shape.join("×") };
            writeln!(f, "  {:width$}  {shape}  {}", key.name, key.dtype)?;
        }
        if shown < self.keys.len() {
            writeln!(f, "  … and {} more", self.keys.len() - shown)?;
        }
        Ok(())
    }
}
