//! One image of a data set.

use std::borrow::Cow;
use std::sync::Arc;

/// Images of more bytes stay in memory as the files that they come from, and are decoded when asked for: thousands of
/// photographs at their full size would not fit.
const MOST_DECODED: usize = 1 << 16;

/// One image as bytes, `[channels, height, width]` row-major.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    pub(super) shape: [usize; 3],
    pixels: Pixels,
}

#[derive(Debug, Clone)]
enum Pixels {
    Plain(Vec<u8>),
    /// A file that has been decoded once, so that it can be again.
    File(Arc<[u8]>),
}

impl Picture {
    /// Of bytes, as many as the shape says.
    pub(super) fn plain(shape: [usize; 3], bytes: Vec<u8>) -> Self {
        Self { shape, pixels: Pixels::Plain(bytes) }
    }

    /// Of a PNG or JPEG file's contents, in colour.
    pub(super) fn file(contents: Vec<u8>) -> Result<Self, image::ImageError> {
        let (shape, bytes) = decode(&contents)?;
        let pixels = if bytes.len() > MOST_DECODED { Pixels::File(contents.into()) } else { Pixels::Plain(bytes) };
        Ok(Self { shape, pixels })
    }

    pub(super) fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.pixels {
            Pixels::Plain(bytes) => Cow::Borrowed(bytes),
            Pixels::File(contents) => Cow::Owned(decode(contents).map(|(_, bytes)| bytes).unwrap_or_default()),
        }
    }
}

impl PartialEq for Picture {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.bytes() == other.bytes()
    }
}

impl Eq for Picture {}

fn decode(contents: &[u8]) -> Result<([usize; 3], Vec<u8>), image::ImageError> {
    let image = image::load_from_memory(contents)?.to_rgb8();
    let (w, h) = (image.width() as usize, image.height() as usize);
    let raw = image.into_raw();
    let bytes = (0..3).flat_map(|k| raw.iter().skip(k).step_by(3).copied()).collect();
    Ok(([3, h, w], bytes))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn png(side: u32) -> Vec<u8> {
        let mut out = std::io::Cursor::new(Vec::new());
        let pixel = |x: u32, y: u32| image::Rgb([x as u8, y as u8, (x * y) as u8]);
        image::RgbImage::from_fn(side, side, pixel).write_to(&mut out, image::ImageFormat::Png).unwrap();
        out.into_inner()
    }

    #[test]
    fn large_pictures_stay_files_and_give_the_same_pixels() {
        for (side, is_file) in [(8, false), (200, true)] {
            let picture = Picture::file(png(side)).unwrap();
            assert_eq!(matches!(picture.pixels, Pixels::File(_)), is_file);
            let (shape, bytes) = decode(&png(side)).unwrap();
            assert_eq!((picture.shape, picture.bytes().as_ref()), (shape, &bytes[..]));
            assert_eq!(picture, Picture::plain(shape, bytes));
        }
        assert!(Picture::file(b"no image".to_vec()).is_err());
    }
}
