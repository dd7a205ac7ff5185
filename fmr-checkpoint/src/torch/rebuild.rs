//! The few functions of a pickle that make tensors, read as data.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::{Storage, embedded_storage};
use crate::checkpoint::Scalar;
use crate::dtype::Dtype;
use crate::error::Fault;
use crate::limits;
use crate::pickle::{Heap, Id, Object, Value};
use crate::shown;
use crate::source::{Source, Span};
use crate::tensor::View;
use crate::zip::Archive;

/// Where storages are found by their key.
pub(crate) enum Storages<'s> {
    /// `<root>data/<key>` of a zip archive.
    Archive { archive: Archive<'s>, root: String },
    /// Spans of a legacy stream; empty for a plain pickle.
    Named(HashMap<String, Span>),
}

/// Turns descriptions of tensors into views of the file.
pub(crate) struct Rebuilder<'s> {
    source: &'s Source,
    pub(super) heap: &'s Heap<'s>,
    storages: Storages<'s>,
    known: RefCell<Known>,
}

/// What was rebuilt already: references to one value may be many, and each value is looked into once.
#[derive(Default)]
struct Known {
    tensors: HashMap<Id, Option<Arc<View>>>,
    /// Storages by the text that is their key.
    named: HashMap<Id, Span>,
    /// Storages of embedded byte strings, by their place.
    embedded: HashMap<Span, Storage>,
}

/// Memory that an entry of one of these maps takes, at most.
const ENTRY: usize = 128;

/// What a persistent id says about a storage.
pub(crate) struct StorageReference<'h> {
    pub(crate) dtype: Result<Dtype, Fault>,
    pub(crate) key: &'h str,
    key_id: Id,
    count: u64,
    /// First element and length of a view of the storage, which streams before 0.4 could hold.
    view: Option<(u64, u64)>,
}

/// Reads `("storage", class, key, location, count[, view])`.
pub(crate) fn storage_reference<'h>(heap: &'h Heap<'_>, id: Id) -> Option<StorageReference<'h>> {
    let [tag, class, key, _location, count, rest @ ..] = heap.sequence(id)? else {
        return None;
    };
    if heap.str(*tag)? != "storage" {
        return None;
    }
    let (_, class) = heap.global(*class)?;
    let view = rest.first().and_then(|view| heap.sequence(*view));
    let view = view.and_then(|view| match view {
        [_, offset, len] => heap.count(*offset).zip(heap.count(*len)),
        _ => None,
    });
    Some(StorageReference { dtype: dtype(class), key: heap.str(*key)?, key_id: *key, count: heap.count(*count)?, view })
}

fn dtype(name: &str) -> Result<Dtype, Fault> {
    let known = Dtype::from_torch(name);
    known.ok_or_else(|| Fault::unsupported(format!("it holds tensors of the unknown type {}", shown::key(name))))
}

impl<'s> Rebuilder<'s> {
    pub(crate) fn new(source: &'s Source, heap: &'s Heap<'s>, storages: Storages<'s>) -> Self {
        Self { source, heap, storages, known: RefCell::default() }
    }

    /// The view that this value describes, or `None` if it does not describe a tensor.
    pub(crate) fn tensor(&self, id: Id) -> Result<Option<Arc<View>>, Fault> {
        if let Some(known) = self.known.borrow().tensors.get(&id) {
            return Ok(known.clone());
        }
        let view = self.rebuild(id)?.map(Arc::new);
        self.heap.spend(ENTRY + view.as_ref().map_or(0, |view| view.cost()))?;
        self.known.borrow_mut().tensors.insert(id, view.clone());
        Ok(view)
    }

    fn rebuild(&self, id: Id) -> Result<Option<View>, Fault> {
        // Parameters wrap tensors, tensor subclasses wrap calls; no real file nests them deeper than twice.
        let mut id = id;
        for _ in 0..4 {
            let Some((object, module, name, arguments)) = self.heap.call(id) else {
                return Ok(None);
            };
            if module.starts_with("numpy") {
                return self.array(object, name, arguments);
            }
            if !module.starts_with("torch.") {
                return Ok(None);
            }
            match (name, arguments) {
                ("_rebuild_parameter" | "_rebuild_parameter_with_state", [inner, ..]) => {
                    id = *inner;
                }
                ("_rebuild_from_type_v2", [function, _, inner, ..]) => {
                    let name = self.heap.global(*function).map(|(_, name)| name);
                    let inner = self.heap.sequence(*inner);
                    return match name.zip(inner) {
                        Some((name, inner)) => self.strided(name, inner),
                        None => Ok(None),
                    };
                }
                _ => return self.strided(name, arguments),
            }
        }
        Ok(None)
    }

