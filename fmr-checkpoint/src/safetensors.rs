//! The safetensors container: the length of a JSON header, the header, the values.

use std::sync::Arc;

use crate::checkpoint::{Listing, Scalar};
use crate::dtype::Dtype;
use crate::error::Fault;
use crate::limits::{self, Budget};
use crate::shown;
use crate::source::{Source, Span};
use crate::tensor::{TensorInfo, View};

mod header;

use header::Entry;

/// Lists a safetensors file, tensors in the order of their values.
pub(crate) fn list(source: &Source, budget: &Budget) -> Result<Listing, Fault> {
    let mut length = [0; 8];
    source.read_at(0, &mut length)?;
    let header_span = source.span().part(8, u64::from_le_bytes(length));
    let header_span = header_span.ok_or_else(|| {
        Fault::corrupt(format!(
            "its header should have {} bytes and the file has {}",
            u64::from_le_bytes(length),
            source.len()
        ))
    })?;
    let bytes = source.read(header_span, limits::INDEX_BYTES)?;
    let mut header = header::parse(&bytes, budget)?;
    drop(bytes);

    let data_start = header_span.offset + header_span.len;
    let data = Span { offset: data_start, len: source.len() - data_start };
    header.tensors.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut listing = Listing::default();
    let mut end = 0;
    for (key, entry) in header.tensors {
        let view = entry.view(&key, data)?;
        let (start, entry_end) = entry.data_offsets;
        if start < end && start < entry_end {
            return Err(Fault::corrupt(format!("the values of its tensor {} overlap others", shown::key(&key))));
        }
        end = end.max(entry_end);
        budget.memory(TensorInfo::cost(&key) + view.cost())?;
        listing.tensors.push(TensorInfo::new(key, Arc::new(view)));
    }
    listing.metadata.extend(header.metadata.into_iter().map(|(key, text)| (key, Scalar::Str(text))));
    Ok(listing)
}

impl Entry {
    fn view(&self, key: &str, data: Span) -> Result<View, Fault> {
        let key = shown::key(key);
        let dtype = Dtype::from_safetensors(&self.dtype.0).ok_or_else(|| {
            Fault::unsupported(format!("its tensor {key} has the unknown type {}", shown::key(&self.dtype.0)))
        })?;
        let (start, end) = self.data_offsets;
        let bytes = end.checked_sub(start).and_then(|len| data.part(start, len));
        let bytes = bytes.ok_or_else(|| {
            Fault::corrupt(format!(
                "its tensor {key} lies at bytes {start} to {end} of {}, the file is cut short or altered",
                data.len
            ))
        })?;
        let numel = self.shape.0.iter().try_fold(1u64, |n, &size| n.checked_mul(size));
        if numel.and_then(|n| n.checked_mul(dtype.size() as u64)) != Some(bytes.len) {
            return Err(Fault::corrupt(format!(
                "its tensor {key} of shape {:?} and type {dtype} has {} bytes",
                self.shape.0, bytes.len
            )));
        }
        View::contiguous(dtype, bytes, &self.shape.0)
    }
}
