//! Charts as inline SVG.

use std::fmt::Write as _;

use super::escape;

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 230.0;
/// Room for labels: left, top, right, bottom.
const EDGES: [f64; 4] = [52.0, 30.0, 14.0, 38.0];

/// A line over whole numbers 0, 1, 2 …, with an optional band around it.
pub(super) struct Chart<'a> {
    pub title: &'a str,
    pub x: &'a str,
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
    pub(super) fn draw(&self) -> String {
        let ticks = self.ticks();
        let (Some(low), Some(high)) = (ticks.first(), ticks.last()) else { return String::new() };
        let scale = Scale { x_last: (self.line.len().max(2) - 1) as f64, y: (*low, *high) };
        let mut out = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0}\">\
             <text class=\"chart-title\" x=\"0\" y=\"16\">{0}</text>",
            escape(self.title)
        );
        for tick in &ticks {
            let (y, left, right) = (scale.y(*tick), EDGES[0], WIDTH - EDGES[2]);
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 8.0,
                y + 4.0,
                label(*tick, &ticks)
            );
        }
        for x in whole_ticks(self.line.len().saturating_sub(1)) {
            let _ = write!(
                out,
                "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{x}</text>",
                scale.x(x as f64),
                HEIGHT - EDGES[3] + 16.0
            );
        }
        let _ = write!(
            out,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            (EDGES[0] + WIDTH - EDGES[2]) / 2.0,
            HEIGHT - 4.0,
            escape(self.x)
        );
        if let Some(band) = self.band {
            let above = band.iter().enumerate().map(|(x, (_, high))| (x as f64, *high));
            let below = band.iter().enumerate().rev().map(|(x, (low, _))| (x as f64, *low));
            let points: Vec<String> =
                above.chain(below).map(|(x, y)| format!("{:.1},{:.1}", scale.x(x), scale.y(y))).collect();
            let _ = write!(out, "<polygon class=\"band\" points=\"{}\"/>", points.join(" "));
        }
        let _ = write!(out, "<path class=\"line\" d=\"{}\"/></svg>", self.path(&scale));
        out
    }

    fn path(&self, scale: &Scale) -> String {
        let mut path = String::new();
        for (x, y) in self.line.iter().enumerate() {
            let (px, py) = (scale.x(x as f64), scale.y(*y));
            let _ = match x {
                0 => write!(path, "M{px:.1} {py:.1}"),
                _ if self.stairs => write!(path, "H{px:.1}V{py:.1}"),
                _ => write!(path, "L{px:.1} {py:.1}"),
            };
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

/// A tick's number with as many decimals as tell it from its neighbours.
fn label(tick: f64, ticks: &[f64]) -> String {
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

/// A bar from `low` to `high` on a scale of 0 to 100, a dot at `value`, and a tick where the paper's figure lies.
pub(super) fn interval_bar(value: f64, low: f64, high: f64, paper: Option<f64>) -> String {
    let at = |v: f64| 2.0 + 96.0 * v.clamp(0.0, 100.0) / 100.0;
    let mut out = String::from(
        "<svg class=\"bar\" viewBox=\"0 0 100 12\"><line class=\"rail\" x1=\"2\" x2=\"98\" y1=\"6\" y2=\"6\"/>",
    );
    let _ = write!(out, "<line class=\"span\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"6\" y2=\"6\"/>", at(low), at(high));
    if let Some(paper) = paper {
        let _ = write!(out, "<line class=\"paper-mark\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"1\" y2=\"11\"/>", at(paper));
    }
    let _ = write!(out, "<circle class=\"dot\" cx=\"{:.1}\" cy=\"6\" r=\"2.6\"/></svg>", at(value));
    out
}

/// Counts of true class (rows) against predicted class (columns), darker where there are more of a row.
pub(super) fn confusion(title: &str, classes: &[String], counts: &[Vec<usize>]) -> String {
    const CELL: f64 = 34.0;
    let longest = classes.iter().map(|c| c.chars().count()).max().unwrap_or(0).min(14) as f64;
    let (left, top) = (14.0 + 7.0 * longest, 44.0 + 5.2 * longest);
    let side = CELL * classes.len() as f64;
    let mut out = format!(
        "<svg class=\"confusion\" viewBox=\"0 0 {:.0} {:.0}\" width=\"{0:.0}\" role=\"img\" aria-label=\"{2}\">\
         <text class=\"chart-title\" x=\"0\" y=\"16\">{2}</text>",
        left + side + 40.0,
        top + side + 6.0,
        escape(title)
    );
    for (i, class) in classes.iter().enumerate() {
        let name = escape(&class.chars().take(14).collect::<String>());
        let middle = CELL * (i as f64 + 0.5);
        let (x, y) = (left + middle, top + middle);
        let _ = write!(
            out,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>\
             <text class=\"tick\" transform=\"translate({:.1} {:.1}) rotate(-45)\">{name}</text>",
            left - 8.0,
            y + 4.0,
            x,
            top - 8.0
        );
    }
    for (row, counts) in counts.iter().enumerate() {
        let total = counts.iter().sum::<usize>().max(1);
        for (column, count) in counts.iter().enumerate() {
            let share = *count as f64 / total as f64;
            let kind = if row == column { "kept" } else { "lost" };
            let (x, y) = (left + CELL * column as f64, top + CELL * row as f64);
            let _ = write!(
                out,
                "<rect class=\"{kind}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{0}\" height=\"{0}\" fill-opacity=\"{1:.2}\"/>",
                CELL - 2.0,
                if *count == 0 { 0.04 } else { 0.12 + 0.78 * share }
            );
            if *count > 0 {
                let ink = if share > 0.55 { "on-dark" } else { "on-light" };
                let _ = write!(
                    out,
                    "<text class=\"{ink}\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{count}</text>",
                    x + CELL / 2.0 - 1.0,
                    y + CELL / 2.0 + 3.5
                );
            }
        }
    }
    out.push_str("</svg>");
    out
}
