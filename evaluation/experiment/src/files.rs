//! The files that an experiment names: which are missing, and what they hold.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use fmr_core::registry::{NamedFile, Role};
use fmr_data::DataSettings;

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

/// Why a row of an experiment cannot run on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// Files that it needs are not there.
    Files(Vec<MissingFiles>),
    /// It names a component or a model that this program does not have: the sentence that says so.
    NotImplemented(String),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(files) => f.write_str(&files.iter().map(MissingFiles::list).collect::<Vec<_>>().join(", ")),
            Self::NotImplemented(problem) => f.write_str(problem),
        }
    }
}

impl Experiment {
    /// Files that a row needs and that are not there, one entry a table. `named` says which files a component's settings
    /// name, which only the component knows.
    pub fn missing(&self, row: &Row, named: &dyn Fn(Role, &ComponentTable) -> Vec<NamedFile>) -> Vec<MissingFiles> {
        let data = |name: &str| self.data[name].missing(&self.base);
        let components = self.components(row).map(|(role, table)| table.missing(&named(role, table)));
        let mask = row.mask.as_ref().map(|name| &self.masks[name]);
        let learn_from = mask.and_then(|mask| mask.learn_from.as_deref()).filter(|from| *from != row.data);
        std::iter::once(data(&row.data))
            .chain(components)
            .chain([mask.and_then(|mask| mask.missing(&self.base)), learn_from.and_then(data)])
            .flatten()
            .collect()
    }

    /// The components of a row and what they are for.
    pub fn components<'a>(&'a self, row: &'a Row) -> [(Role, &'a ComponentTable); 4] {
        [
            (Role::Target, &self.targets[&row.target]),
            (Role::Generator, &self.generators[&row.generator]),
            (Role::Oracle, &self.oracles[&row.oracle]),
            (Role::Scorer, &row.scorer),
        ]
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
    /// Those of the files that its settings name that are not there, if any.
    pub fn missing(&self, files: &[NamedFile]) -> Option<MissingFiles> {
        let files = files.iter().map(|file| (&file.key, tidy(&file.path))).collect();
        MissingFiles::among(&self.at, files, self.obtain.as_ref())
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
