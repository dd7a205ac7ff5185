//! Values as every renderer writes them.

use fmr_core::metrics::Interval;

use super::{Cell, Column, Grid, Row, Unit, Value};

/// What stands for a value that is undefined or missing.
const DASH: &str = "–";

/// The texts of one cell. None is escaped yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The value.
    pub value: String,
    /// Its interval.
    pub interval: Option<String>,
    /// Its own denominator, where that is not the row's.
    pub of: Option<usize>,
    /// The letter of its remark.
    pub mark: Option<String>,
    /// The paper's figure.
    pub paper: Option<String>,
    /// First and last value of a curve, for forms that cannot draw it.
    pub ends: Option<[String; 2]>,
}

impl Grid {
    /// The texts of a row's cell under a column.
    pub(crate) fn show(&self, row: &Row, column: &Column) -> Shown {
        let Some(cell) = row.cells.get(&column.id) else {
            return Shown { value: DASH.to_owned(), ..Shown::default() };
        };
        let figure = cell.figure();
        let interval = figure.and_then(|figure| figure.value.and(figure.interval));
        let mark = cell.remark.as_deref().and_then(|remark| {
            let at = self.remarks().iter().position(|known| *known == remark)?;
            Some(letter(at))
        });
        Shown {
            value: value(cell, column),
            interval: interval.map(|interval| column.interval(interval)),
            of: figure.and_then(|figure| figure.own_n(row.n)),
            mark,
            paper: cell.paper.clone(),
            ends: match &cell.value {
                Value::Series { values } => {
                    values.first().zip(values.last()).map(|(a, b)| [*a, *b].map(|v| column.shown(v)))
                }
                _ => None,
            },
        }
    }
}

/// `a`, `b` … `z`, `aa` …
pub(crate) fn letter(at: usize) -> String {
    let last = char::from(b'a' + (at % 26) as u8);
    if at < 26 { last.to_string() } else { format!("{}{last}", letter(at / 26 - 1)) }
}

fn value(cell: &Cell, column: &Column) -> String {
    match &cell.value {
        Value::Missing => DASH.to_owned(),
        Value::Figure(figure) => column.shown(figure.value),
        Value::Text { text } => text.clone(),
        Value::Series { values } => sparkline(values),
    }
}

impl Column {
    /// A number in this column's unit; "–" where it is undefined or not finite.
    pub(crate) fn shown(&self, value: Option<f64>) -> String {
        value.filter(|v| v.is_finite()).map_or_else(|| DASH.to_owned(), |value| self.write(value, self.digits))
    }

    fn interval(&self, Interval { lo, hi }: Interval) -> String {
        // A dash between signs would be read as one.
        let between = if self.unit == Unit::Points { "…" } else { "–" };
        format!("{}{between}{}", self.limit(lo), self.limit(hi))
    }

    /// A limit of an interval.
    fn limit(&self, value: f64) -> String {
        let digits = match self.unit {
            Unit::Percent => self.digits.saturating_sub(1),
            _ => self.digits,
        };
        self.write(value, digits)
    }

    fn write(&self, value: f64, digits: usize) -> String {
        let shown = self.unit.shown(value);
        match self.unit {
            Unit::Points => format!("{shown:+.digits$}"),
            Unit::Scientific => format!("{shown:.digits$e}"),
            _ => format!("{shown:.digits$}"),
        }
    }
}

/// Bars of a curve in one line of text.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Most bars of a curve.
const MOST_BARS: usize = 12;

/// A curve as bars between its least value (or 0, where all are above) and its largest.
fn sparkline(values: &[Option<f64>]) -> String {
    let known = || values.iter().flatten().copied();
    if known().next().is_none() {
        return DASH.to_owned();
    }
    let (low, high) = (known().fold(0.0, f64::min), known().fold(0.0, f64::max));
    let span = if high > low { high - low } else { 1.0 };
    let count = values.len().min(MOST_BARS);
    let at = |i: usize| if count < 2 { 0 } else { i * (values.len() - 1) / (count - 1) };
    let bar = |value: Option<f64>| {
        let level = |v: f64| ((v - low) / span * (BARS.len() - 1) as f64).round() as usize;
        value.map_or(' ', |v| BARS[level(v).min(BARS.len() - 1)])
    };
    (0..count).map(|i| bar(values[at(i)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_their_unit() {
        let share = Column::percent("a", "a").digits(2);
        assert_eq!(share.shown(Some(0.12345)), "12.35");
        assert_eq!(share.limit(0.12345), "12.3");
        assert_eq!(Column::points("a", "a").shown(Some(0.031)), "+3.1");
        assert_eq!(Column::count("a", "a").shown(Some(1350.0)), "1350");
        assert_eq!(Column::scientific("a", "a").shown(Some(2e-14)), "2e-14");
        for nothing in [None, Some(f64::NAN), Some(f64::INFINITY)] {
            assert_eq!(share.shown(nothing), DASH);
        }
    }

    #[test]
    fn curves_are_bars() {
        let falling: Vec<_> = (0..8).rev().map(|v| Some(f64::from(v))).collect();
        assert_eq!(sparkline(&falling), "█▇▆▅▄▃▂▁");
        assert_eq!(sparkline(&[Some(1.0); 40]).chars().count(), MOST_BARS);
        assert_eq!(sparkline(&[None, Some(2.0)]), " █");
        assert_eq!(sparkline(&[]), DASH);
        assert_eq!(sparkline(&[Some(0.0)]), "▁");
    }

    #[test]
    fn letters_do_not_run_out() {
        assert_eq!([0, 25, 26, 27, 52].map(letter), ["a", "z", "aa", "ab", "ba"]);
    }
}
