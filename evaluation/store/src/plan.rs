//! What a run is to do, and whether two plans are the same work.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fmr_core::perturb::Perturbed;

use super::StoreError;

/// One cell of a run: one target on one data set under one setting.
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
    /// The cells, in the order of the table's rows.
    pub rows: Vec<RowPlan>,
    /// Versions of the program and its parts, for the record; they do not keep a run from being resumed.
    pub versions: BTreeMap<String, String>,
}

impl RowPlan {
    /// The identifier as a file name: letters, digits, `.`, `_` and `-` stay, all else becomes `-`.
    pub fn file_name(&self) -> String {
        let keep = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
        self.id.chars().map(keep).collect::<String>().trim_start_matches('.').to_owned()
    }

    /// Name of a class; its number where it has none, `?` where it is unknown.
    pub fn class(&self, class: impl Into<Option<usize>>) -> String {
        let Some(class) = class.into() else { return "?".to_owned() };
        self.classes.get(class).cloned().unwrap_or_else(|| class.to_string())
    }

    /// Refuses samples that the plan does not hold or that are finished.
    pub(super) fn expect_new(
        &self,
        cell: &str,
        batch: &[Perturbed],
        finished: &BTreeSet<usize>,
        dir: &Path,
    ) -> Result<(), StoreError> {
        let mut seen = BTreeSet::new();
        for index in batch.iter().map(|sample| sample.record.index) {
            let problem = if index >= self.samples {
                format!("cannot be added: the plan holds {} samples", self.samples)
            } else if finished.contains(&index) || !seen.insert(index) {
                "cannot be added: it is there already".to_owned()
            } else {
                continue;
            };
            return Err(StoreError::Sample { dir: dir.to_owned(), cell: cell.to_owned(), index, problem });
        }
        Ok(())
    }
}

impl RunPlan {
    /// A cell by its identifier.
    pub(super) fn cell(&self, id: &str, dir: &Path) -> Result<&RowPlan, StoreError> {
        self.rows.iter().find(|cell| cell.id == id).ok_or_else(|| StoreError::UnknownCell {
            dir: dir.to_owned(),
            cell: id.to_owned(),
            known: self.cell_names(),
        })
    }

    fn cell_names(&self) -> String {
        self.rows.iter().map(|cell| cell.id.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Refuses cells without a name and names, or file names made from them, that two cells share.
    pub(super) fn check(&self, dir: &Path) -> Result<(), StoreError> {
        let refuse = |problem: String| Err(StoreError::Plan { dir: dir.to_owned(), problem });
        let mut seen = BTreeMap::new();
        for cell in &self.rows {
            let file = cell.file_name();
            if file.is_empty() {
                return refuse(format!("the cell {:?} has no name that can be a file's", cell.id));
            }
            if let Some(other) = seen.insert(file.to_lowercase(), &cell.id) {
                return refuse(format!("the cells {other:?} and {:?} would share the file name {file:?}", cell.id));
            }
        }
        Ok(())
    }

    /// Refuses to take `now` for the same work as `self`, naming the first thing that differs.
    pub(super) fn expect_same(&self, now: &Self, dir: &Path) -> Result<(), StoreError> {
        let differs = |cell: Option<&RowPlan>, field: &str, then: Option<String>, now: Option<String>| {
            Err(StoreError::Fingerprint {
                dir: dir.to_owned(),
                cell: cell.map(|cell| cell.id.clone()),
                field: field.to_owned(),
                then,
                now,
            })
        };
        if !self.rows.iter().map(|cell| &cell.id).eq(now.rows.iter().map(|cell| &cell.id)) {
            return differs(None, "the list of cells", Some(self.cell_names()), Some(now.cell_names()));
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
                return differs(
                    Some(a),
                    "the number of samples",
                    Some(a.samples.to_string()),
                    Some(b.samples.to_string()),
                );
            }
            if a.classes != b.classes {
                let join = |cell: &RowPlan| Some(cell.classes.join(", "));
                return differs(Some(a), "the list of classes", join(a), join(b));
            }
        }
        Ok(())
    }
}
