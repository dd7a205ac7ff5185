//! The contact sheet: original, reconstruction and final image of some samples, with what was seen in them.

pub(crate) mod canvas;
mod compare;

pub(crate) use self::compare::comparison;

use fmr_core::SampleRecord;
use fmr_data::pixels::{PixelError, encode_png};
use fmr_store::{RowPlan, SampleImages};
use image::RgbImage;

use self::canvas::{Canvas, Colour, Face, picture};
use crate::render::label;
use crate::select::{changed, select_samples};
use crate::words::ending;
use crate::{ReportError, Results, RowResults};

const PAPER: Colour = [255, 255, 255];
const INK: Colour = [32, 36, 41];
const FAINT: Colour = [118, 125, 134];
const HAIRLINE: Colour = [222, 226, 231];
const RIGHT: Colour = [26, 115, 78];
const WRONG: Colour = [192, 40, 40];

/// Space around everything.
const MARGIN: u32 = 36;
/// Space between images of a sample.
const GAP: u32 = 10;
/// Space between columns and between rows of samples.
const BETWEEN: [u32; 2] = [48, 26];
/// Height of a line of text.
const LINE: u32 = 20;
/// Room at the left of a sample's images for "target" and "oracle".
const GUTTER: u32 = 58;
/// Wanted side of an image; wide enough for the word "reconstruction".
const SIDE: u32 = 112;
/// Room for the headings of the columns.
const HEADINGS: u32 = LINE + 10;
/// Columns are added up to this width.
const WIDEST: u32 = 1560;

/// What a contact sheet shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetOptions {
    /// Most samples.
    pub samples: usize,
    /// A line under the title: the setting.
    pub subtitle: String,
}

impl Default for SheetOptions {
    fn default() -> Self {
        Self { samples: 24, subtitle: String::new() }
    }
}

/// The contact sheet of a row as PNG.
///
/// # Errors
/// The run cannot be read, or an image is neither grey nor RGB.
pub fn contact_sheet(results: &Results<'_>, row: &RowResults, options: &SheetOptions) -> Result<Vec<u8>, ReportError> {
    let (plan, records) = (&row.plan, &row.records);
    let mut shown = Vec::new();
    for at in select_samples(records, options.samples) {
        let record = &records[at];
        shown.push(Shown::of(record, &results.images(row, record.index)?, plan)?);
    }
    let picture = draw(plan, records, &shown, options);
    encode_png(&picture).map_err(|problem| ReportError::Image { row: plan.id.clone(), index: 0, problem })
}

/// One sample, ready to be drawn.
struct Shown<'a> {
    record: &'a SampleRecord,
    pictures: [RgbImage; 3],
}

impl<'a> Shown<'a> {
    fn of(record: &'a SampleRecord, images: &SampleImages, plan: &RowPlan) -> Result<Self, ReportError> {
        let shown = |image: &ndarray::Array3<f32>| {
            picture(image.view(), SIDE).ok_or_else(|| ReportError::Image {
                row: plan.id.clone(),
                index: record.index,
                problem: PixelError::Channels(image.dim().0),
            })
        };
        let pictures = [shown(&images.original)?, shown(&images.reconstruction)?, shown(&images.final_image)?];
        Ok(Self { record, pictures })
    }
}

/// Where things go.
struct Layout {
    tile: [u32; 2],
    columns: u32,
    rows: u32,
    top: u32,
}

