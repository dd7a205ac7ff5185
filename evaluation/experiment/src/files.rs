//! The files that an experiment names: which are missing, and what they hold.

use std::path::{Component, Path, PathBuf};

use fmr_data::DataSettings;
use serde_json::Value;

use super::experiment::Experiment;
use super::rows::Row;
use super::tables::{ComponentTable, DataTable, Obtain};

/// Files of one table that a row needs and that are not on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingFiles {
    /// Key that names the first of them, e.g. `targets.vit.weights`.
    pub key: String,
    /// Where they are looked for.
    pub paths: Vec<PathBuf>,
    /// What to get, as the experiment file says; without it the missing files are an error.
    pub obtain: Option<Obtain>,
}

impl MissingFiles {
    pub(super) fn among<K: std::fmt::Display>(
        at: &str,
        files: Vec<(K, PathBuf)>,
        obtain: Option<&Obtain>,
    ) -> Option<Self> {
        let mut missing = files.into_iter().filter(|(_, path)| !path.exists());
        let (key, first) = missing.next()?;
        let paths = std::iter::once(first).chain(missing.map(|(_, path)| path)).collect();
        Some(Self { key: format!("{at}.{key}"), paths, obtain: obtain.cloned() })
    }

    /// The paths as people read them.
    pub fn list(&self) -> String {
        self.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}

impl Experiment {
    /// Files that a row needs and that are not there, one entry a table.
    pub fn missing(&self, row: &Row) -> Vec<MissingFiles> {
        let data = |name: &str| self.data[name].missing(&self.base);
        let components = [&self.targets[&row.target], &self.generators[&row.generator], &self.oracles[&row.oracle]];
        let mask = row.mask.as_ref().map(|name| &self.masks[name]);
        let learn_from = mask.and_then(|mask| mask.learn_from.as_deref()).filter(|from| *from != row.data);
        std::iter::once(data(&row.data))
            .chain(components.map(|table| table.missing(&self.base)))
            .chain([mask.and_then(|mask| mask.missing(&self.base)), learn_from.and_then(data)])
            .flatten()
            .collect()
    }
}

impl DataTable {
    /// The files that the table names, by key, and where they are looked for.
    pub fn files(&self, base: &Path) -> Vec<(&'static str, PathBuf)> {
        let s = &self.settings;
        let named = DataSettings::FILES.iter().zip([&s.images, &s.labels, &s.path]);
        named.filter_map(|(key, path)| Some((*key, tidy(&base.join(path.as_ref()?))))).collect()
    }

    /// Its files that are not there, if any.
    pub fn missing(&self, base: &Path) -> Option<MissingFiles> {
        MissingFiles::among(&format!("data.{}", self.name), self.files(base), self.obtain.as_ref())
    }
}

impl ComponentTable {
    /// The files that the settings name, by dotted key, and where they are looked for.
    ///
    /// Only the component knows which of its settings are paths; taken for one is a text under `weights`, a text that
    /// is an existing file's path, and a text with a folder and a file extension in it.
    pub fn files(&self, base: &Path) -> Vec<(String, PathBuf)> {
        let mut found = Vec::new();
        for (key, value) in &self.settings.0 {
            collect(key, value, base, &mut found);
        }
        found
    }

    /// Its files that are not there, if any.
    pub fn missing(&self, base: &Path) -> Option<MissingFiles> {
        MissingFiles::among(&self.at, self.files(base), self.obtain.as_ref())
    }
}

fn collect(key: &str, value: &Value, base: &Path, found: &mut Vec<(String, PathBuf)>) {
    match value {
        Value::String(text) if names_file(key, text, base) => found.push((key.to_owned(), tidy(&base.join(text)))),
        Value::Array(values) => {
            for (i, value) in values.iter().enumerate() {
                collect(&format!("{key}[{i}]"), value, base, found);
            }
        }
        Value::Object(map) => {
            for (inner, value) in map {
                collect(&format!("{key}.{inner}"), value, base, found);
            }
        }
        _ => {}
    }
}

/// The path as people would write it: without `.`, and without `..` where it only undoes a folder before it.
pub(super) fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(tidy.components().next_back(), Some(Component::Normal(_))) => {
                tidy.pop();
            }
            part => tidy.push(part),
        }
    }
    tidy
}

fn names_file(key: &str, text: &str, base: &Path) -> bool {
    let path = Path::new(text);
    let in_folder = path.parent().is_some_and(|p| !p.as_os_str().is_empty());
    key == "weights"
        || key.ends_with(".weights")
        || (in_folder && path.extension().is_some())
        || (!text.is_empty() && base.join(path).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_tidied() {
        for (path, wanted) in [
            ("experiments/../assets/w", "assets/w"),
            ("./a/./b", "a/b"),
            ("../a", "../a"),
            ("../../a/../b", "../../b"),
            ("/a/../../b", "/../b"),
        ] {
            assert_eq!(tidy(Path::new(path)), Path::new(wanted));
        }
    }
}
