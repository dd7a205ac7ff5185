//! A plot as PNG, for places that show no SVG.

use fmr_data::pixels::encode_png;

use super::scale::{EDGES, HEIGHT, LEGEND, Scale, WIDTH};
use super::svg::PALETTE;
use super::{Line, Plot};
use crate::ReportError;
use crate::render::label;
use crate::sheet::canvas::{Canvas, Colour, Face};

/// Pixels of a unit of the SVG.
const ZOOM: f64 = 2.0;
const INK: Colour = [32, 36, 41];
const RULE: Colour = [217, 221, 226];
/// Share of a band's colour over what lies below.
const BAND: f64 = 0.15;

impl Plot {
    /// The plot as a PNG of 920 pixels in width.
    ///
    /// # Errors
    /// The picture cannot be encoded.
    pub fn to_png(&self) -> Result<Vec<u8>, ReportError> {
        let (x, y) = (Scale::x(self), Scale::y(self));
        let height = HEIGHT + LEGEND * self.lines.len() as f64 + 4.0;
        let mut canvas = Canvas::new(pixel(WIDTH), pixel(height), [255, 255, 255]);
        let (left, right, bottom) = (EDGES[0], WIDTH - EDGES[2], HEIGHT - EDGES[3]);
        let room = pixel(WIDTH - left);
        canvas.text(pixel(left), pixel(4.0), &Face::BOLD.fit(&label(&self.title), room), Face::BOLD, INK);
        for (value, words) in &y.ticks {
            let place = y.at(*value);
            canvas.fill([pixel(left), pixel(place), pixel(right - left), 1], RULE);
            let width = Face::PLAIN.width(words);
            canvas.text(pixel(left - 6.0).saturating_sub(width), pixel(place - 4.0), words, Face::PLAIN, INK);
        }
        for (value, words) in &x.ticks {
            let place = pixel(x.at(*value));
            canvas.fill([place, pixel(bottom), 1, 8], RULE);
            let half = Face::PLAIN.width(words) / 2;
            canvas.text(place.saturating_sub(half), pixel(bottom + 6.0), words, Face::PLAIN, INK);
        }
        // The font does not turn: the vertical axis is named under its title.
        let words = label(&self.x.label);
        let half = Face::PLAIN.width(&words) / 2;
        canvas.text(pixel((left + right) / 2.0).saturating_sub(half), pixel(bottom + 22.0), &words, Face::PLAIN, INK);
        canvas.text(pixel(left), pixel(15.0), &label(&self.y.label), Face::PLAIN, INK);
        for (index, line) in self.lines.iter().enumerate() {
            band(&mut canvas, line, PALETTE[index % PALETTE.len()], &x, &y);
        }
        for (index, line) in self.lines.iter().enumerate() {
            let colour = PALETTE[index % PALETTE.len()];
            let places: Vec<[f64; 2]> = line.points.iter().map(|p| [x.at(p.x) * ZOOM, y.at(p.y) * ZOOM]).collect();
            for pair in places.windows(2) {
                canvas.stroke(pair[0], pair[1], 2.0, colour);
            }
            if line.points.len() <= 16 {
                places.iter().for_each(|place| canvas.stroke(*place, *place, 6.0, colour));
            }
            let place = (HEIGHT + LEGEND * index as f64) * ZOOM;
            canvas.stroke([left * ZOOM, place], [(left + 22.0) * ZOOM, place], 2.0, colour);
            canvas.text(pixel(left + 30.0), place as u32 - 8, &label(&line.name), Face::PLAIN, INK);
        }
        let image = &canvas.image;
        encode_png(image).map_err(|problem| ReportError::Plot { plot: self.id.clone(), problem })
    }
}

/// Fills between lower and upper ends, column by column.
fn band(canvas: &mut Canvas, line: &Line, colour: Colour, x: &Scale, y: &Scale) {
    for pair in line.points.windows(2) {
        let [from, to] = [&pair[0], &pair[1]].map(|point| x.at(point.x) * ZOOM);
        let [low, high] =
            [[&pair[0], &pair[1]].map(|p| y.at(p.hi) * ZOOM), [&pair[0], &pair[1]].map(|p| y.at(p.lo) * ZOOM)];
        for column in from.round() as u32..to.round() as u32 {
            let share = if to > from { ((f64::from(column) + 0.5 - from) / (to - from)).clamp(0.0, 1.0) } else { 0.0 };
            let between = |ends: [f64; 2]| (ends[0] + (ends[1] - ends[0]) * share).round() as u32;
            for row in between(low)..between(high) {
                canvas.shade(column, row, BAND, colour);
            }
        }
    }
}

fn pixel(units: f64) -> u32 {
    (units * ZOOM).round().max(0.0) as u32
}
