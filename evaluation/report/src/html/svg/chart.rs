//! A line over whole numbers 0, 1, 2 …, with an optional band around it.

use maud::{Markup, html};

use super::at;

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 200.0;
/// Room for labels: left, top, right, bottom.
const EDGES: [f64; 4] = [48.0, 10.0, 14.0, 24.0];

/// What is drawn.
pub(in crate::html) struct Chart<'a> {
    /// Value at each x.
    pub line: &'a [f64],
    /// Lower and upper value at each x.
    pub band: Option<&'a [(f64, f64)]>,
    /// Smallest and largest y where they are fixed; else from the values.
    pub range: Option<(f64, f64)>,
    /// Whether the line is a staircase.
    pub stairs: bool,
}

/// From values to places on the page.
struct Scale {
    x_last: f64,
    y: (f64, f64),
}

impl Scale {
    fn x(&self, x: f64) -> f64 {
        EDGES[0] + (WIDTH - EDGES[0] - EDGES[2]) * x / self.x_last
    }

    fn y(&self, y: f64) -> f64 {
        let (low, high) = self.y;
        HEIGHT - EDGES[3] - (HEIGHT - EDGES[1] - EDGES[3]) * (y - low) / (high - low)
    }
}

impl Chart<'_> {
    /// The chart as a picture that `name` describes.
    pub(in crate::html) fn draw(&self, name: &str) -> Markup {
        let ticks = self.ticks();
        let (Some(low), Some(high)) = (ticks.first(), ticks.last()) else { return html! {} };
        let scale = Scale { x_last: (self.line.len().max(2) - 1) as f64, y: (*low, *high) };
        html! {
            svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(name) {
                @for tick in &ticks {
                    @let y = scale.y(*tick);
                    line.grid x1=(at(EDGES[0])) x2=(at(WIDTH - EDGES[2])) y1=(at(y)) y2=(at(y)) {}
                    text.tick x=(at(EDGES[0] - 8.0)) y=(at(y + 4.0)) text-anchor="end" { (number(*tick, &ticks)) }
                }
                @for x in whole_ticks(self.line.len().saturating_sub(1)) {
                    text.tick x=(at(scale.x(x as f64))) y=(at(HEIGHT - 6.0)) text-anchor="middle" { (x) }
                }
                @if let Some(band) = self.band { polygon.band points=(band_points(band, &scale)) {} }
                path.line d=(self.path(&scale)) {}
            }
        }
    }

    fn path(&self, scale: &Scale) -> String {
        let mut path = String::new();
        for (x, y) in self.line.iter().enumerate() {
            let (px, py) = (scale.x(x as f64), scale.y(*y));
            path.push_str(&match x {
                0 => format!("M{px:.1} {py:.1}"),
                _ if self.stairs => format!("H{px:.1}V{py:.1}"),
                _ => format!("L{px:.1} {py:.1}"),
            });
        }
        path
    }

    /// Round values that enclose all that is drawn.
    fn ticks(&self) -> Vec<f64> {
        let (low, high) = self.range.unwrap_or_else(|| {
            let band = self.band.into_iter().flatten().flat_map(|(low, high)| [*low, *high]);
            let values = || self.line.iter().copied().chain(band.clone()).filter(|v| v.is_finite());
            (values().fold(0.0, f64::min), values().fold(0.0, f64::max))
        });
        let span = if high > low { high - low } else { 1.0 };
        let magnitude = 10f64.powf((span / 4.0).log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * magnitude).into_iter().find(|s| span / s <= 5.0);
        let step = step.unwrap_or(span);
        let (first, last) = ((low / step).floor() as i64, ((low + span) / step - 1e-9).ceil() as i64);
        (first..=last).map(|k| k as f64 * step).collect()
    }
}

fn band_points(band: &[(f64, f64)], scale: &Scale) -> String {
    let above = band.iter().enumerate().map(|(x, (_, high))| (x as f64, *high));
    let below = band.iter().enumerate().rev().map(|(x, (low, _))| (x as f64, *low));
    let points = above.chain(below).map(|(x, y)| format!("{:.1},{:.1}", scale.x(x), scale.y(y)));
    points.collect::<Vec<_>>().join(" ")
}

/// A tick's number with as many decimals as tell it from its neighbours.
fn number(tick: f64, ticks: &[f64]) -> String {
    let step = ticks.get(1).zip(ticks.first()).map_or(1.0, |(b, a)| b - a);
    let digits = (0..6).find(|d| {
        let scaled = step * 10f64.powi(*d);
        (scaled - scaled.round()).abs() < 1e-6
    });
    format!("{tick:.0$}", digits.unwrap_or(6) as usize)
}

/// About six whole numbers from 0 to `last`.
fn whole_ticks(last: usize) -> Vec<usize> {
    let step = [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500].into_iter().find(|s| last / s <= 6).unwrap_or(1000);
    (0..=last).step_by(step).collect()
}
