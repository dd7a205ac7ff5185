//! What a checkpoint is, for `fmr inspect`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::checkpoint::{Checkpoint, Container, Scalar};
use crate::dtype::Dtype;
use crate::error::CheckpointError;
use crate::shown;
use crate::tensor::TensorInfo;
use crate::weights::{Place, Selection, first_levels};

/// One parameter.
#[derive(Debug, Clone)]
pub struct SummaryKey {
    tensor: TensorInfo,
    /// Where the name starts in the tensor's key.
    start: usize,
}

impl SummaryKey {
    /// Its name in the model.
    #[must_use]
    pub fn name(&self) -> &str {
        self.tensor.key().get(self.start..).unwrap_or_default()
    }

    /// Sizes, outermost first.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.tensor.shape()
    }

    /// Type of its values.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.tensor.dtype()
    }
}

/// What a checkpoint is: container, family, sizes, keys. Shows itself as text, with the first keys only;
/// `{:#}` shows all. What comes from the file is escaped and cut.
///
/// ```no_run
/// let checkpoint = fmr_checkpoint::Checkpoint::open("resnet50.pth")?;
/// println!("{}", checkpoint.summary()?);
/// # Ok::<(), fmr_checkpoint::CheckpointError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Summary {
    /// The file.
    pub path: PathBuf,
    /// Kind of the file; of a checkpoint in shards, that of the first shard.
    pub container: Container,
    /// Number of files that hold the tensors.
    pub shards: usize,
    /// What the weights look like, with its article, if that was recognised.
    pub looks_like: Option<String>,
    /// Where in the file the model's parameters stand.
    pub place: Place,
    /// Other places that hold a model of mostly the same names, such as averaged weights (EMA) beside raw ones.
    pub alternatives: Vec<Place>,
    /// The model's parameters, counters included, in the order of the file.
    pub keys: Vec<SummaryKey>,
    /// Number of floating-point values among them.
    pub parameters: usize,
    /// Tensors elsewhere in the file, such as moving averages, optimiser states and losses: their number.
    pub others: usize,
    /// The first levels of those tensors' keys, with numbers of tensors, the largest first.
    pub other_levels: Vec<(String, usize)>,
    /// Plain values beside the tensors, e.g. the epoch.
    pub metadata: Vec<(Arc<str>, Scalar)>,
}

impl Checkpoint {
    /// What this checkpoint is.
    ///
    /// # Errors
    /// [`CheckpointError::NoTensor`] if it holds no tensors.
    pub fn summary(&self) -> Result<Summary, CheckpointError> {
        let weights = self.weights(&Selection::default())?;
        let start = weights.prefix().len();
        let keys: Vec<SummaryKey> =
            weights.iter().map(|(_, tensor)| SummaryKey { tensor: tensor.clone(), start }).collect();
        let floats = weights.iter().filter(|(_, tensor)| tensor.dtype().is_float());
        let others = self.tensors().iter().filter(|tensor| !weights.holds(tensor));
        let levels = first_levels(others.map(TensorInfo::key));
        Ok(Summary {
            path: self.path().to_owned(),
            container: self.container(),
            shards: self.shards(),
            looks_like: self.looks_like(),
            place: weights.place(),
            alternatives: weights.alternatives(),
            parameters: floats.fold(0, |sum, (_, tensor)| tensor.numel().saturating_add(sum)),
            others: levels.iter().map(|(_, tensors)| tensors).sum(),
            other_levels: levels.into_iter().take(LEVELS + 1).map(|(level, n)| (level.to_owned(), n)).collect(),
            keys,
            metadata: self.metadata().to_vec(),
        })
    }
}

/// Levels of other tensors that are shown.
const LEVELS: usize = 6;

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FIRST: usize = 12;
        let most = if f.alternate() { usize::MAX } else { FIRST };
        writeln!(f, "{}", shown::path(&self.path))?;
        match self.shards {
            1 => writeln!(f, "  container   {}", self.container)?,
            shards => writeln!(f, "  container   {} in {shards} shards", self.container)?,
        }
        let looks_like = self.looks_like.as_deref().unwrap_or("nothing that is known");
        writeln!(f, "  looks like  {}", shown::escaped(looks_like, shown::MESSAGE))?;
        let mut types: BTreeMap<String, usize> = BTreeMap::new();
        self.keys.iter().for_each(|key| *types.entry(key.dtype().to_string()).or_default() += 1);
        let types: Vec<String> = types.into_iter().map(|(dtype, n)| format!("{n} {dtype}")).collect();
        writeln!(f, "  parameters  {} values in {} tensors ({})", self.parameters, self.keys.len(), types.join(", "))?;
        self.show_places(f)?;
        for (key, value) in self.metadata.iter().take(most) {
            writeln!(f, "  {} = {value}", shown::escaped(key, shown::KEY))?;
        }
        let shown = &self.keys[..most.min(self.keys.len())];
        let name = |key: &SummaryKey| shown::escaped(key.name(), shown::KEY).to_string();
        let width = shown.iter().map(|key| name(key).chars().count()).max().unwrap_or_default();
        for key in shown {
            let shape: Vec<String> = key.shape().iter().map(usize::to_string).collect();
            let shape = if shape.is_empty() { "scalar".to_owned() } else { shape.join("×") };
            writeln!(f, "  {:width$}  {shape}  {}", name(key), key.dtype())?;
        }
        if shown.len() < self.keys.len() {
            writeln!(f, "  … and {} more", self.keys.len() - shown.len())?;
        }
        Ok(())
    }
}

impl Summary {
    /// Where the weights stand, where else some stand, and what more the file holds.
    fn show_places(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PLACES: usize = 4;
        let has_average = self.place.averaged || self.alternatives.iter().any(|place| place.averaged);
        let kind = |place: &Place| if has_average && !place.averaged { ", raw" } else { "" };
        if !self.place.prefix.is_empty() || has_average {
            writeln!(f, "  weights     {}{}", self.place, kind(&self.place))?;
        }
        for place in self.alternatives.iter().take(PLACES) {
            let choice = match (place.averaged, self.place.averaged) {
                (true, false) => "ema = true".to_owned(),
                (false, true) => "ema = false".to_owned(),
                _ => format!("prefix = {}", shown::key(&place.prefix)),
            };
            writeln!(f, "  also        {}{}: {} tensors, chosen by {choice}", place, kind(place), place.tensors)?;
        }
        if self.others > 0 {
            let levels = shown::first_few(&self.other_levels, LEVELS, |(level, tensors)| {
                format!("{tensors} in {}", shown::key(level))
            });
            writeln!(f, "  elsewhere   {} further tensors: {levels}", self.others)?;
        }
        Ok(())
    }
}
