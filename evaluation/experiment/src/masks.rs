//! `[masks.NAME]`: the sparse masks that rows may name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fmr_core::SettingError;
use fmr_data::Dataset;
use fmr_mask::{Mask, MaskSettings};

use super::error::{ConfigError, Source};
use super::files::tidy;
use super::fingerprint::flatten;
use super::node::{Node, join};
use super::suggest;
use super::tables::{DataTable, Obtain, read_optional};

/// What a row names that is to run without a mask.
pub(super) const NO_MASK: &str = "none";

/// A `[masks.NAME]` table: a mask's file, or how to learn one.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskTable {
    /// Its name in the file.
    pub name: String,
    /// What people read; `sparse mask` where the file gives none.
    pub label: String,
    /// What to get where the mask's file is missing; without it a missing file is an error.
    pub obtain: Option<Obtain>,
    /// The `[data.NAME]` table with the images that the mask is learned from; absent where it is read from a file.
    pub learn_from: Option<String>,
    /// The file, or how the mask is learned.
    pub settings: MaskSettings,
}

impl MaskTable {
    /// Reads `[masks.NAME]`; `data` are the names of the `[data.NAME]` tables.
    pub(super) fn read(source: &Source, name: &str, node: &Node, data: &[&str]) -> Result<Self, ConfigError> {
        let at = join("masks", name);
        let keys: Vec<&str> = ["label", "obtain", "learn-from"].iter().chain(MaskSettings::KEYS).copied().collect();
        node.expect_keys(source, &at, &keys)?;
        let refuse = |key: &str, problem: String, help: Option<String>| {
            let place = node.get(key).unwrap_or(node).value_span();
            Err(source.error(place, problem, help))
        };
        if name == NO_MASK {
            let problem = format!("a mask cannot be called {NO_MASK:?}: rows name that to run without one");
            return refuse("", problem, None);
        }
        let mut rest = node.clone();
        let (label, obtain, learn_from) = (rest.take("label"), rest.take("obtain"), rest.take("learn-from"));
        let table = Self {
            name: name.to_owned(),
            label: read_optional(source, &at, "label", label)?.unwrap_or_else(|| "sparse mask".to_owned()),
            obtain: Obtain::read(source, &at, obtain)?,
            learn_from: read_optional(source, &at, "learn-from", learn_from)?,
            settings: rest.read(source, &at)?,
        };
        table.settings.check().map_err(|e| {
            let key = e.key.strip_prefix("mask.").unwrap_or(&e.key);
            node.setting_error(source, &at, &SettingError { key: key.to_owned(), problem: e.problem.clone() })
        })?;
        match (&table.settings.file, &table.learn_from) {
            (None, None) => {
                let help = "give the `file` of a mask, or in `learn-from` the data set to learn one from";
                refuse("", format!("[{at}] has neither a `file` nor a `learn-from`"), Some(help.to_owned()))
            }
            (Some(_), Some(_)) => {
                let help = "remove `file` to learn the mask, or `learn-from` to read it";
                refuse("file", format!("[{at}] has both a `file` and a `learn-from`"), Some(help.to_owned()))
            }
            (Some(_), None) => {
                let learning = |key: &&str| !MaskSettings::OF_FILES.contains(key) && MaskSettings::KEYS.contains(key);
                match node.entries().map(|(key, _)| key).find(learning) {
                    Some(key) => {
                        let problem = format!("{at}.{key} has no effect: this mask is read from a file");
                        refuse(key, problem, Some("remove it, or give `learn-from` in place of `file`".to_owned()))
                    }
                    None => Ok(table),
                }
            }
            (None, Some(from)) if !data.contains(&from.as_str()) => {
                let problem = format!("{at}.learn-from is {from:?}, and there is no [data.{from}]");
                refuse("learn-from", problem, suggest::help(from, "data set", data))
            }
            (None, Some(_)) => Ok(table),
        }
    }

    /// Path of the table in the file.
    pub fn at(&self) -> String {
        join("masks", &self.name)
    }

    /// Where the mask's file is looked for.
    pub fn file(&self, base: &Path) -> Option<PathBuf> {
        Some(tidy(&base.join(self.settings.file.as_ref()?)))
    }

    /// What the results of a row depend on where it has this mask, which is the one that was read or is learned from
    /// the images. What is learned depends on the rest of the row's fingerprint too.
    pub fn fingerprint(&self, source: &Masking<'_>) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        let values = |value: &serde_json::Result<serde_json::Value>| value.as_ref().cloned().unwrap_or_default();
        match source {
            Masking::Read(mask) => {
                fields.insert("mask".to_owned(), format!("sha256:{}", mask.hash()));
                flatten("mask.allow-empty", &self.settings.allow_empty.into(), &mut fields);
            }
            Masking::Learned(table, data) => {
                flatten("mask", &values(&serde_json::to_value(&self.settings)), &mut fields);
                fields.insert("mask.learn-from".to_owned(), format!("sha256:{}", data.digest()));
                flatten("mask.learn-from.resize", &values(&serde_json::to_value(table.resize)), &mut fields);
            }
        }
        fields
    }
}

/// Where a row's mask comes from.
#[derive(Debug, Clone, Copy)]
pub enum Masking<'a> {
    /// It was read from a file.
    Read(&'a Mask),
    /// It is learned from the images of that table.
    Learned(&'a DataTable, &'a Dataset),
}
