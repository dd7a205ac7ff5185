//! The paper's own figures, from the tables it prints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Figures of the paper as printed; in percent, but for the time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperFigures {
    /// Standard accuracy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sa: Option<String>,
    /// Perturbed accuracy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pa: Option<String>,
    /// FMR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fmr: Option<String>,
    /// Validation rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vr: Option<String>,
    /// Share of the mask's classifier's weights that are zero (Table 11).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sparsity: Option<String>,
    /// Accuracy of that classifier on held-out latents (Table 11).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_score: Option<String>,
    /// Run time in seconds (Table 12).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<String>,
    /// Loss of the class that an attack aims at (Table 15).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_loss: Option<String>,
    /// Probability of the true class, from 0 to 1 (Table 15).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_true: Option<String>,
    /// Probability of the class that an attack aims at, from 0 to 1 (Table 15).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_target: Option<String>,
    /// Figures of single classes, by name in lower case (Tables 13 and 14).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<String, PaperFigures>,
}

impl PaperFigures {
    /// Those of a class.
    pub fn of_class(&self, name: &str) -> Option<&Self> {
        self.classes.get(&name.to_lowercase())
    }
}

/// Where a row's figures stand: `paper = { table = "paper/table01.tsv", where = { model = "LeNet" } }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct PaperTable {
    /// Tab-separated file: comment lines, a line of column names, rows.
    pub(super) table: PathBuf,
    /// Values that columns have in the wanted row. `{data}`, `{target}`, `{generator}` and `{oracle}` stand for the
    /// row's labels, `{search.budget}` and the like for what varies.
    #[serde(rename = "where")]
    pub(super) at: BTreeMap<String, String>,
    /// Columns of the figures `sa`, `pa`, `fmr`, `vr`, `sparsity`, `test_score`, `seconds`, `target_loss`, `p_true`,
    /// `p_target` where they are not named so.
    #[serde(default)]
    pub(super) columns: BTreeMap<String, String>,
    /// Column that names a class: the table's other rows are then the figures of single classes.
    #[serde(default)]
    pub(super) classes: Option<String>,
}

