//! JSON Schema of a settings struct, found out by asking its `Deserialize` what it wants.
//!
//! A deserialiser that has no data: it answers each request with a harmless value and notes the request. Keys and their
//! types come from there; a key is required where leaving it out is an error. A `PathBuf` is a file that has to be there.
//! What cannot be found out stays open.

use std::cell::RefCell;
use std::fmt::Display;

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use serde_json::{Value, json};

/// JSON Schema of the settings, as text.
pub fn schema<T: DeserializeOwned>() -> String {
    let look = |without: Option<&'static str>| {
        let (root, fields) = (RefCell::new(json!({})), RefCell::new(vec![]));
        let missing = T::deserialize(Probe { seen: &root, fields: Some(&fields), without, depth: 0 }).err();
        (root.into_inner(), fields.into_inner(), missing.and_then(|e| e.0))
    };
    let (mut root, fields, _) = look(None);
    let required: Vec<_> = fields.into_iter().filter(|f| look(Some(f)).2 == Some(f)).collect();
    if !required.is_empty() {
        root["required"] = json!(required);
    }
    root.to_string()
}

/// The missing field, where that is what went wrong.
#[derive(Debug)]
struct Stop(Option<&'static str>);

impl Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the probe stopped")
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: Display>(_: T) -> Self {
        Self(None)
    }

    fn missing_field(field: &'static str) -> Self {
        Self(Some(field))
    }
}

#[derive(Clone, Copy)]
struct Probe<'a> {
    /// Schema of what is asked for.
    seen: &'a RefCell<Value>,
    /// Where the keys of the outermost struct go.
    fields: Option<&'a RefCell<Vec<&'static str>>>,
    /// A key of the outermost struct to leave out.
    without: Option<&'static str>,
    /// Ends recursive types.
    depth: usize,
}

impl<'a> Probe<'a> {
    fn inner(self, seen: &'a RefCell<Value>) -> Self {
        Self { seen, fields: None, without: None, depth: self.depth + 1 }
    }

    fn note(self, schema: Value) {
        *self.seen.borrow_mut() = schema;
    }
}

macro_rules! answers {
    ($($ask:ident => $visit:ident($value:expr), $schema:expr;)*) => {
        $(fn $ask<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            self.note($schema);
            visitor.$visit($value)
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Stop;

    answers! {
        deserialize_bool => visit_bool(false), json!({"type": "boolean"});
        deserialize_i8 => visit_i8(1), json!({"type": "integer"});
        deserialize_i16 => visit_i16(1), json!({"type": "integer"});
        deserialize_i32 => visit_i32(1), json!({"type": "integer"});
        deserialize_i64 => visit_i64(1), json!({"type": "integer"});
        deserialize_u8 => visit_u8(1), json!({"type": "integer", "minimum": 0});
        deserialize_u16 => visit_u16(1), json!({"type": "integer", "minimum": 0});
        deserialize_u32 => visit_u32(1), json!({"type": "integer", "minimum": 0});
        deserialize_u64 => visit_u64(1), json!({"type": "integer", "minimum": 0});
        deserialize_f32 => visit_f32(1.0), json!({"type": "number"});
        deserialize_f64 => visit_f64(1.0), json!({"type": "number"});
        deserialize_char => visit_char('x'), json!({"type": "string"});
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        // Text and a path are asked for alike, and told apart by what their visitors say that they expect.
        let path = (&visitor as &dyn de::Expected).to_string() == "path string";
        self.note(if path { json!({"type": "string", "format": "path"}) } else { json!({"type": "string"}) });
        visitor.visit_str("x")
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_str(visitor)
    }

    // Types that only look at what they get (untagged enums, for one) cannot be asked.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        if self.depth > 8 {
            return visitor.visit_none();
        }
        visitor.visit_some(self.inner(self.seen))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let item = RefCell::new(json!({}));
        let count = usize::from(self.depth < 8);
        let value = visitor.visit_seq(Items { probe: self.inner(&item), left: count });
        self.note(json!({"type": "array", "items": item.into_inner()}));
        value
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Stop> {
        let item = RefCell::new(json!({}));
        let value = visitor.visit_seq(Items { probe: self.inner(&item), left: len });
        self.note(json!({"type": "array", "items": item.into_inner(), "minItems": len, "maxItems": len}));
        value
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.note(json!({"type": "object"}));
        visitor.visit_map(Keys { probe: self, names: &[], properties: &RefCell::default(), at: 0 })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        if self.depth > 8 {
            return Err(Stop(None));
        }
        if let Some(fields) = self.fields {
            fields.borrow_mut().extend(names);
        }
        let open: serde_json::Map<_, _> = names.iter().map(|n| ((*n).to_owned(), json!({}))).collect();
        let properties = RefCell::new(open);
        let value = visitor.visit_map(Keys { probe: self, names, properties: &properties, at: 0 });
        self.note(json!({"type": "object", "properties": properties.into_inner(), "additionalProperties": false}));
        value
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.note(json!({"enum": variants}));
        let first = variants.first().ok_or(Stop(None))?;
        visitor.visit_enum((*first).into_deserializer())
    }

    serde::forward_to_deserialize_any! { bytes byte_buf unit unit_struct identifier ignored_any }
}

/// A few equal items.
struct Items<'a> {
    probe: Probe<'a>,
    left: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.probe).map(Some)
    }
}

/// The fields of a struct in order.
struct Keys<'a> {
    probe: Probe<'a>,
    names: &'static [&'static str],
    properties: &'a RefCell<serde_json::Map<String, Value>>,
    at: usize,
}

impl<'de> de::MapAccess<'de> for Keys<'_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        if self.names.get(self.at).is_some_and(|n| Some(*n) == self.probe.without) {
            self.at += 1;
        }
        let Some(name) = self.names.get(self.at) else { return Ok(None) };
        let key: de::value::StrDeserializer<'_, Stop> = (*name).into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        let name = self.names[self.at];
        self.at += 1;
        let seen = RefCell::new(json!({}));
        let value = seed.deserialize(self.probe.inner(&seen));
        self.properties.borrow_mut().insert(name.to_owned(), seen.into_inner());
        value
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::schema;

    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Mode {
        Fast,
        VeryExact,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only the reading is looked at")]
    struct Inner {
        deep: bool,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    #[expect(dead_code, reason = "only the reading is looked at")]
    struct Settings {
        weights: std::path::PathBuf,
        shards: Option<Vec<std::path::PathBuf>>,
        #[serde(default)]
        step_size: f64,
        mode: Option<Mode>,
        mean: [f32; 3],
        classes: Vec<String>,
        inner: Inner,
    }

    #[test]
    fn keys_types_and_what_is_required() {
        insta::assert_snapshot!(schema::<Settings>(), @r#"{"additionalProperties":false,"properties":{"classes":{"items":{"type":"string"},"type":"array"},"inner":{"additionalProperties":false,"properties":{"deep":{"type":"boolean"}},"type":"object"},"mean":{"items":{"type":"number"},"maxItems":3,"minItems":3,"type":"array"},"mode":{"enum":["fast","very-exact"]},"shards":{"items":{"format":"path","type":"string"},"type":"array"},"step-size":{"type":"number"},"weights":{"format":"path","type":"string"}},"required":["weights","mean","classes","inner"],"type":"object"}"#);
    }
}
