//! A plot as SVG: on a page, and as a file of its own.

use maud::{Markup, html};

use super::scale::{EDGES, HEIGHT, LEGEND, Scale, WIDTH};
use super::{Line, Plot, Point};
use crate::render::label;

/// Colours that people of all colour visions tell apart (Okabe and Ito, darkened for thin lines).
pub(crate) const PALETTE: [[u8; 3]; 7] =
    [[0, 98, 160], [196, 78, 0], [0, 128, 94], [168, 88, 136], [120, 108, 0], [48, 144, 190], [60, 60, 60]];
const INK: &str = "#202429";
const RULE: &str = "#d9dde2";

impl Plot {
    /// The plot as a file of its own, on white.
    pub fn to_svg(&self) -> String {
        self.markup().into_string()
    }

    /// The plot for a page.
    pub(crate) fn markup(&self) -> Markup {
        let (x, y) = (Scale::x(self), Scale::y(self));
        let height = HEIGHT + LEGEND * self.lines.len() as f64;
        let (left, right) = (EDGES[0], WIDTH - EDGES[2]);
        let (top, bottom) = (EDGES[1], HEIGHT - EDGES[3]);
        html! {
            svg.plot xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (at(WIDTH)) " " (at(height)) } role="img"
                aria-label=(label(&self.title)) font-family="system-ui, sans-serif" font-size="12" {
                rect width=(at(WIDTH)) height=(at(height)) fill="#fff" {}
                text x=(at(left)) y="16" font-weight="600" fill=(INK) { (label(&self.title)) }
                @for (value, words) in &y.ticks {
                    @let place = y.at(*value);
                    line x1=(at(left)) x2=(at(right)) y1=(at(place)) y2=(at(place)) stroke=(RULE) {}
                    text x=(at(left - 8.0)) y=(at(place + 4.0)) text-anchor="end" fill=(INK) { (words) }
                }
                @for (value, words) in &x.ticks {
                    @let place = x.at(*value);
                    line x1=(at(place)) x2=(at(place)) y1=(at(bottom)) y2=(at(bottom + 4.0)) stroke=(RULE) {}
                    text x=(at(place)) y=(at(bottom + 17.0)) text-anchor="middle" fill=(INK) { (words) }
                }
                text x=(at((left + right) / 2.0)) y=(at(bottom + 34.0)) text-anchor="middle" fill=(INK) {
                    (label(&self.x.label))
                }
                text transform={ "translate(13 " (at((top + bottom) / 2.0)) ") rotate(-90)" } text-anchor="middle"
                    fill=(INK) { (label(&self.y.label)) }
                @for (index, line) in self.lines.iter().enumerate() { (band(line, index, &x, &y)) }
                @for (index, line) in self.lines.iter().enumerate() {
                    (drawn(line, index, &x, &y))
                    @let place = HEIGHT + LEGEND * index as f64;
                    line x1=(at(left)) x2=(at(left + 22.0)) y1=(at(place)) y2=(at(place))
                        stroke=(colour(index)) stroke-width="2" stroke-dasharray=[dashes(index)] {}
                    (mark(index, left + 11.0, place))
                    text x=(at(left + 30.0)) y=(at(place + 4.0)) fill=(INK) { (label(&line.name)) }
                }
            }
        }
    }
}

fn band(line: &Line, index: usize, x: &Scale, y: &Scale) -> Markup {
    let corner = |point: &Point, value: f64| format!("{},{}", at(x.at(point.x)), at(y.at(value)));
    let above = line.points.iter().map(|point| corner(point, point.hi));
    let below = line.points.iter().rev().map(|point| corner(point, point.lo));
    let points: Vec<String> = above.chain(below).collect();
    html! {
        @if line.points.len() > 1 {
            polygon points=(points.join(" ")) fill=(colour(index)) fill-opacity="0.13" {}
        }
    }
}

fn drawn(line: &Line, index: usize, x: &Scale, y: &Scale) -> Markup {
    let places: Vec<String> = line.points.iter().map(|p| format!("{},{}", at(x.at(p.x)), at(y.at(p.y)))).collect();
    // Marks would hide a line of many points.
    let marked = line.points.len() <= 16;
    html! {
        polyline points=(places.join(" ")) fill="none" stroke=(colour(index)) stroke-width="2" stroke-linejoin="round"
            stroke-dasharray=[dashes(index)] {}
        @if marked { @for point in &line.points { (mark(index, x.at(point.x), y.at(point.y))) } }
    }
}

/// Circle, square or triangle, so that a line is known without its colour.
fn mark(index: usize, x: f64, y: f64) -> Markup {
    let fill = colour(index);
    html! {
        @match index % 3 {
            0 => circle cx=(at(x)) cy=(at(y)) r="3.4" fill=(fill) {},
            1 => rect x=(at(x - 3.2)) y=(at(y - 3.2)) width="6.4" height="6.4" fill=(fill) {},
            _ => path d={ "M" (at(x)) " " (at(y - 4.2)) "L" (at(x + 4.0)) " " (at(y + 3.2)) "H" (at(x - 4.0)) "Z" } fill=(fill) {},
        }
    }
}

fn colour(index: usize) -> String {
    let [r, g, b] = PALETTE[index % PALETTE.len()];
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Lines beyond the palette are dashed.
fn dashes(index: usize) -> Option<&'static str> {
    (index >= PALETTE.len()).then_some("6 3")
}

/// A place, to a tenth of a unit.
fn at(value: f64) -> String {
    format!("{value:.1}")
}
