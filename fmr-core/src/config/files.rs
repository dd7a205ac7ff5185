//! The files that an experiment names: which are missing, and what they hold.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::tables::{ComponentTable, DataTable, Obtain};
use crate::data::DataSettings;

/// A file that a row needs and that is not on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingFile {
    /// Key that names it, e.g. `targets.vit.weights`.
    pub key: String,
    /// Where it is looked for.
    pub path: PathBuf,
    /// What to get, as the experiment file says; without it the missing file is an error.
    pub obtain: Option<Obtain>,
}

impl DataTable {
    /// The files that the table names, by key, and where they are looked for.
    pub fn files(&self, base: &Path) -> Vec<(&'static str, PathBuf)> {
        let s = &self.settings;
        let named = DataSettings::FILES.iter().zip([&s.images, &s.labels, &s.path]);
        named.filter_map(|(key, path)| Some((*key, tidy(&base.join(path.as_ref()?))))).collect()
    }

    /// The first of its files that is not there.
    pub fn missing(&self, base: &Path) -> Option<MissingFile> {
        let files = self.files(base).into_iter();
        files.filter(|(_, path)| !path.exists()).map(|(key, path)| self.missing_file(key, path)).next()
    }

    fn missing_file(&self, key: &str, path: PathBuf) -> MissingFile {
        MissingFile { key: format!("data.{}.{key}", self.name), path, obtain: self.obtain.clone() }
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

    /// The first of its files that is not there.
    pub fn missing(&self, base: &Path) -> Option<MissingFile> {
        self.files(base).into_iter().find(|(_, path)| !path.exists()).map(|(key, path)| MissingFile {
            key: format!("{}.{key}", self.at),
            path,
            obtain: self.obtain.clone(),
        })
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
fn tidy(path: &Path) -> PathBuf {
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
