//! The one form that every table has, whatever it is about and however it is printed.
//!
//! A [`Grid`] knows nothing of SA, masks or classes. Builders fill it from results, renderers print it. A table with new
//! columns is a new builder; no renderer changes.

mod cell;
mod column;
mod reading;
mod row;
mod show;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::cell::{Cell, Figure, Value};
pub use self::column::{Align, Column, Unit};
pub use self::row::{Need, Row, RowState};
pub(crate) use self::show::{Shown, letter};

/// A table of typed cells, with everything that a reader needs to understand it.
///
/// ```
/// use fmr_report::{Cell, Column, Grid, Row};
///
/// let mut grid = Grid::new("robustness", "Robustness by class").labels(["class"]);
/// grid.columns.push(Column::percent("sa", "SA").meaning("accuracy on originals"));
/// grid.rows.push(Row::new(["cat"]).with("sa", Cell::share(9, 10, 0.95)));
/// assert_eq!(grid.cell(0, "sa").and_then(Cell::number), Some(0.9));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Grid {
    /// Stable name, unique in a report: letters, digits and `-`. It names files and places on a page.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// How the figures came about.
    #[serde(default)]
    pub caption: Caption,
    /// Headings of the label path of a row, e.g. `data`, `model`. Rows that share the first of two labels form a group.
    pub labels: Vec<String>,
    /// The columns behind the labels.
    pub columns: Vec<Column>,
    /// The rows, those that could not run included.
    pub rows: Vec<Row>,
    /// Further sentences under the table.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Whether it holds details: a page folds it, plain text leaves it out.
    #[serde(default)]
    pub detail: bool,
}

/// How the figures of a grid came about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Caption {
    /// Whose models the figures are of, one sentence each.
    #[serde(default)]
    pub worlds: Vec<String>,
    /// Whether every row is in the paper's setting.
    #[serde(default)]
    pub paper_setting: bool,
    /// Name and value of each setting that the figures depend on.
    #[serde(default)]
    pub facts: Vec<(String, String)>,
    /// Further remarks for the reader, one sentence each.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// Confidence of the intervals, between 0 and 1.
    #[serde(default)]
    pub confidence: Option<f64>,
}

/// Rows in sequence that share their first label.
pub(crate) struct Group<'g> {
    /// The label; absent in a grid whose rows have one label each.
    pub label: Option<&'g str>,
    pub rows: Vec<&'g Row>,
}

impl Grid {
    /// A grid without columns and rows.
    pub fn new(id: &str, title: &str) -> Self {
        Self { id: id.to_owned(), title: title.to_owned(), ..Self::default() }
    }

    /// Sets the headings of the label path.
    #[must_use]
    pub fn labels<const N: usize>(mut self, labels: [&str; N]) -> Self {
        self.labels = labels.map(str::to_owned).to_vec();
        self
    }

    /// Adds columns together with what they show of a `T`, and a row for each `T`. So a column and its values are
    /// written in one place.
    #[must_use]
    pub fn tabulate<T>(
        mut self,
        columns: Vec<(Column, CellOf<'_, T>)>,
        rows: impl IntoIterator<Item = (Row, T)>,
    ) -> Self {
        for (mut row, of) in rows {
            for (column, cell) in &columns {
                row.cells.insert(column.id.clone(), cell(&of));
            }
            self.rows.push(row);
        }
        self.columns.extend(columns.into_iter().map(|(column, _)| column));
        self
    }

    /// The cell of a row, by its position, under a column, by its identifier.
    pub fn cell(&self, row: usize, column: &str) -> Option<&Cell> {
        self.rows.get(row)?.cells.get(column)
    }

    /// Rows that have figures, in their groups.
    pub(crate) fn groups(&self) -> Vec<Group<'_>> {
        let grouped = self.labels.len() > 1;
        let mut groups: Vec<Group<'_>> = Vec::new();
        for row in self.rows.iter().filter(|row| row.state.has_figures()) {
            let label = grouped.then(|| row.path.first().map_or("", String::as_str));
            match groups.last_mut().filter(|group| group.label == label) {
                Some(group) => group.rows.push(row),
                None => groups.push(Group { label, rows: vec![row] }),
            }
        }
        groups
    }

    /// Rows that have no figures: they could not run.
    pub(crate) fn not_run(&self) -> Vec<&Row> {
        self.rows.iter().filter(|row| !row.state.has_figures()).collect()
    }

    /// What the rows lack, each thing once with the rows that lack it.
    pub(crate) fn needs(&self) -> Vec<(&Need, Vec<&Row>)> {
        let mut needs: Vec<(&Need, Vec<&Row>)> = Vec::new();
        for row in &self.rows {
            for need in row.state.needs() {
                match needs.iter_mut().find(|(known, _)| *known == need) {
                    Some((_, rows)) => rows.push(row),
                    None => needs.push((need, vec![row])),
                }
            }
        }
        needs
    }

    /// Rows that cannot run for another reason than files, with the reason.
    pub(crate) fn reasons(&self) -> Vec<(&Row, &str)> {
        let reasons = self.rows.iter().filter_map(|row| match &row.state {
            RowState::CannotRun { reason } => Some((row, reason.as_str())),
            _ => None,
        });
        reasons.collect()
    }

    /// Names of rows in one line, each first label once.
    pub(crate) fn names(&self, rows: &[&Row]) -> String {
        let mut names = String::new();
        let mut above: Option<&Row> = None;
        for row in rows {
            let same = above.is_some_and(|above| self.labels.len() > 1 && above.path.first() == row.path.first());
            match (above, same) {
                (Some(_), true) => names.push_str(&format!(", {}", row.path[1..].join(" · "))),
                (Some(_), false) => names.push_str(&format!("; {}", row.name())),
                (None, _) => names.push_str(&row.name()),
            }
            above = Some(row);
        }
        names
    }

    /// Labels of the row that has most.
    pub(crate) fn depth(&self) -> usize {
        self.rows.iter().map(|row| row.path.len()).max().unwrap_or(0).max(self.labels.len())
    }

    /// Distinct remarks on cells of rows with figures, in order; a cell refers to its own by the position.
    pub(crate) fn remarks(&self) -> Vec<&str> {
        let mut remarks: Vec<&str> = Vec::new();
        for row in self.rows.iter().filter(|row| row.state.has_figures()) {
            for remark in self.columns.iter().filter_map(|column| row.cells.get(&column.id)?.remark.as_deref()) {
                if !remarks.contains(&remark) {
                    remarks.push(remark);
                }
            }
        }
        remarks
    }

    /// Whether any row says of how many samples it is.
    pub(crate) fn has_n(&self) -> bool {
        self.rows.iter().any(|row| row.n.is_some())
    }

    /// Whether any row with figures has one of the paper.
    pub(crate) fn has_paper(&self) -> bool {
        self.rows.iter().any(|row| row.state.has_figures() && row.has_paper())
    }
}

/// What a column shows of a `T`.
pub type CellOf<'f, T> = Box<dyn Fn(&T) -> Cell + 'f>;
