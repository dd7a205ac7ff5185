//! The one form that every table has, whatever it is about and however it is printed.
//!
//! A [`Grid`] knows nothing of SA, masks or classes. Builders fill it from results, renderers print it. A table with new
//! columns is a new builder; no renderer changes.

mod cell;
mod column;
mod row;
mod show;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

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
    /// Whose models the figures are of, a sentence each.
    #[serde(default)]
    pub worlds: Vec<String>,
    /// Whether every row is in the paper's setting.
    #[serde(default)]
    pub paper_setting: bool,
    /// Name and value of each setting that the figures depend on.
    #[serde(default)]
    pub facts: Vec<(String, String)>,
    /// Anything else that a reader must know, a sentence each.
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

    /// Whether all of its figures are in percent, so that headings need not say it.
    pub(crate) fn all_percent(&self) -> bool {
        let mut units = self.columns.iter().map(|column| column.unit).filter(|unit| unit.symbol().is_some()).peekable();
        units.peek().is_some() && units.all(|unit| unit == Unit::Percent)
    }

    /// Heading of a column, with its unit where the columns differ in it.
    pub(crate) fn heading(&self, column: &Column) -> String {
        match column.unit.symbol().filter(|_| !self.all_percent()) {
            Some(symbol) => format!("{} ({symbol})", column.heading),
            None => column.heading.clone(),
        }
    }

    /// What the headings mean: each heading once.
    pub(crate) fn legend(&self) -> Vec<(&str, &str)> {
        let mut seen = BTreeMap::new();
        let columns = self.columns.iter().filter(|column| !column.meaning.is_empty());
        let fresh = columns.filter(|column| seen.insert(&column.heading, ()).is_none());
        fresh.map(|column| (column.heading.as_str(), column.meaning.as_str())).collect()
    }

    /// What a reader must know of the numbers, a sentence each; how the paper's figures look is up to the renderer.
    pub(crate) fn reading(&self) -> Vec<String> {
        let rows = || self.rows.iter().filter(|row| row.state.has_figures());
        let figures = || rows().flat_map(|row| row.cells.values().filter_map(move |cell| Some((row, cell.figure()?))));
        let percent = if self.all_percent() { "Percent" } else { "" };
        let interval = match self.caption.confidence.filter(|_| figures().any(|(_, f)| f.interval.is_some())) {
            Some(confidence) => format!("{} % intervals", (confidence * 1e6).round() / 1e4),
            None => String::new(),
        };
        let first = match (percent.is_empty(), interval.is_empty()) {
            (false, false) => format!("Percent, with {interval}."),
            (false, true) => "Percent.".to_owned(),
            (true, false) => format!("With {interval}."),
            (true, true) => String::new(),
        };
        let own = figures().find_map(|(row, figure)| figure.own_n(row.n));
        let own = own.map_or_else(String::new, |n| match self.has_n() {
            true => format!("Behind a figure, \"of {n}\": it is over {n} images, not over all n."),
            false => format!("Behind a figure, \"of {n}\": it is over {n} cases."),
        });
        [first, own].into_iter().filter(|sentence| !sentence.is_empty()).collect()
    }
}

/// What a column shows of a `T`.
pub type CellOf<'f, T> = Box<dyn Fn(&T) -> Cell + 'f>;
