//! YAML of unknown origin, read into a JSON value.
//!
//! The configurations of trainings are a few kilobytes of nested mappings. YAML allows more: aliases that repeat a text
//! a million times, and brackets in brackets that a parser takes quadratic time for. Here work and memory are linear in
//! the length of the text, which is limited.

use std::cell::Cell;
use std::fmt;

use fmr_checkpoint::shown;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Bytes that a file of sizes may have.
pub(crate) const LONGEST: u64 = 256 << 10;
/// Brackets and braces that may be open at once.
const DEPTH: usize = 64;
/// Values and bytes of text that a document may unfold to for each of its bytes.
const UNFOLDED_PER_BYTE: usize = 4;
/// Values and bytes of text that any document may unfold to.
const UNFOLDED_BASE: usize = 4096;

/// Why a document is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum YamlError {
    #[error("more than {DEPTH} brackets are open at once; no configuration of a model is nested that deeply")]
    TooDeep,
    #[error("it declares tags (%TAG), which no configuration of a model needs; remove them")]
    Directives,
    #[error("its aliases (*name) repeat too much; write the values out")]
    Unfolds,
    #[error("{0}")]
    Syntax(String),
}

/// What a JSON parser says, which may repeat text of the file.
pub(crate) fn message(error: &serde_json::Error) -> String {
    shown::escaped(&error.to_string(), shown::MESSAGE).to_string()
}

/// Reads one document.
pub(crate) fn parse(text: &str) -> Result<Value, YamlError> {
    if text.lines().any(|line| line.starts_with("%TAG")) {
        return Err(YamlError::Directives);
    }
    check_depth(text)?;
    let left = Cell::new(text.len() * UNFOLDED_PER_BYTE + UNFOLDED_BASE);
    let unfolds = Cell::new(false);
    let limits = Limits { left: &left, exceeded: &unfolds };
    Node(limits).deserialize(serde_norway::Deserializer::from_str(text)).map_err(|error| {
        if unfolds.get() {
            return YamlError::Unfolds;
        }
        YamlError::Syntax(shown::escaped(&error.to_string(), shown::MESSAGE).to_string())
    })
}

/// The parser's time grows with the brackets that are open, at every token. Quotation marks and comments are not
/// looked at: nobody writes that many brackets into them.
fn check_depth(text: &str) -> Result<(), YamlError> {
    let mut depth = 0usize;
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH {
            return Err(YamlError::TooDeep);
        }
    }
    Ok(())
}

/// What a document may still unfold to.
#[derive(Clone, Copy)]
struct Limits<'l> {
    left: &'l Cell<usize>,
    exceeded: &'l Cell<bool>,
}

impl Limits<'_> {
    fn charge<E: Error>(self, bytes: usize) -> Result<(), E> {
        match self.left.get().checked_sub(1 + bytes) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.exceeded.set(true);
                Err(E::custom("it unfolds to too much"))
            }
        }
    }
}

/// A value of the document.
struct Node<'l>(Limits<'l>);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a tag")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.0.charge(0)?;
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.0.charge(0)?;
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.0.charge(0)?;
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.0.charge(0)?;
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.0.charge(text.len())?;
        Ok(Value::String(text.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.0.charge(0)?;
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        self.0.charge(0)?;
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(Node(self.0))? {
            list.push(element);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.0.charge(0)?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.0.charge(key.len())?;
            map.insert(key, entries.next_value_seed(Node(self.0))?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_are_read_as_before() {
        let text = "model:\n  target: taming.VQModel\n  params: {n: 3, x: -1, lr: 4.5e-06, on: true, none: null}\n  \
                    list: [1, 'two']\n";
        let expected = json!({"model": {
            "target": "taming.VQModel",
            "params": {"n": 3, "x": -1, "lr": 4.5e-6, "on": true, "none": null},
            "list": [1, "two"],
        }});
        assert_eq!(parse(text).unwrap(), expected);
        let plain: Value = serde_norway::from_str(text).unwrap();
        assert_eq!(parse(text).unwrap(), plain);
        assert_eq!(parse("a: &x [1, 2]\nb: *x\n").unwrap(), json!({"a": [1, 2], "b": [1, 2]}));
        assert!(parse("a: [1").is_err());
        assert!(parse("a: !tag 1").is_err());
    }

    #[test]
    fn what_unfolds_or_nests_without_end_is_refused_at_once() {
        let start = std::time::Instant::now();
        let brackets = "[".repeat(200_000);
        assert!(matches!(parse(&brackets), Err(YamlError::TooDeep)));
        let long = format!("a: &x {}\nb: [{}]\n", "y".repeat(100_000), "*x, ".repeat(30_000));
        assert!(matches!(parse(&long), Err(YamlError::Unfolds)));
        let mut laughs = "a0: &a0 [x, x]\n".to_owned();
        for level in 1..100 {
            let below = level - 1;
            laughs += &format!("a{level}: &a{level} [*a{below}, *a{below}, *a{below}]\n");
        }
        assert!(parse(&laughs).is_err());
        let keys = format!("a: &x {}\nb:\n{}", "y".repeat(100_000), "- ? *x\n  : 1\n".repeat(10_000));
        assert!(parse(&keys).is_err());
        let tags = "%TAG !a! x\n".repeat(20_000) + "---\na: 1\n";
        assert!(matches!(parse(&tags), Err(YamlError::Directives)));
        let nested = "- ".repeat(100_000);
        assert!(parse(&nested).is_err());
        let one_line = format!("a: {}", "word ".repeat(50_000));
        assert!(parse(&one_line).is_ok());
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    }

    #[test]
    fn messages_are_escaped_and_cut() {
        let error = parse(&format!("\"\\e[2J{}\": !x\n", "k".repeat(10_000))).unwrap_err().to_string();
        assert!(error.len() < 2 * shown::MESSAGE && !error.contains('\u{1b}'), "{error}");
    }
}
