//! The places of a file that hold models: raw and averaged weights, a teacher, a loss.

use std::collections::BTreeMap;
use std::fmt;

use super::{Weights, average};
use crate::checkpoint::Checkpoint;
use crate::error::CheckpointError;
use crate::shown;

/// Levels of a key that may stand before the names of a model.
const LEVELS: usize = 8;

/// A place of a file that holds the weights of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What stands before the parameter names in the file's keys.
    pub prefix: String,
    /// Number of tensors.
    pub tensors: usize,
    /// Whether the name says that the weights are a moving average (EMA).
    pub averaged: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix.is_empty() {
            f.write_str("at the top level")?;
        } else {
            write!(f, "under {}", shown::key(&self.prefix))?;
        }
        f.write_str(if self.averaged { ", averaged (EMA)" } else { "" })
    }
}

/// Whether a part of this prefix names a moving average.
pub(super) fn is_averaged(prefix: &str) -> bool {
    const WORDS: &[&str] = &["ema", "swa", "averaged"];
    let mut words = prefix.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// Other places with at least half as many of the same names, the largest first.
pub(super) fn alternatives(weights: &Weights<'_>) -> Vec<Place> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let tensors = weights.checkpoint().tensors().iter();
    for tensor in tensors.filter(|tensor| !weights.holds(tensor)) {
        let key = tensor.key();
        let starts = std::iter::once(0).chain(key.match_indices('.').map(|(at, _)| at + 1));
        if let Some(start) = starts.take(LEVELS).find(|&start| weights.contains(&key[start..])) {
            *counts.entry(&key[..start]).or_default() += 1;
        }
    }
    let enough = |count: usize| count > 0 && count * 2 >= weights.entries.len();
    let mut places: Vec<Place> = counts
        .into_iter()
        .filter(|(_, count)| enough(*count))
        .map(|(prefix, tensors)| Place { prefix: prefix.to_owned(), tensors, averaged: is_averaged(prefix) })
        .collect();
    if !weights.averaged() {
        places.extend(average::of(weights).map(|average| average.place()));
    }
    places.sort_by(|a, b| b.tensors.cmp(&a.tensors).then_with(|| a.prefix.cmp(&b.prefix)));
    places
}

/// The number of tensors below each first level of a file's keys.
pub(crate) fn first_levels<'k>(keys: impl Iterator<Item = &'k str>) -> Vec<(&'k str, usize)> {
    let mut levels: BTreeMap<&str, usize> = BTreeMap::new();
    for key in keys {
        let end = key.find('.').map_or(key.len(), |dot| dot + 1);
        *levels.entry(&key[..end]).or_default() += 1;
    }
    let mut levels: Vec<_> = levels.into_iter().collect();
    levels.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    levels
}

/// The error of a place that holds no tensors.
pub(super) fn nothing_under(checkpoint: &Checkpoint, place: &str) -> CheckpointError {
    const SHOWN: usize = 6;
    let levels = first_levels(checkpoint.tensors().iter().map(|tensor| tensor.key()));
    let levels = shown::first_few(&levels, SHOWN, |(level, tensors)| format!("{} ({tensors})", shown::key(level)));
    CheckpointError::NoTensor {
        path: checkpoint.path().to_owned(),
        key: place.to_owned(),
        hint: if levels.is_empty() { "; it holds no tensors at all".into() } else { format!("; it holds {levels}") },
    }
}
