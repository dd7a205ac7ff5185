//! The safetensors container: the length of a JSON header, the header, the values.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, de};

use crate::checkpoint::{Listing, Scalar};
use crate::dtype::Dtype;
use crate::error::Fault;
use crate::limits::{self, Budget};
use crate::source::{Source, Span};
use crate::tensor::{TensorInfo, View};

/// Lists a safetensors file, tensors in the order of their values.
pub(crate) fn list(source: &Source) -> Result<Listing, Fault> {
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
    let header = source.read(header_span, limits::INDEX_BYTES)?;
    let header: Header =
        serde_json::from_slice(&header).map_err(|error| Fault::corrupt(format!("its header is malformed: {error}")))?;

    let data_start = header_span.offset + header_span.len;
    let data = Span { offset: data_start, len: source.len() - data_start };
    let mut budget = Budget::new(limits::LISTING_BYTES, "the list of tensors");
    let mut listing = Listing::default();
    let mut entries = header.tensors;
    entries.sort_by_key(|(_, entry)| entry.data_offsets);
    for (key, entry) in entries {
        let tensor = TensorInfo::new(key.clone(), entry.view(&key, data)?);
        budget.spend(tensor.cost())?;
        listing.tensors.push(tensor);
    }
    for (key, value) in header.metadata {
        budget.spend(key.len() + value.len() + size_of::<(String, Scalar)>())?;
        listing.metadata.push((key, Scalar::Str(value)));
    }
    Ok(listing)
}

#[derive(Debug, Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl Entry {
    fn view(&self, key: &str, data: Span) -> Result<View, Fault> {
        let dtype = Dtype::from_safetensors(&self.dtype)
            .ok_or_else(|| Fault::unsupported(format!("its tensor {key:?} has the unknown type {:?}", self.dtype)))?;
        let (start, end) = self.data_offsets;
        let bytes = end.checked_sub(start).and_then(|len| data.part(start, len));
        let bytes = bytes.ok_or_else(|| {
            Fault::corrupt(format!(
                "its tensor {key:?} lies at bytes {start} to {end} of {}, the file is cut short or altered",
                data.len
            ))
        })?;
        let numel = self.shape.iter().try_fold(1u64, |n, &size| n.checked_mul(size));
        if numel.and_then(|n| n.checked_mul(dtype.size() as u64)) != Some(bytes.len) {
            return Err(Fault::corrupt(format!(
                "its tensor {key:?} of shape {:?} and type {dtype} has {} bytes",
                self.shape, bytes.len
            )));
        }
        View::contiguous(dtype, bytes, &self.shape)
    }
}

/// The header, refusing keys that occur twice.
struct Header {
    tensors: Vec<(String, Entry)>,
    metadata: Vec<(String, String)>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header { tensors: Vec::new(), metadata: Vec::new() };
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if key.len() > limits::KEY_BYTES || !seen.insert(key.clone()) {
                return Err(A::Error::custom("a key is absurdly long or occurs twice"));
            }
            if key == "__metadata__" {
                header.metadata = map.next_value::<Metadata>()?.0;
            } else {
                header.tensors.push((key, map.next_value()?));
            }
        }
        Ok(header)
    }
}

/// The free-form strings beside the tensors, in their order.
struct Metadata(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;
        impl<'de> Visitor<'de> for Strings {
            type Value = Metadata;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Metadata, E> {
                Ok(Metadata(Vec::new()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
                let mut strings = Vec::new();
                while let Some(key) = map.next_key()? {
                    strings.push((key, map.next_value()?));
                }
                Ok(Metadata(strings))
            }
        }
        deserializer.deserialize_any(Strings)
    }
}
