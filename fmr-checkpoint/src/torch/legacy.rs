//! The serialisation of PyTorch before 1.6: consecutive pickles, then the storages one after another.

use std::collections::HashMap;

use super::BIG_ENDIAN;
use super::rebuild::storage_reference;
use crate::error::Fault;
use crate::pickle::{self, Heap, Id, Value};
use crate::source::{Cursor, Source, Span};

/// A legacy stream: the object's pickle, and where each storage lies.
pub(crate) struct Stream {
    pub(crate) heap: Heap,
    pub(crate) value: Id,
    pub(crate) storages: HashMap<String, Span>,
}

/// Reads the stream in `span`: magic number, protocol version, system facts, object, storage keys, storages.
pub(crate) fn read(source: &Source, span: Span) -> Result<Stream, Fault> {
    let mut cursor = Cursor::new(source, span);
    let mut facts = Heap::new();
    let magic = pickle::load(&mut cursor, &mut facts)?;
    let version = pickle::load(&mut cursor, &mut facts)?;
    if !matches!(facts.get(magic), Value::LargeInt) || facts.count(version) != Some(1001) {
        return Err(Fault::corrupt("the stream does not start as torch.save writes it"));
    }
    let system = pickle::load(&mut cursor, &mut facts)?;
    let little_endian = facts.entry(system, "little_endian");
    if little_endian.is_some_and(|id| matches!(facts.get(id), Value::Bool(false))) {
        return Err(Fault::unsupported(BIG_ENDIAN));
    }
    let mut heap = Heap::new();
    let value = pickle::load(&mut cursor, &mut heap)?;
    let keys = pickle::load(&mut cursor, &mut facts)?;
    let keys = facts.sequence(keys);
    let keys = keys.ok_or_else(|| Fault::corrupt("the list of storages is missing"))?;

    // A storage's element type stands only where the object refers to it.
    let mut sizes = HashMap::new();
    for reference in heap.values() {
        if let Value::Persistent(id) = reference
            && let Some(reference) = storage_reference(&heap, *id)
        {
            sizes.insert(reference.key, reference.dtype?.size() as u64);
        }
    }
    let mut storages = HashMap::with_capacity(keys.len());
    for &key in keys {
        let key = facts.str(key).unwrap_or_default();
        let size = sizes.get(key).copied();
        let size = size.ok_or_else(|| Fault::corrupt(format!("the storage {key:?} belongs to no tensor")))?;
        let count = u64::from_le_bytes(cursor.array()?);
        let len = count.checked_mul(size);
        let len = len.ok_or_else(|| Fault::corrupt("a storage of absurd size"))?;
        storages.insert(key.to_owned(), cursor.skip(len)?);
    }
    Ok(Stream { heap, value, storages })
}
