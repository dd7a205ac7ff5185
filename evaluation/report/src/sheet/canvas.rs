//! A picture to draw rectangles, images and anti-aliased text on.

use image::{Rgb, RgbImage};
use ndarray::ArrayView3;
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

use fmr_data::pixels::to_u8;

/// A colour, as in CSS.
pub(crate) type Colour = [u8; 3];

/// Size and weight of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Face {
    pub weight: FontWeight,
    pub height: RasterHeight,
}

impl Face {
    pub(crate) const PLAIN: Self = Self { weight: FontWeight::Regular, height: RasterHeight::Size16 };
    pub(crate) const BOLD: Self = Self { weight: FontWeight::Bold, height: RasterHeight::Size16 };
    pub(crate) const TITLE: Self = Self { weight: FontWeight::Bold, height: RasterHeight::Size24 };

    /// Width of a character: all are equally wide.
    pub(crate) fn advance(self) -> u32 {
        get_raster_width(self.weight, self.height) as u32
    }

    /// Width of a text.
    pub(crate) fn width(self, text: &str) -> u32 {
        self.advance() * text.chars().count() as u32
    }

    /// The text, or as much of it as fits `width` with an ellipsis.
    pub(crate) fn fit(self, text: &str, width: u32) -> String {
        let room = (width / self.advance()) as usize;
        if text.chars().count() <= room {
            return text.to_owned();
        }
        // The font has no "…".
        let start: String = text.chars().take(room.saturating_sub(2)).collect();
        format!("{}..", start.trim_end())
    }
}

#[derive(Debug)]
pub(crate) struct Canvas {
    pub image: RgbImage,
}

impl Canvas {
    pub(crate) fn new(width: u32, height: u32, background: Colour) -> Self {
        Self { image: RgbImage::from_pixel(width, height, Rgb(background)) }
    }

    fn put(&mut self, x: u32, y: u32, colour: Colour) {
        if let Some(pixel) = self.image.get_pixel_mut_checked(x, y) {
            pixel.0 = colour;
        }
    }

    /// A filled rectangle.
    pub(crate) fn fill(&mut self, [x, y, w, h]: [u32; 4], colour: Colour) {
        for y in y..y + h {
            for x in x..x + w {
                self.put(x, y, colour);
            }
        }
    }

    /// A frame of `thick` pixels around (outside) a rectangle.
    pub(crate) fn frame(&mut self, [x, y, w, h]: [u32; 4], thick: u32, colour: Colour) {
        let (left, top) = (x.saturating_sub(thick), y.saturating_sub(thick));
        self.fill([left, top, w + 2 * thick, thick], colour);
        self.fill([left, y + h, w + 2 * thick, thick], colour);
        self.fill([left, y, thick, h], colour);
        self.fill([x + w, y, thick, h], colour);
    }

    /// Text with its upper left corner at (x, y); characters that the font lacks become `?`. Gives the x behind it.
    pub(crate) fn text(&mut self, x: u32, y: u32, text: &str, face: Face, ink: Colour) -> u32 {
        let mut at = x;
        for c in text.chars() {
            let glyph = get_raster(c, face.weight, face.height).or_else(|| get_raster('?', face.weight, face.height));
            for (dy, row) in glyph.iter().flat_map(|glyph| glyph.rows()).enumerate() {
                for (dx, cover) in row.iter().enumerate().filter(|(_, cover)| **cover > 0) {
                    self.blend(at + dx as u32, y + dy as u32, *cover, ink);
                }
            }
            at += face.advance();
        }
        at
    }

    fn blend(&mut self, x: u32, y: u32, cover: u8, ink: Colour) {
        if let Some(pixel) = self.image.get_pixel_mut_checked(x, y) {
            for (below, ink) in pixel.0.iter_mut().zip(ink) {
                let (cover, rest) = (u32::from(cover), 255 - u32::from(cover));
                *below = ((u32::from(ink) * cover + u32::from(*below) * rest + 127) / 255) as u8;
            }
        }
    }

    /// A line with round ends from one place to another, `radius` to each side; a disc where both are one place.
    pub(crate) fn stroke(&mut self, from: [f64; 2], to: [f64; 2], radius: f64, ink: Colour) {
        let range = |axis: usize| {
            let (low, high) = (from[axis].min(to[axis]) - radius - 1.0, from[axis].max(to[axis]) + radius + 1.0);
            low.max(0.0) as u32..high.max(0.0) as u32 + 1
        };
        let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
        let length = dx * dx + dy * dy;
        for y in range(1) {
            for x in range(0) {
                let [px, py] = [f64::from(x) + 0.5 - from[0], f64::from(y) + 0.5 - from[1]];
                let along = if length > 0.0 { ((px * dx + py * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
                let distance = (px - along * dx).hypot(py - along * dy);
                self.shade(x, y, radius + 0.5 - distance, ink);
            }
        }
    }

    /// Lays a share (0 to 1) of a colour over a pixel.
    pub(crate) fn shade(&mut self, x: u32, y: u32, share: f64, ink: Colour) {
        self.blend(x, y, (255.0 * share.clamp(0.0, 1.0)).round() as u8, ink);
    }

    /// A picture with its upper left corner at (x, y).
    pub(crate) fn picture(&mut self, x: u32, y: u32, picture: &RgbImage) {
        image::imageops::replace(&mut self.image, picture, i64::from(x), i64::from(y));
    }
}

/// An image `[c, h, w]` in [0, 1], grey or RGB, as a picture whose longer side is near `wanted`: small ones are enlarged
/// by a whole factor without smoothing, so that every pixel shows; large ones are shrunk.
pub(crate) fn picture(image: ArrayView3<'_, f32>, wanted: u32) -> Option<RgbImage> {
    let (channels, height, width) = image.dim();
    if !matches!(channels, 1 | 3) || height == 0 || width == 0 {
        return None;
    }
    let (w, h) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    let exact = RgbImage::from_fn(w, h, |x, y| {
        Rgb([0, 1, 2].map(|c: usize| to_u8(image[[c.min(channels - 1), y as usize, x as usize]])))
    });
    let side = w.max(h);
    let factor = ((f64::from(wanted) / f64::from(side)).round() as u32).max(1);
    if factor > 1 {
        return Some(image::imageops::resize(&exact, w * factor, h * factor, image::imageops::FilterType::Nearest));
    }
    if side <= 2 * wanted {
        return Some(exact);
    }
    let shrink = f64::from(2 * wanted) / f64::from(side);
    let shrunk = |n: u32| ((f64::from(n) * shrink).round() as u32).max(1);
    Some(image::imageops::resize(&exact, shrunk(w), shrunk(h), image::imageops::FilterType::Triangle))
}
