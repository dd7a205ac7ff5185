//! What a checkpoint may cost before its tensors are read.
//!
//! Published checkpoints stay far below every number here (the largest known structure, a very deep VAE with
//! optimizer state, needs about 5 MiB); a file that exceeds one is refused with an error.

use crate::error::Fault;

/// Bytes of values that the pickles of one file may build.
pub(crate) const HEAP_BYTES: usize = 96 << 20;
/// Bytes of keys, scalars and descriptions that one file may list.
pub(crate) const LISTING_BYTES: usize = 96 << 20;
/// Nested containers that are followed when tensors are listed.
pub(crate) const DEPTH: usize = 96;
/// Values visited when tensors are listed; aliases make a graph larger than its pickle.
pub(crate) const VISITS: usize = 4 << 20;
/// Dimensions of one tensor.
pub(crate) const DIMENSIONS: usize = 32;
/// Length in bytes of one key.
pub(crate) const KEY_BYTES: usize = 4096;
/// Length in bytes of one text line of a protocol-0 pickle.
pub(crate) const LINE_BYTES: u64 = 1 << 20;
/// Length in bytes of a safetensors header and of a zip directory.
pub(crate) const INDEX_BYTES: u64 = 16 << 20;
/// Elements that a tensor may have beyond those of its storage (stride 0 repeats elements).
pub(crate) const REPEATED_ELEMENTS: u64 = 1 << 20;

/// A number of bytes that is used up step by step.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
    purpose: &'static str,
}

impl Budget {
    pub(crate) fn new(bytes: usize, purpose: &'static str) -> Self {
        Self { left: bytes, purpose }
    }

    /// Takes `bytes`, or says that the file asks for more than any real checkpoint.
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), Fault> {
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or_else(|| Fault::corrupt(format!("{} needs more memory than allowed", self.purpose)))?;
        Ok(())
    }
}
