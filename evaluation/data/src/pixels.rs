//! Pixels between `f32` in [0, 1] and 8-bit PNG.

use image::{ExtendedColorType, ImageEncoder as _, ImageFormat, RgbImage};
use ndarray::{Array3, ArrayView3};
use thiserror::Error;

/// An image that cannot be written or read as PNG.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PixelError {
    /// PNG holds grey and RGB images.
    #[error("an image of {0} channels cannot be a PNG; it must have 1 or 3")]
    Channels(usize),
    /// A side that PNG cannot express.
    #[error("an image of {height} × {width} pixels is too large for a PNG")]
    TooLarge {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// The PNG has a different size than expected.
    #[error("the PNG does not hold {height} × {width} pixels of {channels} channels")]
    Shape {
        /// Channels.
        channels: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// The PNG is damaged, or cannot be encoded.
    #[error(transparent)]
    Png(#[from] image::ImageError),
}

/// 8-bit PNG of a grey or RGB image `[c, h, w]` in [0, 1].
///
/// # Errors
/// Neither 1 nor 3 channels, or a side beyond what PNG can express.
pub fn png(image: ArrayView3<'_, f32>) -> Result<Vec<u8>, PixelError> {
    let (channels, height, width) = image.dim();
    let colour = match channels {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        _ => return Err(PixelError::Channels(channels)),
    };
    let bytes: Vec<u8> = image.permuted_axes([1, 2, 0]).iter().map(|v| to_u8(*v)).collect();
    let side = |n: usize| u32::try_from(n).map_err(|_| PixelError::TooLarge { height, width });
    write_png(&bytes, [side(width)?, side(height)?], colour)
}

/// PNG of a picture.
///
/// # Errors
/// A side beyond what PNG can express.
pub fn encode_png(picture: &RgbImage) -> Result<Vec<u8>, PixelError> {
    write_png(picture.as_raw(), [picture.width(), picture.height()], ExtendedColorType::Rgb8)
}

fn write_png(bytes: &[u8], [width, height]: [u32; 2], colour: ExtendedColorType) -> Result<Vec<u8>, PixelError> {
    let mut data = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut data);
    encoder.write_image(bytes, width, height, colour)?;
    Ok(data)
}

/// Rounds a value in [0, 1] to 8 bits; not-a-number becomes 0.
pub fn to_u8(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// Reads a PNG written by [`png`] back to `[c, h, w]` in [0, 1].
///
/// # Errors
/// The bytes are no PNG, or one of another size.
pub fn from_png(data: &[u8], shape: [usize; 3]) -> Result<Array3<f32>, PixelError> {
    let [channels, height, width] = shape;
    let mut reader = image::ImageReader::new(std::io::Cursor::new(data));
    reader.set_format(ImageFormat::Png);
    // A file that claims to be larger is refused before its pixels are unpacked.
    let mut limits = image::Limits::default();
    (limits.max_image_width, limits.max_image_height) = (u32::try_from(width).ok(), u32::try_from(height).ok());
    reader.limits(limits);
    let other_size = || PixelError::Shape { channels, height, width };
    let image = reader.decode().map_err(|error| match error {
        image::ImageError::Limits(_) => other_size(),
        error => error.into(),
    })?;
    let bytes = if channels == 1 { image.to_luma8().into_raw() } else { image.to_rgb8().into_raw() };
    let values = bytes.iter().map(|b| f32::from(*b) / 255.0).collect();
    let rows = Array3::from_shape_vec([height, width, channels], values).map_err(|_| other_size())?;
    Ok(rows.permuted_axes([2, 0, 1]).as_standard_layout().into_owned())
}
