//! Encoded pictures as 8-bit RGB, value for value what Pillow's `Image.open(file).convert("RGB")` gives: that is what the
//! published accuracy of a model was measured on. What Pillow refuses is refused, and a few kinds that its versions read
//! differently.
//!
//! The format is told by the first bytes, never by the file's name. An orientation in EXIF data is ignored, as
//! `convert` ignores it, but for TIFF, where Pillow applies it while it loads.

mod header;
mod jpeg;
mod raster;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
mod tiff;

use std::sync::{Mutex, MutexGuard, PoisonError};

use image::ImageFormat;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Endings of the names of pictures, in lower case.
pub(crate) const ENDINGS: [&str; 15] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "gif", "tif", "tiff", "ppm", "pgm", "pbm", "pnm"];

/// Whose pixels a JPEG has. Which files are refused does not depend on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JpegPixels {
    /// libjpeg-turbo's, which are Pillow's: those that published accuracies were measured on.
    #[default]
    Pillow,
    /// The `image` crate's, which versions before 0.2 had.
    Image,
}

/// How large a picture may be, and how it is decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Most pixels that a picture may declare.
    pub(crate) pixels: u64,
    /// Whose pixels a JPEG has.
    pub(crate) jpeg: JpegPixels,
}

impl Limits {
    /// Most bytes of an encoded picture: one for each pixel.
    pub(crate) fn encoded(self) -> u64 {
        self.pixels
    }

    /// Most bytes that a container of many pictures may unpack to.
    pub(crate) fn container(self) -> u64 {
        self.pixels.saturating_mul(8)
    }

    /// Most bytes that a picture may unpack to: four for each pixel.
    fn unpacked(self) -> u64 {
        self.pixels.saturating_mul(4)
    }

    /// Lets a picture of the declared size be unpacked. Large ones are unpacked one at a time, while the turn is held, so
    /// that memory does not grow with the number of threads.
    fn admit(self, width: u64, height: u64, bytes_per_pixel: u64) -> Result<Turn, Refusal> {
        static LARGE: Mutex<()> = Mutex::new(());
        let pixels = width.saturating_mul(height);
        if pixels > self.pixels || pixels.saturating_mul(bytes_per_pixel) > self.unpacked() {
            return Err(Refusal::TooLarge { width, height, most: self.pixels });
        }
        match pixels {
            0 => Err(Refusal::Damaged("declares no pixels".to_owned())),
            1..MANY_PIXELS => Ok(None),
            _ => Ok(Some(LARGE.lock().unwrap_or_else(PoisonError::into_inner))),
        }
    }
}

/// Held while a large picture is unpacked.
type Turn = Option<MutexGuard<'static, ()>>;

/// A picture from this many pixels is large.
const MANY_PIXELS: u64 = 1 << 23;

/// Why a picture is not evaluated.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    /// The first bytes are those of no picture.
    #[error(
        "is not a picture: its first bytes are not those of a JPEG, PNG, WebP, BMP, GIF, TIFF, PPM, PGM or PBM file"
    )]
    Unknown,
    /// A picture whose format, or kind, is not read.
    #[error("{0}")]
    Unsupported(String),
    /// Part of the picture is missing or wrong, so that its pixels would be invented.
    #[error("is damaged: it {0}")]
    Damaged(String),
    /// It declares more pixels than the limit allows.
    #[error("declares {width} × {height} pixels, more than the limit `max-pixels = {most}` allows")]
    TooLarge {
        /// Columns.
        width: u64,
        /// Rows.
        height: u64,
        /// The limit.
        most: u64,
    },
    /// Its file is longer than the limit allows.
    #[error("is {length} bytes long, more than the limit `max-pixels = {most}` allows")]
    TooLong {
        /// Bytes.
        length: u64,
        /// The limit.
        most: u64,
    },
}

/// A decoded picture: `[3, height, width]` and its bytes, row-major.
pub(crate) type Pixels = ([usize; 3], Vec<u8>);

/// Decodes a picture of any format that is read.
///
/// # Errors
/// It is damaged, no picture, larger than the limits allow before anything is unpacked, or of a kind that is not read.
pub(crate) fn decode(encoded: &[u8], limits: Limits) -> Result<Pixels, Refusal> {
    let format = image::guess_format(encoded).map_err(|_| Refusal::Unknown)?;
    match format {
        ImageFormat::Jpeg => jpeg::decode(encoded, limits),
        ImageFormat::Png
        | ImageFormat::WebP
        | ImageFormat::Bmp
        | ImageFormat::Gif
        | ImageFormat::Tiff
        | ImageFormat::Pnm => {
            header::check(encoded, format)?;
            raster::decode(encoded, format, limits)
        }
        other => {
            let ending = other.extensions_str().first().copied().unwrap_or("unknown").to_uppercase();
            Err(Refusal::Unsupported(format!("is of the format {ending}, which is not read; convert it to PNG")))
        }
    }
}

/// Channel `k` of every pixel of interleaved `bytes`, for each of `channels`: planes one after the other.
fn planes(bytes: &[u8], step: usize, channels: [usize; 3]) -> Vec<u8> {
    let mut planes = Vec::with_capacity(bytes.len() / step.max(1) * 3);
    for channel in channels {
        planes.extend(bytes.iter().skip(channel).step_by(step));
    }
    planes
}
