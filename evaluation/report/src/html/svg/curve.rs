//! A small curve in a cell.

use maud::{Markup, html};

use super::at;

const SIZE: [f64; 2] = [96.0, 24.0];

/// A curve between 0 (or its least value, where that is below) and its largest. Gaps stay open.
pub(in crate::html) fn curve(values: &[Option<f64>], name: &str) -> Markup {
    let known = || values.iter().flatten().copied().filter(|v| v.is_finite());
    let (low, high) = (known().fold(0.0, f64::min), known().fold(0.0, f64::max));
    let span = if high > low { high - low } else { 1.0 };
    let mut path = String::new();
    let mut pen = "M";
    for (i, value) in values.iter().enumerate() {
        let Some(value) = value.filter(|v| v.is_finite()) else {
            pen = "M";
            continue;
        };
        let x = 2.0 + (SIZE[0] - 4.0) * i as f64 / (values.len().max(2) - 1) as f64;
        let y = SIZE[1] - 2.0 - (SIZE[1] - 4.0) * (value - low) / span;
        path.push_str(&format!("{pen}{x:.1} {y:.1}"));
        pen = "L";
    }
    html! {
        svg.curve viewBox={ "0 0 " (SIZE[0]) " " (SIZE[1]) } role="img" aria-label={ "curve of " (name) } {
            line.rail x1="2" x2=(at(SIZE[0] - 2.0)) y1=(at(SIZE[1] - 2.0)) y2=(at(SIZE[1] - 2.0)) {}
            path.line d=(path) {}
        }
    }
}
