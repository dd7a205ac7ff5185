//! What stands in one place of a grid.

use fmr_core::metrics::{Interval, Proportion, Ratio};
use serde::{Deserialize, Serialize};

/// A number that was measured. Shares are fractions; the column says how they are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Figure {
    /// The number; absent where it is undefined, shown as "–".
    pub value: Option<f64>,
    /// Its interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// Samples that it is over, where it is a share or a mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<usize>,
    /// Of these, the samples that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits: Option<usize>,
}

impl Figure {
    /// Its own denominator where that is not its row's, so that it has to be said.
    pub(crate) fn own_n(&self, row: Option<usize>) -> Option<usize> {
        self.n.filter(|n| self.value.is_some() && row != Some(*n))
    }
}

/// What a cell holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Value {
    /// Nothing: what the column asks for does not exist in this row.
    #[default]
    Missing,
    /// A number.
    Figure(Figure),
    /// Words.
    Text {
        /// The words.
        text: String,
    },
    /// A small curve: values at equal distances, in the column's unit.
    Series {
        /// The values; absent where undefined.
        values: Vec<Option<f64>>,
    },
}

/// One cell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cell {
    /// What it holds.
    #[serde(flatten)]
    pub value: Value,
    /// The paper's figure, as the paper prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<String>,
    /// A sentence about this cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}

impl From<Figure> for Cell {
    fn from(mut figure: Figure) -> Self {
        // Neither is there a word for them in JSON, nor do they mean anything to a reader.
        figure.value = figure.value.filter(|value| value.is_finite());
        figure.interval = figure.interval.filter(|interval| interval.lo.is_finite() && interval.hi.is_finite());
        Self { value: Value::Figure(figure), ..Self::default() }
    }
}

impl From<&Proportion> for Cell {
    fn from(share: &Proportion) -> Self {
        let Proportion { hits, of, value, interval } = *share;
        Figure { value, interval, n: Some(of), hits: Some(hits) }.into()
    }
}

impl From<&Ratio> for Cell {
    fn from(ratio: &Ratio) -> Self {
        Figure { value: ratio.value, interval: ratio.interval, ..Figure::default() }.into()
    }
}

impl Cell {
    /// A cell without anything.
    pub fn missing() -> Self {
        Self::default()
    }

    /// A number, or "–" where it is undefined.
    pub fn of(value: impl Into<Option<f64>>) -> Self {
        Figure { value: value.into(), ..Figure::default() }.into()
    }

    /// A whole number.
    pub fn count(count: impl Into<Option<usize>>) -> Self {
        Self::of(count.into().map(|count| count as f64))
    }

    /// `hits` of `n` with Wilson's interval.
    pub fn share(hits: usize, n: usize, confidence: f64) -> Self {
        (&Proportion::of(hits, n, confidence)).into()
    }

    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self { value: Value::Text { text: text.into() }, ..Self::default() }
    }

    /// A small curve.
    pub fn series(values: impl IntoIterator<Item = f64>) -> Self {
        let values = values.into_iter().map(|value| Some(value).filter(|v| v.is_finite())).collect();
        Self { value: Value::Series { values }, ..Self::default() }
    }

    /// The cell without its interval, for tables that it would crowd.
    #[must_use]
    pub fn without_interval(mut self) -> Self {
        if let Value::Figure(figure) = &mut self.value {
            figure.interval = None;
        }
        self
    }

    /// Sets how many samples the cell's figure is over.
    #[must_use]
    pub fn over(mut self, n: usize) -> Self {
        if let Value::Figure(figure) = &mut self.value {
            figure.n = Some(n);
        }
        self
    }

    /// Adds the paper's figure, as printed.
    #[must_use]
    pub fn paper(mut self, printed: Option<String>) -> Self {
        self.paper = printed;
        self
    }

    /// Adds a sentence about the cell.
    #[must_use]
    pub fn remark(mut self, remark: impl Into<String>) -> Self {
        self.remark = Some(remark.into());
        self
    }

    /// The number that it holds.
    pub fn number(&self) -> Option<f64> {
        self.figure()?.value
    }

    pub(crate) fn figure(&self) -> Option<&Figure> {
        match &self.value {
            Value::Figure(figure) => Some(figure),
            _ => None,
        }
    }
}
