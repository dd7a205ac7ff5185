//! From values to places, and the values that an axis names.

use super::{Axis, Plot, Point};

/// Size of the drawing in units of the SVG; a unit is two pixels of the PNG.
pub(super) const WIDTH: f64 = 460.0;
/// Height of the part above the legend.
pub(super) const HEIGHT: f64 = 260.0;
/// Room for labels: left, top, right, bottom.
pub(super) const EDGES: [f64; 4] = [52.0, 30.0, 16.0, 52.0];
/// Height of a line of the legend.
pub(super) const LEGEND: f64 = 18.0;
/// Share of a logarithmic axis that stays free at each end.
const FREE: f64 = 0.05;

/// One axis of a plot: its ends, as they are laid out, and its ticks.
#[derive(Debug)]
pub(super) struct Scale {
    ends: (f64, f64),
    log: bool,
    places: (f64, f64),
    pub ticks: Vec<(f64, String)>,
}

impl Scale {
    pub(super) fn x(plot: &Plot) -> Self {
        Self::of(&plot.x, plot.points().map(|point| point.x), (EDGES[0], WIDTH - EDGES[2]))
    }

    pub(super) fn y(plot: &Plot) -> Self {
        let values = plot.points().flat_map(|point: &Point| [point.lo, point.y, point.hi]);
        Self::of(&plot.y, values, (HEIGHT - EDGES[3], EDGES[1]))
    }

    fn of(axis: &Axis, values: impl Iterator<Item = f64>, places: (f64, f64)) -> Self {
        let usable = |value: &f64| value.is_finite() && (!axis.log || *value > 0.0);
        let mut values: Vec<f64> = values.filter(usable).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let (low, high) = match (values.first(), values.last()) {
            (Some(low), Some(high)) => (*low, *high),
            _ => (1.0, 1.0),
        };
        if axis.log {
            let (low, high) = axis.range.unwrap_or((low, high));
            let (low, high) = (low.log10(), high.log10());
            let free = if high > low { FREE * (high - low) } else { 0.5 };
            // The values that were measured are what a reader looks for.
            let ticks = thinned(&values).into_iter().map(|value| (value, short(value))).collect();
            return Self { ends: (low - free, high + free), log: true, places, ticks };
        }
        let (low, high) = axis.range.unwrap_or((low.min(0.0), high));
        let span = if high > low { high - low } else { 1.0 };
        let step = step(span);
        let (first, last) = ((low / step).floor() as i64, ((low + span) / step - 1e-9).ceil() as i64);
        let ticks: Vec<(f64, String)> = (first..=last).map(|k| (k as f64 * step, short(k as f64 * step))).collect();
        Self { ends: (first as f64 * step, last as f64 * step), log: false, places, ticks }
    }

    /// Place of a value, within the plot.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = if self.log { value.log10() } else { value };
        let (low, high) = self.ends;
        let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
        self.places.0 + (self.places.1 - self.places.0) * share
    }
}

/// A round step of which at most five fill `span`.
fn step(span: f64) -> f64 {
    let magnitude = 10f64.powf((span / 4.0).log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * magnitude);
    steps.into_iter().find(|step| span / step <= 5.0).unwrap_or(span)
}

/// At most eight of the values, with both ends.
fn thinned(values: &[f64]) -> Vec<f64> {
    let every = values.len().div_ceil(8).max(1);
    let mut kept: Vec<f64> = values.iter().copied().step_by(every).collect();
    if let (Some(last), Some(kept)) = (values.last(), kept.last_mut()) {
        *kept = *last;
    }
    kept
}

/// A number without digits that say nothing.
fn short(value: f64) -> String {
    let rounded = format!("{value:.6}");
    let rounded = rounded.trim_end_matches('0').trim_end_matches('.');
    match rounded {
        "0" | "-0" if value != 0.0 && value.abs() < 1e-6 => format!("{value:.0e}"),
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 0.001, 100.0, 2.5, -0.0, 1e-9, 0.30000000000000004].map(short);
        assert_eq!(texts, ["0", "0.001", "100", "2.5", "0", "1e-9", "0.3"]);
    }

    #[test]
    fn ends_hold_all_values_and_ticks() {
        for (log, values) in [(false, vec![3.0, 71.0]), (true, vec![0.001, 0.01]), (true, vec![0.5]), (false, vec![])] {
            let axis = Axis { log, ..Axis::default() };
            let scale = Scale::of(&axis, values.iter().copied(), (10.0, 90.0));
            for value in values.into_iter().chain(scale.ticks.iter().map(|tick| tick.0)) {
                assert!((10.0..=90.0).contains(&scale.at(value)), "{value} {scale:?}");
            }
        }
        assert_eq!(thinned(&(0..20).map(f64::from).collect::<Vec<_>>()).last(), Some(&19.0));
    }
}
