//! Reads a table of settings into a type, such that what is wrong comes back as data and not as serde's English.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor};
use serde_json::Value;

use super::{SettingError, SettingProblem, join, last};

/// Reads a value into a type.
///
/// ```
/// use fmr_core::{SettingProblem, setting};
///
/// #[derive(Debug, serde::Deserialize)]
/// #[serde(rename_all = "kebab-case", deny_unknown_fields)]
/// struct Mine {
///     step_size: f64,
/// }
///
/// let mine: Mine = setting::read(&serde_json::json!({"step-size": 0.5}))?;
/// assert_eq!(mine.step_size, 0.5);
/// let error = setting::read::<Mine>(&serde_json::json!({"step-size": 0.5, "budget": 3})).unwrap_err();
/// assert_eq!(error.key, "budget");
/// assert!(matches!(error.problem, SettingProblem::UnknownKey { .. }));
/// # Ok::<(), fmr_core::SettingError>(())
/// ```
///
/// # Errors
/// An unknown key, a missing key or a value of the wrong type; [`SettingError::key`] is relative to the value.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, SettingError> {
    serde_path_to_error::deserialize(Reader(value)).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { "" } else { path.as_str() };
        let Stop { field, problem } = error.into_inner();
        // Inside some enums serde loses the way, so that a field's name may or may not end the path.
        let key = match field {
            Some(field) if last(path) == field && matches!(problem, SettingProblem::UnknownKey { .. }) => {
                path.to_owned()
            }
            Some(field) => join(path, &field),
            None => path.to_owned(),
        };
        SettingError { key, problem }
    })
}

/// Why reading stopped.
#[derive(Debug)]
struct Stop {
    /// The field that is unknown or missing.
    field: Option<String>,
    problem: SettingProblem,
}

impl Stop {
    fn at(field: &str, problem: SettingProblem) -> Self {
        Self { field: Some(field.to_owned()), problem }
    }

    fn of(problem: SettingProblem) -> Self {
        Self { field: None, problem }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for Stop {}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::of(SettingProblem::Other(text.to_string()))
    }

    fn invalid_type(given: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::of(SettingProblem::WrongType { given: in_toml(given), wanted: plain(&wanted.to_string()) })
    }

    fn invalid_value(given: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::of(SettingProblem::OutOfRange { given: in_toml(given), wanted: plain(&wanted.to_string()) })
    }

    fn invalid_length(given: usize, wanted: &dyn Expected) -> Self {
        let given = format!("an array of {given}");
        Self::of(SettingProblem::OutOfRange { given, wanted: plain(&wanted.to_string()) })
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let (what, name) = ("value".to_owned(), variant.to_owned());
        Self::of(SettingProblem::UnknownName { what, name, known: owned(known) })
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::at(field, SettingProblem::UnknownKey { known: owned(known) })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::at(field, SettingProblem::Missing)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::at(field, SettingProblem::Other("is there twice".to_owned()))
    }
}

/// A value as TOML calls it.
fn in_toml(value: Unexpected<'_>) -> String {
    match value {
        Unexpected::Bool(b) => b.to_string(),
        Unexpected::Unsigned(n) => n.to_string(),
        Unexpected::Signed(n) => n.to_string(),
        Unexpected::Float(x) => x.to_string(),
        Unexpected::Char(c) => format!("{c:?}"),
        Unexpected::Str(s) => format!("{s:?}"),
        Unexpected::Seq | Unexpected::TupleVariant => "an array".to_owned(),
        Unexpected::Map | Unexpected::StructVariant | Unexpected::NewtypeVariant => "a table".to_owned(),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        other => other.to_string(),
    }
}

/// What a type asks for, in the words of TOML where serde has a technical name for it.
fn plain(wanted: &str) -> String {
    let plain = match wanted {
        "f32" | "f64" => "a number",
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number that is not negative",
        "isize" | "i64" | "i32" | "i16" | "i8" => "a whole number",
        "a boolean" | "bool" => "true or false",
        "path string" => "a path, as a string",
        "a sequence" => "an array",
        "a map" => "a table",
        table if table.starts_with("struct ") || table.starts_with("internally tagged enum ") => "a table",
        other => match other.strip_prefix("an array of length ").or(other.strip_suffix(" elements in sequence")) {
            Some(length) => return format!("an array of {length}"),
            None => other,
        },
    };
    plain.to_owned()
}

