//! What a checkpoint may cost before its tensors are read.
//!
//! Memory and work are linear in the bytes of structure that were read: pickles, headers, directories, indices. The
//! values of tensors do not count, because they stay in the file. One [`Budget`] serves a whole checkpoint, all shards
//! included, and every opcode, every element that is looked at and every byte that is copied is charged to it.
//!
//! Published checkpoints stay far below these numbers: of all fixtures, none takes more than 20 bytes of memory or half
//! a step for each byte of structure.

use std::cell::Cell;

use crate::error::Fault;

/// Memory that any file may take, in bytes.
pub(crate) const MEMORY_BASE: u64 = 1 << 20;
/// Memory that a file may take beyond [`MEMORY_BASE`] for each byte of structure.
pub(crate) const MEMORY_PER_BYTE: u64 = 128;
/// Memory that no file may exceed, in bytes.
pub(crate) const MEMORY_MOST: u64 = 96 << 20;
/// Steps that any file may take. A step is an opcode, an element looked at, or [`STEP_BYTES`] compared or hashed.
pub(crate) const STEPS_BASE: u64 = 64 << 10;
/// Steps that a file may take beyond [`STEPS_BASE`] for each byte of structure.
pub(crate) const STEPS_PER_BYTE: u64 = 8;
/// Steps that no file may exceed.
pub(crate) const STEPS_MOST: u64 = 64 << 20;
/// Bytes of text that count as one step.
pub(crate) const STEP_BYTES: usize = 64;

/// Nested containers that are followed when tensors are listed.
pub(crate) const DEPTH: usize = 96;
/// Plain values of one list that are listed; a history of losses may hold millions.
pub(crate) const PLAIN_ELEMENTS: usize = 256;
/// Dimensions of one tensor.
pub(crate) const DIMENSIONS: usize = 32;
/// Length in bytes of one key.
pub(crate) const KEY_BYTES: usize = 4096;
/// Length in bytes of one text line of a pickle, and of one string that may be text or bytes.
pub(crate) const LINE_BYTES: u64 = 1 << 20;
/// Length in bytes of one number of numpy's.
pub(crate) const NUMBER_BYTES: u64 = 16;
/// Length in bytes of one string of a pickle.
pub(crate) const STRING_BYTES: u64 = 16 << 20;
/// Length in bytes of a safetensors header, a zip directory and an index of shards.
pub(crate) const INDEX_BYTES: u64 = 16 << 20;
/// Files that one checkpoint may be divided into.
pub(crate) const SHARDS: usize = 1024;
/// Levels such as `module.` that are taken off in search of a model.
pub(crate) const WRAPPERS: usize = 8;
/// Elements that a tensor may have beyond those of its storage (stride 0 repeats elements).
pub(crate) const REPEATED_ELEMENTS: u64 = 1 << 20;
/// Memory that the values of any file may take once they are loaded, in bytes.
pub(crate) const VALUES_BASE: u64 = 16 << 20;
/// Memory that loaded values may take beyond [`VALUES_BASE`] for each byte of the file: half precision doubles, and
/// some tensors share their values.
pub(crate) const VALUES_PER_BYTE: u64 = 8;

/// What was read of a checkpoint, and what that allows.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    read: Cell<u64>,
    memory: Cell<u64>,
    steps: Cell<u64>,
}

impl Budget {
    /// Notes bytes of structure that were read: they allow memory and work.
    pub(crate) fn read(&self, bytes: u64) {
        self.read.set(self.read.get().saturating_add(bytes));
    }

    /// Charges memory that is about to be reserved.
    pub(crate) fn memory(&self, bytes: usize) -> Result<(), Fault> {
        let allowed = allowance(self.read.get(), MEMORY_BASE, MEMORY_PER_BYTE, MEMORY_MOST);
        if charge(&self.memory, bytes, allowed) {
            return Ok(());
        }
        Err(Fault::corrupt(format!(
            "what it describes takes more memory than {} bytes of structure may ask for ({allowed} bytes)",
            self.read.get()
        )))
    }

    /// Charges work that is about to be done.
    pub(crate) fn steps(&self, count: usize) -> Result<(), Fault> {
        let allowed = allowance(self.read.get(), STEPS_BASE, STEPS_PER_BYTE, STEPS_MOST);
        if charge(&self.steps, count, allowed) {
            return Ok(());
        }
        Err(Fault::corrupt(format!(
            "it refers to the same values too many times: more than {allowed} steps for {} bytes of structure",
            self.read.get()
        )))
    }

    /// Charges the work of comparing, copying or hashing a text.
    pub(crate) fn text(&self, bytes: usize) -> Result<(), Fault> {
        self.steps(1 + bytes / STEP_BYTES)
    }
}

fn allowance(read: u64, base: u64, per_byte: u64, most: u64) -> u64 {
    read.saturating_mul(per_byte).saturating_add(base).min(most)
}

/// Adds to a sum unless that exceeds what is allowed.
fn charge(sum: &Cell<u64>, amount: usize, allowed: u64) -> bool {
    let total = sum.get().saturating_add(amount as u64);
    if total > allowed {
        return false;
    }
    sum.set(total);
    true
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_allowed_grows_with_what_was_read() {
        let budget = Budget::default();
        budget.memory(MEMORY_BASE as usize).unwrap();
        assert!(budget.memory(1).is_err());
        budget.read(2);
        budget.memory(2 * MEMORY_PER_BYTE as usize).unwrap();
        assert!(budget.memory(1).is_err());
        budget.steps(STEPS_BASE as usize).unwrap();
        budget.text(31 * STEP_BYTES).unwrap_err();
        budget.read(u64::MAX);
        assert!(budget.memory(usize::MAX).is_err());
        assert!(budget.steps(STEPS_MOST as usize).is_err());
    }
}
