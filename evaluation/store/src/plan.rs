//! What a run is to do, and whether two plans are the same work.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use fmr_core::perturb::Perturbed;
use fmr_files::safe_name;

use super::{Part, StoreError};

/// One row of a run: one target on one data set under one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowPlan {
    /// Unique name in the run, e.g. `mnist/lenet`.
    pub id: String,
    /// What people read, e.g. `MNIST · LeNet`.
    pub title: String,
    /// Number of samples; their indices are `0..samples`.
    pub samples: usize,
    /// Names of the classes, by label.
    pub classes: Vec<String>,
    /// Everything that the results depend on: a setting's value, or the SHA-256 of a file, by name, e.g.
    /// `search`, `data`, `weights:assets/lenet.safetensors`.
    pub fingerprint: BTreeMap<String, String>,
}

/// What a run is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPlan {
    /// Name of the run, as the experiment file gives it.
    pub name: String,
    /// The resolved experiment file: TOML text with every default written out.
    pub experiment: String,
    /// The rows, in the order of the table's.
    pub rows: Vec<RowPlan>,
    /// Versions of the program and its parts, for the record; they do not keep a run from being resumed.
    pub versions: BTreeMap<String, String>,
    /// The part of each row's samples that the run does. Not part of the fingerprint: parts make one run.
    pub part: Part,
}

/// The identifier of a row as the name of its file or folder: [`RowPlan::file_name`].
pub fn file_name(id: &str) -> String {
    safe_name(&id.replace('/', "-"))
}

impl RowPlan {
    /// The identifier as the name of a file or folder: short, and one that every file system takes.
    pub fn file_name(&self) -> String {
        file_name(&self.id)
    }

    /// Name of a class; its number where it has none, `?` where it is unknown.
    pub fn class(&self, class: impl Into<Option<usize>>) -> String {
        let Some(class) = class.into() else { return "?".to_owned() };
        self.classes.get(class).cloned().unwrap_or_else(|| class.to_string())
    }

    /// Refuses samples that the plan does not hold, or not in this part.
    pub(super) fn expect_planned(&self, batch: &[Perturbed], part: Part, dir: &Path) -> Result<(), StoreError> {
        let planned = |index: usize| index < self.samples && part.holds(index);
        match batch.iter().map(|sample| sample.record.index).find(|index| !planned(*index)) {
            Some(index) => {
                let of = if part.is_whole() { String::new() } else { format!(", and this is {part}") };
                let problem = format!("cannot be added: the plan holds {} samples{of}", self.samples);
                Err(StoreError::Sample { dir: dir.to_owned(), row: self.id.clone(), index, problem })
            }
            None => Ok(()),
        }
    }
}

impl RunPlan {
    /// Number of the row with an identifier.
    pub(super) fn number(&self, id: &str, dir: &Path) -> Result<usize, StoreError> {
        self.rows.iter().position(|row| row.id == id).ok_or_else(|| StoreError::UnknownRow {
            dir: dir.to_owned(),
            row: id.to_owned(),
            known: self.row_names(),
        })
    }

    fn row_names(&self) -> String {
        self.rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Refuses rows without a name and names, or file names made from them, that two rows share.
    pub(super) fn check(&self, dir: &Path) -> Result<(), StoreError> {
        let refuse = |problem: String| Err(StoreError::Plan { dir: dir.to_owned(), problem });
        let mut seen = BTreeMap::new();
        for row in &self.rows {
            let file = row.file_name();
            if file.is_empty() {
                return refuse(format!("the row {:?} has no name that can be a file's", row.id));
            }
            if let Some(other) = seen.insert(file.to_lowercase(), &row.id) {
                return refuse(format!("the rows {other:?} and {:?} would share the file name {file:?}", row.id));
            }
        }
        Ok(())
    }

    /// Refuses to take `now` for the same work as `self`, naming the first thing that differs.
    pub(super) fn expect_same(&self, now: &Self, dir: &Path) -> Result<(), StoreError> {
        match self.difference(now) {
            Some(PlanDifference { row, field, then, now }) => {
                Err(StoreError::Fingerprint { dir: dir.to_owned(), row, field, then, now })
            }
            None => Ok(()),
        }
    }

    /// The first thing in which two plans are not the same work, whatever part of it they do.
    pub(super) fn difference(&self, now: &Self) -> Option<PlanDifference> {
        let differs = |row: Option<&RowPlan>, field: &str, then: Option<String>, now: Option<String>| {
            Some(PlanDifference { row: row.map(|row| row.id.clone()), field: field.to_owned(), then, now })
        };
        if !self.rows.iter().map(|row| &row.id).eq(now.rows.iter().map(|row| &row.id)) {
            return differs(None, "the list of rows", Some(self.row_names()), Some(now.row_names()));
        }
        for (a, b) in self.rows.iter().zip(&now.rows) {
            let fields: BTreeSet<&String> = a.fingerprint.keys().chain(b.fingerprint.keys()).collect();
            for field in fields {
                let (then, now) = (a.fingerprint.get(field), b.fingerprint.get(field));
                if then != now {
                    return differs(Some(a), field, then.cloned(), now.cloned());
                }
            }
            if a.samples != b.samples {
                let [then, now] = [a, b].map(|row| Some(row.samples.to_string()));
                return differs(Some(a), "the number of samples", then, now);
            }
            if a.classes != b.classes {
                let [then, now] = [a, b].map(|row| Some(row.classes.join(", ")));
                return differs(Some(a), "the list of classes", then, now);
            }
        }
        None
    }
}

/// Something in which two plans differ.
pub(super) struct PlanDifference {
    /// The row; absent for the list of rows.
    row: Option<String>,
    field: String,
    then: Option<String>,
    now: Option<String>,
}

impl fmt::Display for PlanDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<String>| value.as_ref().map_or_else(|| "absent".to_owned(), |v| format!("{v:?}"));
        if let Some(row) = &self.row {
            write!(f, "row {row:?}, ")?;
        }
        write!(f, "{} is {} and not {}", self.field, value(&self.now), value(&self.then))
    }
}
