//! What a reader must know of a grid's numbers, in words.

use std::collections::BTreeMap;

use super::{Column, Grid, Unit};

impl Grid {
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

    /// Notes that a reader needs, one sentence each; how the paper's figures look is up to the renderer.
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
