//! The serialisation of PyTorch before 1.6: consecutive pickles, then the storages one after another.

use std::collections::HashMap;

use super::BIG_ENDIAN;
use super::rebuild::storage_reference;
use crate::error::Fault;
use crate::limits::{self, Budget};
use crate::pickle::{self, Heap, Id, Value};
use crate::shown;
use crate::source::{Cursor, Source, Span};

/// A legacy stream: the object's pickle, and where each storage lies.
pub(crate) struct Stream<'b> {
    pub(crate) heap: Heap<'b>,
    pub(crate) value: Id,
    pub(crate) storages: HashMap<String, Span>,
}

/// Reads the stream in `span`: magic number, protocol version, system facts, object, storage keys, storages.
pub(crate) fn read<'b>(source: &Source, span: Span, budget: &'b Budget) -> Result<Stream<'b>, Fault> {
    let mut cursor = Cursor::new(source, span, budget);
    let mut facts = Heap::new(budget);
    let magic = pickle::load(&mut cursor, &mut facts)?;
    let version = pickle::load(&mut cursor, &mut facts)?;
    if !matches!(facts.get(magic), Value::LargeInt) || facts.count(version) != Some(1001) {
        return Err(Fault::corrupt("the stream does not start as torch.save writes it"));
    }
    let system = pickle::load(&mut cursor, &mut facts)?;
    let little_endian = facts.entry(system, "little_endian")?;
    if little_endian.is_some_and(|id| matches!(facts.get(id), Value::Bool(false))) {
        return Err(Fault::unsupported(BIG_ENDIAN));
    }
    let mut heap = Heap::new(budget);
    let value = pickle::load(&mut cursor, &mut heap)?;
    let keys = pickle::load(&mut cursor, &mut facts)?;
    let keys = facts.sequence(keys);
    let keys = keys.ok_or_else(|| Fault::corrupt("the list of storages is missing"))?;

    let sizes = element_sizes(&heap)?;
    let mut storages = HashMap::with_capacity(keys.len());
    for &key in keys {
        let key = facts.str(key).unwrap_or_default();
        budget.text(key.len())?;
        budget.memory(key.len() + size_of::<(String, Span)>())?;
        let size = sizes.get(key).copied();
        let size =
            size.ok_or_else(|| Fault::corrupt(format!("the storage {} belongs to no tensor", shown::key(key))))?;
        let count = u64::from_le_bytes(cursor.array()?);
        let len = count.checked_mul(size);
        let len = len.ok_or_else(|| Fault::corrupt("a storage of absurd size"))?;
        storages.insert(key.to_owned(), cursor.skip(len)?);
    }
    Ok(Stream { heap, value, storages })
}

/// Bytes of an element of each storage, which are said only where the object refers to it.
fn element_sizes<'h>(heap: &'h Heap<'_>) -> Result<HashMap<&'h str, u64>, Fault> {
    let mut sizes = HashMap::new();
    for value in heap.values() {
        if let Value::Persistent(id) = value
            && let Some(reference) = storage_reference(heap, *id)
        {
            if reference.key.len() > limits::KEY_BYTES {
                return Err(Fault::corrupt("the key of a storage is absurdly long"));
            }
            // Many references may share one key: what hashing costs is charged each time.
            heap.budget().text(reference.key.len())?;
            sizes.insert(reference.key, reference.dtype?.size() as u64);
        }
    }
    Ok(sizes)
}