/// A value as something to read from.
#[derive(Clone, Copy)]
struct Reader<'de>(&'de Value);

impl<'de> IntoDeserializer<'de, Stop> for Reader<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(b) => visitor.visit_bool(*b),
            Value::Number(n) => match (n.as_u64(), n.as_i64(), n.as_f64()) {
                (Some(n), ..) => visitor.visit_u64(n),
                (_, Some(n), _) => visitor.visit_i64(n),
                (.., x) => visitor.visit_f64(x.unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(values) => {
                let mut items = SeqDeserializer::new(values.iter().map(Reader));
                let value = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(value)
            }
            Value::Object(map) => {
                let mut entries = MapDeserializer::new(map.iter().map(|(key, value)| (key.as_str(), Reader(value))));
                let value = visitor.visit_map(&mut entries)?;
                entries.end()?;
                Ok(value)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        match self.0 {
            Value::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            // A variant with content: a table of the one name. serde_json knows how to read it; only its own error is
            // put into words here.
            Value::Object(_) => self.0.deserialize_enum(name, variants, visitor).map_err(<Stop as de::Error>::custom),
            _ => self.deserialize_any(visitor).map_err(|stop| match stop.problem {
                SettingProblem::WrongType { given, .. } => {
                    let wanted = format!("one of {}", variants.join(", "));
                    Stop { problem: SettingProblem::WrongType { given, wanted }, ..stop }
                }
                problem => Stop { problem, ..stop },
            }),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::path::PathBuf;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Mode {
        Fast,
        VeryExact,
    }

    #[derive(Debug, Deserialize)]
    #[serde(tag = "family", rename_all = "kebab-case", deny_unknown_fields)]
    #[expect(dead_code, reason = "only its reading is tested")]
    enum Network {
        Plain { width: usize },
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
    struct Inner {
        mean: Option<[f32; 3]>,
        rate: f64,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    struct Outer {
        step_size: f64,
        #[serde(default)]
        weights: Option<PathBuf>,
        #[serde(default)]
        mode: Option<Mode>,
        #[serde(default)]
        inner: Inner,
        #[serde(default)]
        networks: Vec<Network>,
    }

    fn refused(value: Value) -> String {
        let mut whole = json!({"step-size": 1});
        let (Value::Object(whole_map), Value::Object(changes)) = (&mut whole, value) else { panic!("no table") };
        whole_map.extend(changes);
        read::<Outer>(&whole).unwrap_err().to_string()
    }

    #[test]
    fn what_is_right_is_read() {
        let value = json!({
            "step-size": 1, "weights": "w", "mode": "very-exact", "inner": {"mean": [1, 2.5, 0]},
            "networks": [{"family": "plain", "width": 3}],
        });
        let outer: Outer = read(&value).unwrap();
        assert_eq!((outer.step_size, outer.weights), (1.0, Some("w".into())));
        assert_eq!(outer.inner.mean, Some([1.0, 2.5, 0.0]));
        assert!(matches!(outer.mode, Some(Mode::VeryExact)) && outer.networks.len() == 1);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let missing = read::<Outer>(&json!({})).unwrap_err();
        assert_eq!((missing.key.as_str(), missing.problem), ("step-size", SettingProblem::Missing));
        let all = [
            json!({"stepsize": 2}),
            json!({"step-size": "x"}),
            json!({"weights": 3}),
            json!({"mode": "fats"}),
            json!({"mode": 3}),
            json!({"inner": 3}),
            json!({"inner": {"rat": 1}}),
            json!({"inner": {"mean": [1, 2]}}),
            json!({"inner": {"mean": [1, 2, 3, 4]}}),
            json!({"inner": {"mean": [1, true, 3]}}),
            json!({"networks": {"a": 1}}),
            json!({"networks": [{"family": "plain"}]}),
            json!({"networks": [{"family": "plain", "width": -1}]}),
            json!({"networks": [{"family": "plain", "width": 1, "depth": 2}]}),
            json!({"networks": [{"family": "curly"}]}),
        ];
        insta::assert_snapshot!(all.map(refused).join("\n"));
    }
}