impl PaperTable {
    /// Looks the figures up.
    ///
    /// # Errors
    /// In a sentence: the file is not there, a column is unknown, no row or several fit.
    pub(super) fn look_up(&self, base: &Path, labels: &BTreeMap<&str, String>) -> Result<PaperFigures, String> {
        let path = base.join(&self.table);
        let text = fmr_data::open_regular(&path)
            .and_then(std::io::read_to_string)
            .map_err(|e| format!("{}: {e}", path.display()))?;
        let mut lines = text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).map(|l| l.split('\t'));
        let header: Vec<&str> = lines.next().map(Iterator::collect).unwrap_or_default();
        let column = |name: &str| {
            let found = header.iter().position(|h| *h == name);
            found.ok_or_else(|| format!("{} has no column {name:?}; it has {}", path.display(), header.join(", ")))
        };
        let mut wanted = Vec::new();
        for (name, value) in &self.at {
            let fill = |text: String, (key, label): (&&str, &String)| text.replace(&format!("{{{key}}}"), label);
            wanted.push((column(name)?, labels.iter().fold(value.clone(), fill)));
        }
        let rows: Vec<Vec<&str>> = lines.map(Iterator::collect).collect();
        let fits = |row: &&Vec<&str>| wanted.iter().all(|(i, value)| row.get(*i).is_some_and(|cell| cell == value));
        let matching: Vec<&Vec<&str>> = rows.iter().filter(fits).collect();
        let [row] = matching[..] else {
            let values = wanted.iter().map(|(_, v)| format!("{v:?}")).collect::<Vec<_>>().join(", ");
            return Err(format!("{} rows of {} have {values}; exactly one must", matching.len(), path.display()));
        };
        let figures = |row: &[&str]| self.figures(row, &column);
        let mut found = figures(row)?;
        if let Some(name) = &self.classes {
            let at = column(name)?;
            let others = wanted.iter().filter(|(i, _)| *i != at);
            let beside =
                |row: &&Vec<&str>| others.clone().all(|(i, value)| row.get(*i).is_some_and(|cell| cell == value));
            for other in rows.iter().filter(|other| *other != row && beside(other)) {
                let class = other.get(at).copied().unwrap_or_default().to_lowercase();
                found.classes.insert(class, figures(other)?);
            }
        }
        Ok(found)
    }

    /// The figures of a row of the table.
    fn figures(&self, row: &[&str], column: &dyn Fn(&str) -> Result<usize, String>) -> Result<PaperFigures, String> {
        let figure = |name: &str| -> Result<Option<String>, String> {
            let index = match self.columns.get(name) {
                Some(renamed) => Some(column(renamed)?),
                None => column(name).ok(),
            };
            let cell = index.and_then(|i| row.get(i)).map(|c| c.trim());
            Ok(cell.filter(|c| !c.is_empty()).map(str::to_owned))
        };
        Ok(PaperFigures {
            sa: figure("sa")?,
            pa: figure("pa")?,
            fmr: figure("fmr")?,
            vr: figure("vr")?,
            sparsity: figure("sparsity")?,
            test_score: figure("test_score")?,
            seconds: figure("seconds")?,
            target_loss: figure("target_loss")?,
            p_true: figure("p_true")?,
            p_target: figure("p_target")?,
            classes: BTreeMap::new(),
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_their_labels() {
        let folder = tempfile::tempdir().unwrap();
        let text = "# Table 1\ndata\tmodel\tsa\tpa\tfmr\nMNIST\tLeNet\t99.09\t27.78\t28.04\nIN\tViT\t82.40\t41.65\t\n";
        std::fs::write(folder.path().join("t.tsv"), text).unwrap();
        let look_up = |toml: &str| {
            let table: PaperTable = toml::from_str(toml).unwrap();
            table.look_up(folder.path(), &BTreeMap::from([("data", "MNIST".to_owned())]))
        };
        let found = look_up("table = \"t.tsv\"\nwhere = { data = \"{data}\", model = \"LeNet\" }").unwrap();
        assert_eq!((found.sa.as_deref(), found.fmr.as_deref(), found.vr), (Some("99.09"), Some("28.04"), None));
        let found = look_up("table = \"t.tsv\"\nwhere = { model = \"ViT\" }\ncolumns = { fmr = \"pa\" }").unwrap();
        assert_eq!((found.pa.as_deref(), found.fmr.as_deref()), (Some("41.65"), Some("41.65")));
        assert!(look_up("table = \"t.tsv\"\nwhere = { model = \"x\" }").unwrap_err().starts_with("0 rows"));
        assert!(look_up("table = \"t.tsv\"\nwhere = { net = \"x\" }").unwrap_err().contains("no column \"net\""));
        assert!(look_up("table = \"u.tsv\"\nwhere = {}").unwrap_err().contains("u.tsv"));
    }

    #[test]
    fn the_other_rows_may_be_classes() {
        let folder = tempfile::tempdir().unwrap();
        let text = "type\tstep\tfmr\nDog\t1\t18.09\nDog\t2\t17.98\nCat\t1\t28.60\nTotal\t1\t23.94\n";
        std::fs::write(folder.path().join("t.tsv"), text).unwrap();
        let toml = "table = \"t.tsv\"\nwhere = { type = \"Total\", step = \"{search.step-size}\" }\nclasses = \"type\"";
        let table: PaperTable = toml::from_str(toml).unwrap();
        let found = table.look_up(folder.path(), &BTreeMap::from([("search.step-size", "1".to_owned())])).unwrap();
        assert_eq!((found.fmr.as_deref(), found.classes.len()), (Some("23.94"), 2));
        assert_eq!(found.of_class("dog").and_then(|dog| dog.fmr.as_deref()), Some("18.09"));
    }
}
