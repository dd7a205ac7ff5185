//! The JSON header of a safetensors file.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::Fault;
use crate::json::{self, Limits, Text, Texts};
use crate::limits::{self, Budget};
use crate::shown;

/// What a header lists, in its order.
#[derive(Debug, Default)]
pub(super) struct Header {
    pub(super) tensors: Vec<(Arc<str>, Entry)>,
    pub(super) metadata: Vec<(Arc<str>, Arc<str>)>,
}

/// Type, shape and place of one tensor.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) dtype: TypeName,
    pub(super) shape: Shape,
    /// First byte and the byte after the last, from the end of the header.
    pub(super) data_offsets: (u64, u64),
}

/// Reads a header, refusing keys that occur twice.
pub(super) fn parse(bytes: &[u8], budget: &Budget) -> Result<Header, Fault> {
    let exceeded = RefCell::default();
    let limits = Limits::new(budget, &exceeded);
    json::object("its header", bytes, limits, HeaderVisitor(limits))
}

struct HeaderVisitor<'b>(Limits<'b>);

impl<'de> Visitor<'de> for HeaderVisitor<'_> {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header::default();
        let mut seen: HashSet<Arc<str>> = HashSet::new();
        while let Some(key) = map.next_key_seed(Text::key(self.0))? {
            self.0.charge(2 * size_of::<(Arc<str>, Arc<str>, Entry)>())?;
            if !seen.insert(Arc::clone(&key)) {
                return Err(A::Error::custom(format_args!("the key {} occurs twice", shown::key(&key))));
            }
            if &*key == "__metadata__" {
                header.metadata = map.next_value_seed(Texts(self.0))?;
            } else {
                header.tensors.push((key, map.next_value()?));
            }
        }
        Ok(header)
    }
}

/// The name of a type, cut to what can be shown.
#[derive(Debug)]
pub(super) struct TypeName(pub(super) String);

impl<'de> Deserialize<'de> for TypeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = TypeName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a type")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<TypeName, E> {
                Ok(TypeName(text.chars().take(shown::KEY).collect()))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

/// The sizes of a tensor's dimensions, of which there are few.
#[derive(Debug)]
pub(super) struct Shape(pub(super) Vec<u64>);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sizes;
        impl<'de> Visitor<'de> for Sizes {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {} sizes", limits::DIMENSIONS)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sizes: A) -> Result<Shape, A::Error> {
                let mut shape = Vec::new();
                while shape.len() < limits::DIMENSIONS {
                    match sizes.next_element()? {
                        Some(size) => shape.push(size),
                        None => return Ok(Shape(shape)),
                    }
                }
                match sizes.next_element::<IgnoredAny>()? {
                    None => Ok(Shape(shape)),
                    Some(_) => Err(A::Error::custom("a tensor has too many dimensions")),
                }
            }
        }
        deserializer.deserialize_seq(Sizes)
    }
}
