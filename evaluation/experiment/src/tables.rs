//! Tables that name one thing each: a data set, a target, a generator, an oracle.

use fmr_core::SettingError;
use fmr_core::registry::{RemoteFile, Settings};
use fmr_data::{DataSettings, ResizeKind};
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, Source};
use super::node::{Node, join};

/// What to get where a file is not on this machine; it belongs where the table that names the file looks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Obtain {
    /// What is missing, e.g. `ImageNet validation images`.
    pub what: String,
    /// Where to get it.
    pub get: String,
    /// Files that `fmr fetch` downloads, each for the setting that its `key` names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<RemoteFile>,
}

impl Obtain {
    pub(super) fn read(source: &Source, at: &str, node: Option<Node>) -> Result<Option<Self>, ConfigError> {
        let Some(node) = node else { return Ok(None) };
        let obtain: Self = node.read(source, &join(at, "obtain"))?;
        for (i, file) in obtain.files.iter().enumerate() {
            let refuse = |error: SettingError| node.setting_error(source, &join(at, "obtain"), &error);
            file.check().map_err(|error| refuse(error.within(&format!("files[{i}]"))))?;
        }
        Ok(Some(obtain))
    }
}

/// How a data set's classes find the target's logits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelMatch {
    /// By name, where the target knows its classes; others are refused.
    #[default]
    Name,
    /// By position: the data's order is that of the target's logits, whatever the names.
    Position,
}

/// A `[data.NAME]` table.
#[derive(Debug, Clone, PartialEq)]
pub struct DataTable {
    /// Its name in the file.
    pub name: String,
    /// What people read; the name where the file gives none.
    pub label: String,
    /// What to get where files are missing; without it a missing file is an error.
    pub obtain: Option<Obtain>,
    /// Prompts for this data set's classes, in place of the oracle's own.
    pub templates: Option<Vec<String>>,
    /// Side of the square images that generator, oracle and target see; absent: as stored.
    pub resolution: Option<usize>,
    /// How images are brought to `resolution`.
    pub resize: ResizeKind,
    /// How its classes find the target's logits.
    pub label_match: LabelMatch,
    /// Container, classes and subset.
    pub settings: DataSettings,
    pub(super) node: Node,
}

impl DataTable {
    pub(super) fn read(source: &Source, name: &str, node: &Node) -> Result<Self, ConfigError> {
        let at = join("data", name);
        node.expect_keys(source, &at, &Self::keys())?;
        let mut rest = node.clone();
        let mut optional = |key: &str| rest.take(key);
        let (label, obtain, label_match) = (optional("label"), optional("obtain"), optional("label-match"));
        let (templates, resolution, resize) = (optional("templates"), optional("resolution"), optional("resize"));
        let table = Self {
            name: name.to_owned(),
            label: read_optional(source, &at, "label", label)?.unwrap_or_else(|| name.to_owned()),
            obtain: Obtain::read(source, &at, obtain)?,
            templates: read_optional(source, &at, "templates", templates)?,
            resolution: read_optional(source, &at, "resolution", resolution)?,
            resize: read_optional(source, &at, "resize", resize)?.unwrap_or_default(),
            label_match: read_optional(source, &at, "label-match", label_match)?.unwrap_or_default(),
            settings: rest.read(source, &at)?,
            node: node.clone(),
        };
        let positive = |value: Option<usize>, key: &str, what: &str| match value {
            Some(0) => Err(table.error(source, key, &format!("is 0, must be at least 1: {what}"))),
            _ => Ok(()),
        };
        positive(table.settings.limit, "limit", "without images there is nothing to measure")?;
        positive(table.settings.per_class, "per-class", "without images there is nothing to measure")?;
        positive(table.resolution, "resolution", "images need a side")?;
        Ok(table)
    }

    fn keys() -> Vec<&'static str> {
        let own = ["label", "obtain", "templates", "resolution", "resize", "label-match"];
        own.into_iter().chain(DataSettings::KEYS.iter().copied()).collect()
    }

    fn error(&self, source: &Source, key: &str, problem: &str) -> ConfigError {
        self.node.setting_error(source, &join("data", &self.name), &SettingError::new(key, problem))
    }
}

/// A table of a component: its `kind`, and settings that only the component understands.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentTable {
    /// Path of the table in the file, e.g. `targets.lenet`.
    pub at: String,
    /// What people read; the name where the file gives none.
    pub label: String,
    /// What to get where files are missing; without it a missing file is an error.
    pub obtain: Option<Obtain>,
    /// Prompts in which `{class}` stands for a class name, for an oracle; the paper's where the file gives none.
    pub templates: Option<Vec<String>>,
    /// Which component.
    pub kind: String,
    /// Its settings.
    pub settings: Settings,
    pub(super) node: Node,
}

impl ComponentTable {
    /// Reads `[ROLE.NAME]`.
    pub(super) fn read(source: &Source, role: &str, name: &str, node: &Node) -> Result<Self, ConfigError> {
        Self::read_at(source, &join(role, name), name, node, role == "oracles")
    }

    /// Reads the table at a path.
    pub(super) fn read_at(
        source: &Source,
        at: &str,
        name: &str,
        node: &Node,
        prompts: bool,
    ) -> Result<Self, ConfigError> {
        if !node.is_table() {
            return Err(source.error(node.value_span(), format!("{at} must be a table with a `kind`"), None));
        }
        let mut rest = node.clone();
        let (kind, label, obtain) = (rest.take("kind"), rest.take("label"), rest.take("obtain"));
        let templates = if prompts { rest.take("templates") } else { None };
        let kind: Option<String> = read_optional(source, at, "kind", kind)?;
        // A plugin's component may be named by the plugin's file alone.
        let kind = kind.or_else(|| rest.get("plugin").map(|_| "plugin".to_owned()));
        let kind = kind.ok_or_else(|| source.error(node.value_span(), format!("[{at}] lacks the key `kind`"), None))?;
        let settings = match rest.to_json() {
            serde_json::Value::Object(map) => Settings(map),
            _ => Settings::default(),
        };
        Ok(Self {
            at: at.to_owned(),
            label: read_optional(source, at, "label", label)?.unwrap_or_else(|| name.to_owned()),
            obtain: Obtain::read(source, at, obtain)?,
            templates: read_optional(source, at, "templates", templates)?,
            kind,
            settings,
            node: node.clone(),
        })
    }
}

pub(super) fn read_optional<T: serde::de::DeserializeOwned>(
    source: &Source,
    at: &str,
    key: &str,
    node: Option<Node>,
) -> Result<Option<T>, ConfigError> {
    node.map(|node| node.read(source, &join(at, key))).transpose()
}
