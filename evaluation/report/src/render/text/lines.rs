//! The lines of a table, before it is known where they go.

use super::label;
use crate::grid::Shown;
use crate::{Align, Column, Grid, Row};

/// What stands over a column.
pub(super) struct Head {
    pub heading: String,
    pub group: Option<String>,
    pub align: Align,
}

/// The parts of a cell.
#[derive(Default, Clone)]
pub(super) struct Piece {
    pub value: String,
    /// Interval, own denominator and letter of a remark, as far as there are any.
    pub behind: [String; 3],
}

/// One line.
pub(super) struct Line {
    /// Group of the row where it is not that of the row above.
    pub group: Option<String>,
    /// Labels of the row that the line above does not have.
    pub label: String,
    /// How far the label is indented: a variant stands under what it varies.
    pub depth: usize,
    /// Whether it begins a row, so that a stack gives it a paragraph.
    pub row: bool,
    pub pieces: Vec<Piece>,
}

/// All lines of a table.
pub(super) struct Lines {
    /// Headings of group and label.
    pub labels: [String; 2],
    pub heads: Vec<Head>,
    pub lines: Vec<Line>,
}

impl Lines {
    /// The rows that have figures, each with the paper's under it.
    pub(super) fn of(grid: &Grid) -> Self {
        let mut lines = Self::empty(grid, grid.has_n());
        let mut above: Option<&Row> = None;
        for group in grid.groups() {
            for (at, row) in group.rows.iter().enumerate() {
                let mut pieces: Vec<Piece> = grid.columns.iter().map(|column| piece(grid.show(row, column))).collect();
                if grid.has_n() {
                    pieces.insert(0, plain(row.n.map(|n| n.to_string())));
                }
                let name = group.label.filter(|_| at == 0).map(|name| label(name).into_owned());
                lines.push(grid, row, above, name, pieces);
                above = Some(row);
                if row.has_paper() {
                    lines.push_paper(grid, row);
                }
            }
        }
        lines
    }

    /// The paper's figures of rows that did not run, and nothing else.
    pub(super) fn of_paper(grid: &Grid) -> Self {
        let mut lines = Self::empty(grid, false);
        let printed = |column: &&Column| grid.not_run().iter().any(|row| paper(row, column).is_some());
        let columns: Vec<&Column> = grid.columns.iter().filter(printed).collect();
        lines.heads = columns.iter().map(|column| Head::of(grid, column)).collect();
        let mut above: Option<&Row> = None;
        for row in grid.not_run().into_iter().filter(|row| row.has_paper()) {
            let pieces = columns.iter().map(|column| plain(paper(row, column))).collect();
            let grouped = grid.labels.len() > 1;
            let new = above.is_none_or(|above| above.path.first() != row.path.first());
            let name = row.path.first().filter(|_| grouped && new).map(|name| label(name).into_owned());
            lines.push(grid, row, above, name, pieces);
            above = Some(row);
        }
        lines
    }

    fn empty(grid: &Grid, n: bool) -> Self {
        let (group, rest) = if grid.labels.len() > 1 { grid.labels.split_at(1) } else { (&[][..], &grid.labels[..]) };
        let join = |labels: &[String]| label(&labels.join(" · ")).into_owned();
        let n = n.then(|| Head { heading: "n".to_owned(), group: None, align: Align::Right });
        let heads = n.into_iter().chain(grid.columns.iter().map(|column| Head::of(grid, column))).collect();
        Self { labels: [join(group), join(rest)], heads, lines: Vec::new() }
    }

    fn push(&mut self, grid: &Grid, row: &Row, above: Option<&Row>, group: Option<String>, pieces: Vec<Piece>) {
        let own = &row.path[usize::from(grid.labels.len() > 1).min(row.path.len())..];
        // A longer path under the same labels is a variant of the row above.
        let variant = above.is_some_and(|above| row.path.len() > above.path.len() && row.path.starts_with(&above.path));
        let shared = above.filter(|_| variant).map_or(0, |above| above.path.len() - (row.path.len() - own.len()));
        let name = label(&own[shared..].join(" · ")).into_owned();
        self.lines.push(Line { group, label: name, depth: usize::from(variant), row: true, pieces });
    }

    fn push_paper(&mut self, grid: &Grid, row: &Row) {
        let mut pieces: Vec<Piece> = grid.columns.iter().map(|column| plain(paper(row, column))).collect();
        if grid.has_n() {
            pieces.insert(0, Piece::default());
        }
        self.lines.push(Line { group: None, label: "paper".to_owned(), depth: 1, row: false, pieces });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl Head {
    fn of(grid: &Grid, column: &Column) -> Self {
        let group = column.group.as_deref().map(|group| label(group).into_owned());
        Self { heading: label(&grid.heading(column)).into_owned(), group, align: column.align }
    }
}

fn paper(row: &Row, column: &Column) -> Option<String> {
    row.cells.get(&column.id)?.paper.as_deref().map(|figure| label(figure).into_owned())
}

fn plain(value: Option<String>) -> Piece {
    Piece { value: value.unwrap_or_default(), ..Piece::default() }
}

fn piece(shown: Shown) -> Piece {
    let of = shown.of.map_or_else(String::new, |of| format!("of {of}"));
    let mark = shown.mark.map_or_else(String::new, |mark| format!("({mark})"));
    Piece { value: label(&shown.value).into_owned(), behind: [shown.interval.unwrap_or_default(), of, mark] }
}