    /// `_rebuild_tensor*(storage, offset, size, stride, …)`.
    fn strided(&self, function: &str, arguments: &[Id]) -> Result<Option<View>, Fault> {
        let untyped = match function {
            "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_qtensor" => false,
            "_rebuild_tensor_v3" => true,
            _ => return Ok(None),
        };
        let malformed = || Fault::corrupt("the description of a tensor is malformed");
        let [storage, offset, size, stride, rest @ ..] = arguments else {
            return Err(malformed());
        };
        let mut storage = self.storage(*storage)?;
        if untyped {
            let dtype = rest.get(2).and_then(|id| self.heap.global(*id));
            let (_, name) = dtype.ok_or_else(malformed)?;
            storage.dtype = self::dtype(name)?;
        }
        let offset = self.heap.count(*offset).ok_or_else(malformed)?;
        let size = self.counts(*size).ok_or_else(malformed)?;
        let stride = self.counts(*stride).ok_or_else(malformed)?;
        View::new(storage.dtype, storage.bytes, offset, &size, &stride).map(Some)
    }

    /// A tuple, list or `torch.Size` of sizes.
    fn counts(&self, id: Id) -> Option<Vec<u64>> {
        let ids = match self.heap.call(id) {
            Some((_, _, "Size", [inner])) => self.heap.sequence(*inner)?,
            _ => self.heap.sequence(id)?,
        };
        if ids.len() > limits::DIMENSIONS {
            return None;
        }
        ids.iter().map(|&id| self.heap.count(id)).collect()
    }

    /// A storage, by persistent id or embedded in a byte string.
    pub(super) fn storage(&self, id: Id) -> Result<Storage, Fault> {
        if let Value::Persistent(id) = self.heap.get(id) {
            return self.named_storage(*id);
        }
        if let Some((_, "torch.storage", "_load_from_bytes", [bytes])) = self.heap.call(id)
            && let Value::Bytes(span) = self.heap.get(*bytes)
        {
            if let Some(known) = self.known.borrow().embedded.get(span) {
                return Ok(*known);
            }
            let storage = embedded_storage(self.source, *span, self.heap.budget())?;
            self.heap.spend(ENTRY)?;
            self.known.borrow_mut().embedded.insert(*span, storage);
            return Ok(storage);
        }
        Err(Fault::unsupported(
            "a tensor's values are kept in a way that torch.save does not use; save the state dict again with torch.save",
        ))
    }

    fn named_storage(&self, id: Id) -> Result<Storage, Fault> {
        let reference = storage_reference(self.heap, id)
            .ok_or_else(|| Fault::corrupt("the reference to a storage is malformed"))?;
        let key = shown::key(reference.key);
        let found = self.bytes_of(&reference)?;
        let dtype = reference.dtype?;
        let item = dtype.size() as u64;
        let lying = || {
            Fault::corrupt(format!(
                "the storage {key} should hold {} elements of {dtype} and has {} bytes",
                reference.count, found.len
            ))
        };
        let len = reference.count.checked_mul(item);
        let mut bytes = len.and_then(|len| found.part(0, len)).ok_or_else(lying)?;
        if let Some((start, count)) = reference.view {
            let place = start.checked_mul(item).zip(count.checked_mul(item));
            let part = place.and_then(|(start, len)| bytes.part(start, len));
            bytes = part.ok_or_else(lying)?;
        }
        Ok(Storage { dtype, bytes })
    }

    /// Where a storage lies that is kept under a key.
    fn bytes_of(&self, reference: &StorageReference<'_>) -> Result<Span, Fault> {
        if let Some(known) = self.known.borrow().named.get(&reference.key_id) {
            return Ok(*known);
        }
        let key = reference.key;
        self.heap.budget().text(key.len())?;
        let found = match &self.storages {
            Storages::Archive { archive, root } => archive.find(&format!("{root}data/{key}"))?,
            Storages::Named(spans) => spans.get(key).copied(),
        };
        let found = found.ok_or_else(|| Fault::corrupt(format!("the storage {} is missing", shown::key(key))))?;
        self.heap.spend(ENTRY)?;
        self.known.borrow_mut().named.insert(reference.key_id, found);
        Ok(found)
    }

    /// A numpy array as a tensor.
    fn array(&self, object: &Object, function: &str, arguments: &[Id]) -> Result<Option<View>, Fault> {
        match self.described_array(object, function, arguments) {
            Some((dtype, bytes, shape)) => View::contiguous(dtype, bytes, &shape).map(Some),
            None => Ok(None),
        }
    }

