//! Pictures as inline SVG.

mod bar;
mod chart;
mod confusion;
mod curve;
mod heat;

pub(super) use self::bar::bar;
pub(super) use self::chart::Chart;
pub(super) use self::confusion::confusion;
pub(super) use self::curve::curve;
pub(super) use self::heat::{HeatRow, heat};

/// A place in a picture, to a tenth of a unit.
fn at(value: f64) -> String {
    format!("{value:.1}")
}
