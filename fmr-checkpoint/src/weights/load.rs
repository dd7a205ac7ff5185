//! Values in memory.

use std::collections::BTreeMap;

use super::Weights;
use crate::error::CheckpointError;
use crate::limits;

/// Parameters by name, with their values: what PyTorch calls a state dict.
pub type StateDict = BTreeMap<String, Stored>;

/// Values of one parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub values: Vec<f32>,
}

impl Weights<'_> {
    /// Reads all floating-point tensors whose names `keep` accepts. Counters, tables of indices and quantised weights
    /// stay in the file ([`Weights::integers`]).
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Repeats`] if tensors share values so often that they would fill memory, otherwise what
    /// reading met.
    pub fn load(&self, keep: impl Fn(&str) -> bool) -> Result<StateDict, CheckpointError> {
        let floats = self.iter().filter(|(name, tensor)| tensor.dtype().is_float() && keep(name));
        let floats: Vec<_> = floats.collect();
        let size = |numel: usize| (numel as u64).saturating_mul(size_of::<f32>() as u64);
        let bytes = floats.iter().fold(0u64, |sum, (_, tensor)| sum.saturating_add(size(tensor.numel())));
        let length = self.checkpoint().length();
        let allowed = length.saturating_mul(limits::VALUES_PER_BYTE).saturating_add(limits::VALUES_BASE);
        if bytes > allowed {
            return Err(CheckpointError::Repeats { path: self.checkpoint().path().to_owned(), bytes, length });
        }
        let load = |(name, tensor): (&str, &crate::TensorInfo)| {
            let values = self.checkpoint().read_f32(tensor)?;
            Ok((name.to_owned(), Stored { shape: tensor.shape().to_vec(), values }))
        };
        floats.into_iter().map(load).collect()
    }
}
