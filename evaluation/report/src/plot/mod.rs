//! Lines with bands over a measured axis, as SVG and as PNG.

mod png;
mod scale;
mod svg;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

#[cfg(test)]
use svg::PALETTE;

/// An axis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Axis {
    /// What it says, with its unit.
    pub label: String,
    /// Whether its scale is logarithmic. Its values are positive then.
    #[serde(default)]
    pub log: bool,
    /// Its ends where they are fixed; else they follow from the values.
    #[serde(default)]
    pub range: Option<(f64, f64)>,
}

/// A point of a line, with an interval of its y.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Point {
    /// Place on the horizontal axis.
    pub x: f64,
    /// Place on the vertical axis.
    pub y: f64,
    /// Lower end of the interval; `y` where there is none.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
}

/// A line.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Line {
    /// What it is of.
    pub name: String,
    /// Its points, by x.
    pub points: Vec<Point>,
}

/// A figure: some lines over one pair of axes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plot {
    /// Stable name, unique in a report: letters, digits and `-`. It names files.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The lines.
    pub lines: Vec<Line>,
    /// What a reader must know: n, intervals, setting; one sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl Plot {
    /// Whether there is anything to draw: a line of two points or more.
    pub fn is_drawn(&self) -> bool {
        self.lines.iter().any(|line| line.points.len() > 1)
    }

    fn points(&self) -> impl Iterator<Item = &Point> {
        self.lines.iter().flat_map(|line| &line.points)
    }
}
