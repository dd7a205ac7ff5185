//! What stands under one heading.

use serde::{Deserialize, Serialize};

/// What the numbers of a column are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Unit {
    /// A share. Kept as a fraction, shown in percent.
    Percent,
    /// A difference of two shares. Kept as a fraction, shown in points and with its sign.
    Points,
    /// A whole number of things.
    Count,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// A number without a unit.
    Number,
    /// A number without a unit, shown as a power of ten.
    Scientific,
    /// Words.
    #[default]
    Text,
}

impl Unit {
    /// What stands behind a heading where the columns of a grid differ in their units.
    pub(crate) fn symbol(self) -> Option<&'static str> {
        match self {
            Self::Percent => Some("%"),
            Self::Points => Some("points"),
            Self::Seconds => Some("s"),
            Self::Milliseconds => Some("ms"),
            Self::Count | Self::Number | Self::Scientific | Self::Text => None,
        }
    }

    /// From a value as it is kept to one as it is shown.
    pub(crate) fn shown(self, value: f64) -> f64 {
        match self {
            Self::Percent | Self::Points => 100.0 * value,
            _ => value,
        }
    }
}

/// On which side of its column a cell stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Align {
    /// Left, as words.
    #[default]
    Left,
    /// Right, as numbers.
    Right,
}

/// A column: its heading, what its numbers are and what they mean.
///
/// ```
/// use fmr_report::{Column, Unit};
///
/// let column = Column::percent("vqgan-fmr", "FMR").group("VQGAN").digits(2).meaning("PA / SA");
/// assert_eq!((column.unit, column.digits), (Unit::Percent, 2));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Column {
    /// Stable name, unique in the grid: the key of its cells, its name in CSV and JSON.
    pub id: String,
    /// Heading for people.
    pub heading: String,
    /// Heading over neighbouring columns that belong together, e.g. the generator.
    #[serde(default)]
    pub group: Option<String>,
    /// What its numbers are.
    pub unit: Unit,
    /// Decimals of its numbers. Intervals in percent have one less.
    pub digits: usize,
    /// Where its cells stand.
    pub align: Align,
    /// What it says, in a clause without a full stop, for legends and tooltips.
    #[serde(default)]
    pub meaning: String,
}

impl Column {
    fn of(id: &str, heading: &str, unit: Unit, digits: usize) -> Self {
        let align = if unit == Unit::Text { Align::Left } else { Align::Right };
        Self { id: id.to_owned(), heading: heading.to_owned(), unit, digits, align, ..Self::default() }
    }

    /// Shares, shown in percent with one decimal.
    pub fn percent(id: &str, heading: &str) -> Self {
        Self::of(id, heading, Unit::Percent, 1)
    }

    /// Differences of shares, shown in points with one decimal.
    pub fn points(id: &str, heading: &str) -> Self {
        Self::of(id, heading, Unit::Points, 1)
    }

    /// Whole numbers.
    pub fn count(id: &str, heading: &str) -> Self {
        Self::of(id, heading, Unit::Count, 0)
    }

    /// Seconds, with one decimal.
    pub fn seconds(id: &str, heading: &str) -> Self {
        Self::of(id, heading, Unit::Seconds, 1)
    }

    /// Milliseconds, with two decimals.
    pub fn milliseconds(id: &str, heading: &str) -> Self {
        Self::of(id, heading, Unit::Milliseconds, 2)
    }

    /// Numbers without a unit, with three decimals.
    pub fn number(id: &str, heading: &str) -> Self {
        Self::of(id, heading, Unit::Number, 3)
    }

    /// Numbers without a unit, as powers of ten.
    pub fn scientific(id: &str, heading: &str) -> Self {
        Self::of(id, heading, Unit::Scientific, 0)
    }

    /// Words.
    pub fn text(id: &str, heading: &str) -> Self {
        Self::of(id, heading, Unit::Text, 0)
    }

    /// Sets the decimals.
    #[must_use]
    pub fn digits(mut self, digits: usize) -> Self {
        self.digits = digits;
        self
    }

    /// Sets what it says.
    #[must_use]
    pub fn meaning(mut self, meaning: &str) -> Self {
        meaning.clone_into(&mut self.meaning);
        self
    }

    /// Puts it under a heading that it shares with its neighbours.
    #[must_use]
    pub fn group(mut self, group: &str) -> Self {
        self.group = Some(group.to_owned());
        self
    }
}
