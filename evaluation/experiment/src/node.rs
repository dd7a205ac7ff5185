//! A TOML document as a tree that remembers where each value stands.

use std::collections::BTreeMap;
use std::ops::Range;

use fmr_core::{SettingError, SettingProblem, setting};
use serde::de::DeserializeOwned;
use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Source};
use super::suggest;
pub(super) use setting::join;

/// A value with its place in the file; `None` where it was given otherwise, e.g. on the command line.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Place of the key; a table's is that of the last part of its header.
    key: Option<Range<usize>>,
    /// Place of the value.
    span: Option<Range<usize>>,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Table(BTreeMap<String, Node>),
    Array(Vec<Node>),
    Leaf(Value),
}

impl Default for Content {
    fn default() -> Self {
        Self::Table(BTreeMap::new())
    }
}

/// Equal values; where they stand does not matter.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.to_json() == other.to_json()
    }
}

impl Node {
    /// Reads the last file of a source.
    pub(super) fn parse(source: &Source) -> Result<Self, ConfigError> {
        let (text, start) = source.last();
        let places = Places { start };
        let document = DeTable::parse(text).map_err(|e| {
            let mut message = e.message().to_owned();
            if message.is_empty() {
                message = e.to_string();
            }
            let span = e.span().map(|span| places.of(span));
            source.error(span, message, Some("the file must be valid TOML".to_owned()))
        })?;
        let span = Some(places.of(document.span()));
        Ok(Self { key: None, span, content: places.table(document.get_ref()) })
    }

    /// A value that stands in no file.
    pub(super) fn given(value: &Value) -> Self {
        let content = match value {
            Value::Object(map) => Content::Table(map.iter().map(|(k, v)| (k.clone(), Self::given(v))).collect()),
            Value::Array(values) => Content::Array(values.iter().map(Self::given).collect()),
            leaf => Content::Leaf(leaf.clone()),
        };
        Self { key: None, span: None, content }
    }

    /// A list that stands in no file.
    pub(super) fn list(nodes: Vec<Self>) -> Self {
        Self { key: None, span: None, content: Content::Array(nodes) }
    }

