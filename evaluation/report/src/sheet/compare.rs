//! Originals, each beside the images that the search made of it for several targets.

use fmr_data::pixels::{PixelError, encode_png};
use image::RgbImage;

use super::canvas::{Canvas, Face, picture};
use super::{FAINT, GAP, HAIRLINE, INK, LINE, MARGIN, PAPER, RIGHT, WRONG};
use crate::render::label;
use crate::select::changed;
use crate::side_by_side::{SideBySide, heading};
use crate::{ReportError, Results};

/// Wanted side of an image.
const SIDE: u32 = 128;
/// Space between rows of images.
const BETWEEN: u32 = 14;

/// The picture of a group of rows as PNG: a line for each sample, with the class as the caption of the original and the class
/// that the target sees as the caption of each final image.
pub(crate) fn comparison(results: &Results<'_>, group: &SideBySide<'_>, title: &str) -> Result<Vec<u8>, ReportError> {
    let mut lines = Vec::new();
    for at in &group.samples {
        lines.push(tiles(results, group, *at)?);
    }
    let picture = draw(group, &lines, title);
    let id = group.rows.first().map(|row| row.plan.id.clone()).unwrap_or_default();
    encode_png(&picture).map_err(|problem| ReportError::Image { row: id, index: 0, problem })
}

/// An image with its caption.
struct Tile {
    picture: RgbImage,
    caption: String,
    /// Whether the caption is the true class.
    right: bool,
    /// Whether the search turned the target from right to wrong.
    changed: bool,
}

fn tiles(results: &Results<'_>, group: &SideBySide<'_>, at: usize) -> Result<Vec<Tile>, ReportError> {
    let mut tiles = Vec::new();
    for row in &group.rows {
        let record = &row.records[at];
        let images = results.images(row, record.index)?;
        let shown = |image: &ndarray::Array3<f32>| {
            picture(image.view(), SIDE).ok_or_else(|| ReportError::Image {
                row: row.plan.id.clone(),
                index: record.index,
                problem: PixelError::Channels(image.dim().0),
            })
        };
        let class = label(&row.plan.class(record.label)).into_owned();
        if tiles.is_empty() {
            tiles.push(Tile { picture: shown(&images.original)?, caption: class.clone(), right: true, changed: false });
        }
        let caption = label(&row.plan.class(record.final_prediction)).into_owned();
        let right = caption == class;
        tiles.push(Tile { picture: shown(&images.final_image)?, caption, right, changed: changed(record) });
    }
    Ok(tiles)
}

fn draw(group: &SideBySide<'_>, lines: &[Vec<Tile>], title: &str) -> RgbImage {
    let all = || lines.iter().flatten();
    let side = |of: fn(&RgbImage) -> u32| all().map(|tile| of(&tile.picture)).max().unwrap_or(SIDE).max(SIDE);
    let [width, height] = [side(RgbImage::width), side(RgbImage::height)];
    let columns = group.rows.len() as u32 + 1;
    let top = MARGIN + 34 + 2 * LINE;
    let line_height = height + 6 + LINE + BETWEEN;
    let size = [
        (2 * MARGIN + columns * (width + GAP) - GAP).max(760),
        top + LINE + 6 + lines.len() as u32 * line_height - BETWEEN.min(line_height) + MARGIN,
    ];
    let mut canvas = Canvas::new(size[0], size[1], PAPER);
    let room = size[0] - 2 * MARGIN;
    canvas.text(MARGIN, MARGIN, &Face::TITLE.fit(&label(title), room), Face::TITLE, INK);
    let x = canvas.text(
        MARGIN,
        MARGIN + 34,
        "under each image, the class of the original or the one the target sees: ",
        Face::PLAIN,
        FAINT,
    );
    let x = canvas.text(x, MARGIN + 34, "right", Face::PLAIN, RIGHT);
    let x = canvas.text(x, MARGIN + 34, ", ", Face::PLAIN, FAINT);
    canvas.text(x, MARGIN + 34, "wrong", Face::BOLD, WRONG);
    let headings = std::iter::once("original").chain(group.rows.iter().map(|row| heading(&row.plan)));
    for (column, text) in (0u32..).zip(headings) {
        let x = MARGIN + column * (width + GAP);
        canvas.text(x, top, &Face::PLAIN.fit(&label(text), width), Face::PLAIN, FAINT);
    }
    for (i, line) in (0u32..).zip(lines) {
        let y = top + LINE + 6 + i * line_height;
        for (column, tile) in (0u32..).zip(line) {
            let x = MARGIN + column * (width + GAP);
            canvas.picture(x, y, &tile.picture);
            let [w, h] = [tile.picture.width(), tile.picture.height()];
            let (thick, ink) = if tile.changed { (2, WRONG) } else { (1, HAIRLINE) };
            canvas.frame([x, y, w, h], thick, ink);
            let (face, ink) = match (column, tile.right) {
                (0, _) => (Face::BOLD, INK),
                (_, true) => (Face::PLAIN, RIGHT),
                (_, false) => (Face::BOLD, WRONG),
            };
            canvas.text(x, y + height + 6, &face.fit(&tile.caption, width), face, ink);
        }
    }
    canvas.image
}
