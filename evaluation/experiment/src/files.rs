//! The files that an experiment names: which are missing, and what they hold.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use fmr_core::registry::{NamedFile, RemoteFile, Role};
use fmr_data::DataSettings;

use super::experiment::Experiment;
use super::masks::MaskTable;
use super::rows::Row;
use super::tables::{ComponentTable, DataTable, Obtain};

/// A file that a table names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFile {
    /// Key that names it, relative to the table, e.g. `weights`.
    pub key: String,
    /// Where it is looked for.
    pub path: PathBuf,
    /// Where it is published: what the table's `obtain` says, or else what the component knows.
    pub published: Option<RemoteFile>,
}

/// The files that one table names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFiles {
    /// Path of the table, e.g. `targets.vit`.
    pub at: String,
    /// What people read of the table.
    pub label: String,
    /// What to get, as the experiment file says.
    pub obtain: Option<Obtain>,
    /// The files.
    pub files: Vec<TableFile>,
}

/// Files of one table that a row needs and that are not on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingFiles {
    /// Key that names the first of them, e.g. `targets.vit.weights`.
    pub key: String,
    /// Where they are looked for.
    pub paths: Vec<PathBuf>,
    /// What to get, as the experiment file says; without it the missing files are an error.
    pub obtain: Option<Obtain>,
    /// Whether the addresses of all of them are known, so that `fmr fetch` downloads them.
    pub published: bool,
}

impl TableFiles {
    fn new(at: String, label: &str, obtain: Option<&Obtain>, files: Vec<TableFile>) -> Self {
        let mut files = files;
        for remote in obtain.iter().flat_map(|obtain| &obtain.files) {
            files.iter_mut().filter(|file| file.key == remote.key).for_each(|file| {
                file.published = Some(remote.clone());
            });
        }
        Self { at, label: label.to_owned(), obtain: obtain.cloned(), files }
    }

    /// Those that are not there, if any.
    pub fn missing(&self) -> Option<MissingFiles> {
        let missing: Vec<&TableFile> = self.files.iter().filter(|file| !file.path.exists()).collect();
        let first = missing.first()?;
        Some(MissingFiles {
            key: format!("{}.{}", self.at, first.key),
            paths: missing.iter().map(|file| file.path.clone()).collect(),
            obtain: self.obtain.clone(),
            published: missing.iter().all(|file| file.published.is_some()),
        })
    }
}

impl MissingFiles {
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
            Self::Files(files) => {
                for (i, missing) in files.iter().enumerate() {
                    let between = if i == 0 { "" } else { ", " };
                    write!(f, "{between}{}", missing.list())?;
                    if let Some(Obtain { what, get, .. }) = &missing.obtain {
                        write!(f, " ({what}: {get})")?;
                    }
                }
                Ok(())
            }
            Self::NotImplemented(problem) => f.write_str(problem),
        }
    }
}

impl Lack {
    /// Whether `fmr fetch` downloads some of the files that are not there.
    pub fn is_published(&self) -> bool {
        matches!(self, Self::Files(files) if files.iter().any(|missing| missing.published))
    }
}

impl Experiment {
    /// The files that a row needs, one entry a table. `named` says which files a component's settings name, which only
    /// the component knows.
    pub fn files(&self, row: &Row, named: &dyn Fn(Role, &ComponentTable) -> Vec<NamedFile>) -> Vec<TableFiles> {
        let data = |name: &str| self.data[name].table_files(&self.base);
        let components = self.components(row).map(|(role, table)| table.table_files(named(role, table)));
        let mask = row.mask.as_ref().map(|name| &self.masks[name]);
        let learn_from = mask.and_then(|mask| mask.learn_from.as_deref()).filter(|from| *from != row.data);
        std::iter::once(data(&row.data))
            .chain(components)
            .chain([mask.map(|mask| mask.table_files(&self.base)), learn_from.map(data)].into_iter().flatten())
            .collect()
    }

    /// Files that a row needs and that are not there, one entry a table.
    pub fn missing(&self, row: &Row, named: &dyn Fn(Role, &ComponentTable) -> Vec<NamedFile>) -> Vec<MissingFiles> {
        self.files(row, named).iter().filter_map(TableFiles::missing).collect()
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

    fn table_files(&self, base: &Path) -> TableFiles {
        let file = |(key, path): (&str, PathBuf)| TableFile { key: key.to_owned(), path, published: None };
        let files = self.files(base).into_iter().map(file).collect();
        TableFiles::new(format!("data.{}", self.name), &self.label, self.obtain.as_ref(), files)
    }
}

impl ComponentTable {
    fn table_files(&self, named: Vec<NamedFile>) -> TableFiles {
        let file = |NamedFile { key, path, published }| TableFile { key, path: tidy(&path), published };
        TableFiles::new(self.at.clone(), &self.label, self.obtain.as_ref(), named.into_iter().map(file).collect())
    }
}

impl MaskTable {
    fn table_files(&self, base: &Path) -> TableFiles {
        let file = |path| TableFile { key: "file".to_owned(), path, published: None };
        let files = self.file(base).into_iter().map(file).collect();
        TableFiles::new(self.at(), &self.label, self.obtain.as_ref(), files)
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