    /// The value without its places.
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Table(entries) => Value::Object(entries.iter().map(|(k, v)| (k.clone(), v.to_json())).collect()),
            Content::Array(nodes) => Value::Array(nodes.iter().map(Self::to_json).collect()),
            Content::Leaf(value) => value.clone(),
        }
    }

    /// Place of the key, or else of the value.
    pub(super) fn key_span(&self) -> Option<Range<usize>> {
        self.key.clone().or_else(|| self.span.clone())
    }

    /// Place of the value; of a table, the place of its header.
    pub(super) fn value_span(&self) -> Option<Range<usize>> {
        match self.content {
            Content::Table(_) => self.key_span(),
            _ => self.span.clone().or_else(|| self.key.clone()),
        }
    }

    /// The entries of a table; none of any other value.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Self)> {
        let entries = match &self.content {
            Content::Table(entries) => Some(entries),
            _ => None,
        };
        entries.into_iter().flatten().map(|(k, v)| (k.as_str(), v))
    }

    /// The values of an array, or the value itself: `"a"` stands for `["a"]` where several may be given.
    pub(super) fn items(&self) -> &[Self] {
        match &self.content {
            Content::Array(nodes) => nodes,
            _ => std::slice::from_ref(self),
        }
    }

    /// An entry of a table.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.content {
            Content::Table(entries) => entries.get(key),
            _ => None,
        }
    }

    /// Takes an entry out of a table.
    pub(super) fn take(&mut self, key: &str) -> Option<Self> {
        match &mut self.content {
            Content::Table(entries) => entries.remove(key),
            _ => None,
        }
    }

    /// Whether this is a table.
    pub(super) fn is_table(&self) -> bool {
        matches!(self.content, Content::Table(_))
    }

    /// The path of the first value on the way to a dotted path that is there and is no table, so that nothing can be set
    /// below it.
    pub(super) fn barred(&self, path: &str) -> Option<String> {
        let mut node = self;
        let mut walked = String::new();
        for part in path.split('.') {
            if !node.is_table() {
                return Some(walked);
            }
            node = node.get(part)?;
            walked = join(&walked, part);
        }
        None
    }

    /// What a value is, in TOML's word with its article.
    pub(super) fn type_name(&self) -> &'static str {
        match &self.content {
            Content::Table(_) => "a table",
            Content::Array(_) => "an array",
            Content::Leaf(Value::String(_)) => "a string",
            Content::Leaf(Value::Bool(_)) => "a boolean",
            Content::Leaf(Value::Number(n)) if n.is_f64() => "a float",
            Content::Leaf(Value::Number(_)) => "an integer",
            Content::Leaf(_) => "nothing",
        }
    }

    /// Refuses anything but a table.
    pub(super) fn expect_table(&self, source: &Source, name: &str) -> Result<(), ConfigError> {
        if self.is_table() {
            return Ok(());
        }
        let problem = format!("{name} is {}, must be a table", self.type_name());
        Err(source.error(self.value_span(), problem, None))
    }

    /// Sets the value at a dotted path, making tables on the way.
    pub(super) fn set(&mut self, path: &str, value: Self) {
        let (head, rest) = path.split_once('.').map_or((path, None), |(h, r)| (h, Some(r)));
        if !self.is_table() {
            self.content = Content::default();
        }
        let Content::Table(entries) = &mut self.content else { return };
        match rest {
            Some(rest) => entries.entry(head.to_owned()).or_default().set(rest, value),
            None => {
                entries.insert(head.to_owned(), value);
            }
        }
    }

    /// Lays `over` on top: tables merge key by key, anything else is replaced.
    pub(super) fn overlay(&mut self, over: &Self) {
        match (&mut self.content, &over.content) {
            (Content::Table(below), Content::Table(above)) => {
                for (key, node) in above {
                    match below.get_mut(key) {
                        Some(there) => there.overlay(node),
                        None => {
                            below.insert(key.clone(), node.clone());
                        }
                    }
                }
            }
            _ => *self = over.clone(),
        }
    }

    /// The node at a path as serde writes it (`a.b[2].c`), or the deepest one on the way there, and whether it was
    /// found.
    pub(super) fn find(&self, path: &str) -> (&Self, bool) {
        let mut node = self;
        for part in path.split(['.', '[']).map(|p| p.trim_end_matches(']')).filter(|p| !p.is_empty()) {
            let next = match &node.content {
                Content::Table(entries) => entries.get(part),
                Content::Array(nodes) => part.parse::<usize>().ok().and_then(|i| nodes.get(i)),
                Content::Leaf(_) => None,
            };
            match next {
                Some(next) => node = next,
                None => return (node, false),
            }
        }
        (node, true)
    }

    /// Reads the value into a type. `name` is the value's path in the file, for messages.
    pub(super) fn read<T: DeserializeOwned>(&self, source: &Source, name: &str) -> Result<T, ConfigError> {
        setting::read(&self.to_json()).map_err(|error| self.setting_error(source, name, &error))
    }

    /// A setting's error as one with a place; the setting's key is relative to this table.
    pub(super) fn setting_error(&self, source: &Source, name: &str, error: &SettingError) -> ConfigError {
        let (node, _) = self.find(&error.key);
        let key = join(name, &error.key);
        let (parent, given) = error.key.rsplit_once('.').unwrap_or(("", &error.key));
        match &error.problem {
            SettingProblem::UnknownKey { known } => {
                let help = suggest::help(given, "key", &strs(known));
                source.error(node.key_span(), format!("{key} is not a known key"), help)
            }
            SettingProblem::Missing => {
                let table = join(name, parent);
                let place = if table.is_empty() { "the file".to_owned() } else { format!("[{table}]") };
                source.error(self.find(parent).0.value_span(), format!("{place} lacks the key `{given}`"), None)
            }
            SettingProblem::UnknownName { what, name, known } if what == "value" => {
                let help = suggest::help(name, what, &strs(known));
                source.error(node.value_span(), format!("{key} cannot be {name:?}"), help)
            }
            SettingProblem::UnknownName { what, name, .. } => {
                source.error(node.value_span(), format!("{key}: there is no {what} {name:?}"), error.advice())
            }
            problem => {
                let problem = problem.to_string();
                // Problems of values go on from the key ("is 0, must be …"), others stand by themselves.
                let colon = if problem.starts_with("is ") { "" } else { ":" };
                source.error(node.value_span(), format!("{key}{colon} {problem}"), None)
            }
        }
    }

    /// Refuses keys of a table other than the known ones.
    pub(super) fn expect_keys(&self, source: &Source, name: &str, known: &[&str]) -> Result<(), ConfigError> {
        self.expect_table(source, name)?;
        match self.entries().find(|(key, _)| !known.contains(key)) {
            Some((key, node)) => {
                let problem = format!("{} is not a known key", join(name, key));
                Err(source.error(node.key_span(), problem, suggest::help(key, "key", known)))
            }
            None => Ok(()),
        }
    }
}

fn strs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Makes nodes of one file's text.
#[derive(Clone, Copy)]
struct Places {
    /// Where the file's first byte stands among those of all files.
    start: usize,
}

impl Places {
    fn of(self, span: Range<usize>) -> Range<usize> {
        self.start + span.start..self.start + span.end
    }

    fn table(self, entries: &DeTable<'_>) -> Content {
        let node = |(key, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, &toml::Spanned<DeValue<'_>>)| {
            let node = Node { key: Some(self.of(key.span())), ..self.value(value) };
            (key.get_ref().to_string(), node)
        };
        Content::Table(entries.iter().map(node).collect())
    }

    fn value(self, value: &toml::Spanned<DeValue<'_>>) -> Node {
        let content = match value.get_ref() {
            DeValue::Table(entries) => self.table(entries),
            DeValue::Array(values) => Content::Array(values.iter().map(|value| self.value(value)).collect()),
            leaf => Content::Leaf(leaf_value(leaf)),
        };
        Node { key: None, span: Some(self.of(value.span())), content }
    }
}

fn leaf_value(value: &DeValue<'_>) -> Value {
    match value {
        // Tables and arrays are no leaves.
        DeValue::Table(_) | DeValue::Array(_) => Value::Null,
        DeValue::String(s) => s.as_ref().into(),
        DeValue::Boolean(b) => (*b).into(),
        DeValue::Integer(i) => {
            let digits = i.as_str().replace('_', "");
            let number = i64::from_str_radix(digits.trim_start_matches("0x").trim_start_matches("0o"), i.radix());
            number.map_or_else(|_| digits.into(), Value::from)
        }
        DeValue::Float(f) => {
            let number = f.as_str().replace('_', "").parse::<f64>().ok().and_then(serde_json::Number::from_f64);
            // Infinities and NaN are no setting's value: as text they meet the error of a wrong type.
            number.map_or_else(|| f.as_str().into(), Value::Number)
        }
        DeValue::Datetime(d) => d.to_string().into(),
    }
}
