//! JSON of unknown origin: objects are read with limits on everything they list.
//!
//! Texts are charged to the budget while they are parsed, so that a document is refused before what it lists takes
//! more memory than it may.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use crate::error::Fault;
use crate::limits::{self, Budget};
use crate::shown;

/// Reads an object from `bytes` through a visitor. `what` names the document in errors.
pub(crate) fn object<'j, V: Visitor<'j>>(
    what: &str,
    bytes: &'j [u8],
    limits: Limits<'_>,
    visitor: V,
) -> Result<V::Value, Fault> {
    limits.budget.read(bytes.len() as u64);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = json.deserialize_map(visitor).and_then(|value| json.end().map(|()| value));
    value.map_err(|error| {
        let text = error.to_string();
        let malformed = || Fault::corrupt(format!("{what} is malformed: {}", shown::escaped(&text, shown::MESSAGE)));
        limits.exceeded.take().unwrap_or_else(malformed)
    })
}

/// The budget, and the fault of the budget that ended parsing: the parser's own errors hold only text.
#[derive(Clone, Copy)]
pub(crate) struct Limits<'b> {
    budget: &'b Budget,
    exceeded: &'b RefCell<Option<Fault>>,
}

impl<'b> Limits<'b> {
    pub(crate) fn new(budget: &'b Budget, exceeded: &'b RefCell<Option<Fault>>) -> Self {
        Self { budget, exceeded }
    }

    /// Charges memory and the work of filling it.
    pub(crate) fn charge<E: Error>(&self, bytes: usize) -> Result<(), E> {
        let charged = self.budget.memory(bytes).and_then(|()| self.budget.text(bytes));
        charged.map_err(|fault| {
            self.exceeded.replace(Some(fault));
            E::custom("it is too large")
        })
    }
}

/// A text of at most `longest` bytes.
pub(crate) struct Text<'b> {
    pub(crate) limits: Limits<'b>,
    pub(crate) longest: usize,
}

impl<'b> Text<'b> {
    /// The key of a tensor or of metadata.
    pub(crate) fn key(limits: Limits<'b>) -> Self {
        Self { limits, longest: limits::KEY_BYTES }
    }
}

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = Arc<str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Arc<str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Arc<str>, E> {
        if text.len() > self.longest {
            return Err(E::custom(format_args!("a string is longer than {} bytes", self.longest)));
        }
        self.limits.charge(text.len() + 48)?;
        Ok(text.into())
    }
}

/// An object of strings, in its order; null stands for none.
pub(crate) struct Texts<'b>(pub(crate) Limits<'b>);

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = Vec<(Arc<str>, Arc<str>)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = Vec<(Arc<str>, Arc<str>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(key) = map.next_key_seed(Text::key(self.0))? {
            let longest = limits::STRING_BYTES as usize;
            let value = map.next_value_seed(Text { limits: self.0, longest })?;
            self.0.charge(2 * size_of::<(Arc<str>, Arc<str>)>())?;
            texts.push((key, value));
        }
        Ok(texts)
    }
}