    /// A numpy array: `_reconstruct(…)` with the state (version, shape, dtype, column-major, bytes), or protocol 5's
    /// `_frombuffer(bytes, dtype, shape, order)`.
    fn described_array(&self, object: &Object, function: &str, arguments: &[Id]) -> Option<(Dtype, Span, Vec<u64>)> {
        let state = object.state.and_then(|state| self.heap.sequence(state));
        let (shape, dtype, column_major, bytes) = match (function, state, arguments) {
            ("_reconstruct", Some([_, shape, dtype, order, bytes]), _) => {
                (*shape, *dtype, matches!(self.heap.get(*order), Value::Bool(true)), *bytes)
            }
            ("_frombuffer", _, [bytes, dtype, shape, order]) => {
                (*shape, *dtype, self.heap.str(*order) == Some("F"), *bytes)
            }
            _ => return None,
        };
        let (shape, Value::Bytes(bytes)) = (self.counts(shape)?, self.heap.get(bytes)) else {
            return None;
        };
        let dtype = self.numpy_type(dtype).filter(|_| !column_major || shape.len() < 2)?;
        Some((dtype, *bytes, shape))
    }

    /// The element type that `numpy.dtype(name, …)` with its state describes, if it is little-endian.
    fn numpy_type(&self, id: Id) -> Option<Dtype> {
        let (described, _, "dtype", [name, ..]) = self.heap.call(id)? else {
            return None;
        };
        let byte_order = described.state.and_then(|state| self.heap.sequence(state));
        let byte_order = byte_order.and_then(|state| self.heap.str(*state.get(1)?));
        let dtype = self.heap.str(*name).and_then(Dtype::from_numpy)?;
        (byte_order != Some(">")).then_some(dtype)
    }

    /// A numpy number, `scalar(dtype, bytes)`, as a plain value.
    pub(super) fn number(&self, id: Id) -> Result<Option<Scalar>, Fault> {
        let Some((_, module, "scalar", [dtype, bytes])) = self.heap.call(id) else {
            return Ok(None);
        };
        let (Some(dtype), Value::Bytes(span)) = (self.numpy_type(*dtype), self.heap.get(*bytes)) else {
            return Ok(None);
        };
        if !module.starts_with("numpy") || span.len != dtype.size() as u64 {
            return Ok(None);
        }
        Ok(plain(dtype, &self.source.read(*span, limits::NUMBER_BYTES)?)?.pop())
    }

    /// A numpy array of one dimension and a few elements as plain values.
    pub(super) fn numbers(&self, id: Id) -> Result<Option<Vec<Scalar>>, Fault> {
        let Some((object, module, function, arguments)) = self.heap.call(id) else {
            return Ok(None);
        };
        if !module.starts_with("numpy") {
            return Ok(None);
        }
        match self.described_array(object, function, arguments) {
            Some((dtype, span, shape)) if shape.len() == 1 && shape[0] <= limits::PLAIN_ELEMENTS as u64 => {
                let Some(span) = span.part(0, shape[0] * dtype.size() as u64) else {
                    return Ok(None);
                };
                let most = limits::PLAIN_ELEMENTS as u64 * limits::NUMBER_BYTES;
                self.heap.budget().steps(limits::PLAIN_ELEMENTS.min(span.len as usize))?;
                plain(dtype, &self.source.read(span, most)?).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// Elements as plain values; none of a type that has no plain values.
fn plain(dtype: Dtype, bytes: &[u8]) -> Result<Vec<Scalar>, Fault> {
    Ok(match dtype {
        Dtype::F64 => {
            let (numbers, _) = bytes.as_chunks();
            numbers.iter().map(|bytes| Scalar::Float(f64::from_le_bytes(*bytes))).collect()
        }
        Dtype::F32 | Dtype::F16 => {
            let mut values = Vec::new();
            dtype.decode_f32(bytes, &mut values)?;
            values.into_iter().map(|value| Scalar::Float(value.into())).collect()
        }
        Dtype::Bool => bytes.iter().map(|byte| Scalar::Bool(*byte != 0)).collect(),
        Dtype::I64 | Dtype::I32 | Dtype::I16 | Dtype::I8 | Dtype::U32 | Dtype::U16 | Dtype::U8 => {
            let mut values = Vec::new();
            dtype.decode_i64(bytes, &mut values)?;
            values.into_iter().map(Scalar::Int).collect()
        }
        _ => Vec::new(),
    })
}