impl Layout {
    fn of(shown: &[Shown<'_>]) -> Self {
        let pictures = || shown.iter().flat_map(|s| &s.pictures);
        let tile = [
            pictures().map(RgbImage::width).max().unwrap_or(SIDE).max(SIDE),
            pictures().map(RgbImage::height).max().unwrap_or(SIDE),
        ];
        let mut layout = Self { tile, columns: 1, rows: 0, top: MARGIN + 34 + 4 * LINE };
        let count = u32::try_from(shown.len()).unwrap_or(u32::MAX).max(1);
        let fitting = (WIDEST + BETWEEN[0] - 2 * MARGIN) / (layout.sample_width() + BETWEEN[0]);
        layout.columns = fitting.clamp(1, count);
        layout.rows = count.div_ceil(layout.columns);
        layout
    }

    fn sample_width(&self) -> u32 {
        GUTTER + 3 * self.tile[0] + 2 * GAP
    }

    fn sample_height(&self) -> u32 {
        LINE + 6 + self.tile[1] + 6 + 2 * LINE
    }

    fn size(&self) -> [u32; 2] {
        let width = 2 * MARGIN + self.columns * (self.sample_width() + BETWEEN[0]) - BETWEEN[0];
        let height = self.top + HEADINGS + self.rows * (self.sample_height() + BETWEEN[1]) - BETWEEN[1] + MARGIN;
        [width.max(760), height]
    }

    /// Upper left corner of sample `at`.
    fn corner(&self, at: u32) -> [u32; 2] {
        let (column, row) = (at % self.columns, at / self.columns);
        [
            MARGIN + column * (self.sample_width() + BETWEEN[0]),
            self.top + HEADINGS + row * (self.sample_height() + BETWEEN[1]),
        ]
    }
}

fn draw(plan: &RowPlan, records: &[SampleRecord], shown: &[Shown<'_>], options: &SheetOptions) -> RgbImage {
    let layout = Layout::of(shown);
    let [width, height] = layout.size();
    let mut canvas = Canvas::new(width, height, PAPER);
    header(&mut canvas, plan, records, shown.len(), options);
    for column in 0..layout.columns.min(shown.len() as u32) {
        let x = MARGIN + column * (layout.sample_width() + BETWEEN[0]) + GUTTER;
        for (i, heading) in (0u32..).zip(["original", "reconstruction", "final"]) {
            canvas.text(x + i * (layout.tile[0] + GAP), layout.top, heading, Face::PLAIN, FAINT);
        }
    }
    for (at, sample) in (0u32..).zip(shown) {
        draw_sample(&mut canvas, &layout, layout.corner(at), plan, sample);
    }
    canvas.image
}

fn header(canvas: &mut Canvas, plan: &RowPlan, records: &[SampleRecord], shown: usize, options: &SheetOptions) {
    let room = canvas.image.width() - 2 * MARGIN;
    let mut y = MARGIN;
    canvas.text(MARGIN, y, &Face::TITLE.fit(&label(&plan.title), room), Face::TITLE, INK);
    y += 34;
    canvas.text(MARGIN, y, &Face::PLAIN.fit(&options.subtitle, room), Face::PLAIN, FAINT);
    y += LINE;
    let flipped = records.iter().filter(|r| changed(r)).count();
    let counts = format!(
        "{flipped} of {} images turn the target from right to wrong; {shown} shown, these first, in turn over the classes",
        records.len()
    );
    canvas.text(MARGIN, y, &Face::PLAIN.fit(&counts, room), Face::PLAIN, FAINT);
    y += LINE;
    let x = canvas.text(MARGIN, y, "class seen by target and oracle: ", Face::PLAIN, FAINT);
    let x = canvas.text(x, y, "right", Face::PLAIN, RIGHT);
    let x = canvas.text(x, y, ", ", Face::PLAIN, FAINT);
    canvas.text(x, y, "wrong", Face::BOLD, WRONG);
    canvas.fill([MARGIN, y + LINE + 6, room, 1], HAIRLINE);
}

fn draw_sample(canvas: &mut Canvas, layout: &Layout, [x, y]: [u32; 2], plan: &RowPlan, sample: &Shown<'_>) {
    let record = sample.record;
    let [tile_width, tile_height] = layout.tile;
    let width = layout.sample_width();

    let end = ending(record);
    let end_x = x + width - Face::PLAIN.width(&end);
    let room = end_x.saturating_sub(x + GUTTER + 2 * Face::PLAIN.advance());
    let class = Face::BOLD.fit(&label(&plan.class(record.label)), room);
    let behind = canvas.text(x + GUTTER, y, &class, Face::BOLD, INK);
    canvas.text(end_x, y, &end, Face::PLAIN, FAINT);
    let room = end_x.saturating_sub(behind + 2 * Face::PLAIN.advance());
    if record.key.chars().count() as u32 * Face::PLAIN.advance() <= room {
        canvas.text(behind + Face::PLAIN.advance(), y, &record.key, Face::PLAIN, FAINT);
    }

    let top = y + LINE + 6;
    let below = top + tile_height + 6;
    canvas.text(x, below, "target", Face::PLAIN, FAINT);
    canvas.text(x, below + LINE, "oracle", Face::PLAIN, FAINT);
    let seen = [
        (record.clean_prediction, record.clean_oracle),
        (record.reconstruction_prediction, record.reconstruction_oracle),
        (record.final_prediction, record.final_oracle),
    ];
    for (i, (picture, (target, oracle))) in (0u32..).zip(sample.pictures.iter().zip(seen)) {
        let left = x + GUTTER + i * (tile_width + GAP);
        let at = [left, top, picture.width(), picture.height()];
        canvas.picture(left, top, picture);
        let marked = i == 2 && changed(record);
        canvas.frame(at, if marked { 2 } else { 1 }, if marked { WRONG } else { HAIRLINE });
        for (line, class) in (0u32..).zip([target, oracle]) {
            let right = plan.class(class) == plan.class(record.label);
            let (face, ink) = if right { (Face::PLAIN, RIGHT) } else { (Face::BOLD, WRONG) };
            canvas.text(left, below + line * LINE, &face.fit(&plan.class(class), tile_width), face, ink);
        }
    }
}

#[cfg(test)]
mod tests;
