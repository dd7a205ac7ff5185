//! Every format but JPEG, by the `image` crate.

use std::io::Cursor;

use image::error::UnsupportedErrorKind;
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage};

use super::{Limits, Pixels, Refusal, planes};

/// What a decoder may use beside the pixels: tables, profiles, a row of its own.
const WORKSPACE: u64 = 32 << 20;

pub(super) fn decode(encoded: &[u8], format: ImageFormat, limits: Limits) -> Result<Pixels, Refusal> {
    let mut reader = ImageReader::with_format(Cursor::new(encoded), format);
    reader.limits(allowance(limits));
    let mut decoder = reader.into_decoder().map_err(refusal)?;
    let (width, height) = decoder.dimensions();
    let colour = decoder.color_type();
    let _turn = limits.admit(width.into(), height.into(), colour.bytes_per_pixel().into())?;
    readable(decoder.original_color_type(), format)?;
    let turned = match format {
        ImageFormat::Tiff => decoder.orientation().map_err(refusal)?,
        _ => Orientation::NoTransforms,
    };
    let mut bytes = vec![0; usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX)];
    decoder.read_image(&mut bytes).map_err(refusal)?;
    let shape = [3, height as usize, width as usize];
    let rgb = interleaved(&bytes, colour)?;
    if turned == Orientation::NoTransforms {
        return Ok((shape, rgb));
    }
    turn(rgb, [width, height], turned)
}

fn allowance(limits: Limits) -> image::Limits {
    let mut allowance = image::Limits::no_limits();
    allowance.max_alloc = Some(limits.unpacked().saturating_add(WORKSPACE));
    allowance
}

/// Refuses the kinds that Pillow's versions convert differently, or that the decoder converts in its own way.
fn readable(colour: ExtendedColorType, format: ImageFormat) -> Result<(), Refusal> {
    let what = match (colour, format) {
        (ExtendedColorType::L16, _) => "16-bit grey values",
        (ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16, _) => "CMYK values",
        (ExtendedColorType::Rgb32F | ExtendedColorType::Rgba32F, _) => "floating-point values",
        _ => return Ok(()),
    };
    let format = format.extensions_str().first().copied().unwrap_or("picture").to_uppercase();
    Err(Refusal::Unsupported(format!("holds {what} as {format}, which is not read; convert it to 8-bit RGB")))
}

/// Planes of red, green and blue. Transparency is dropped and of 16 bits the upper 8 are taken, as Pillow does.
fn interleaved(bytes: &[u8], colour: ColorType) -> Result<Vec<u8>, Refusal> {
    // The upper byte of a 16-bit value in the byte order of this machine.
    let high = usize::from(cfg!(target_endian = "little"));
    Ok(match colour {
        ColorType::L8 => planes(bytes, 1, [0; 3]),
        ColorType::La8 => planes(bytes, 2, [0; 3]),
        ColorType::Rgb8 => planes(bytes, 3, [0, 1, 2]),
        ColorType::Rgba8 => planes(bytes, 4, [0, 1, 2]),
        ColorType::La16 => planes(bytes, 4, [high; 3]),
        ColorType::Rgb16 => planes(bytes, 6, [high, 2 + high, 4 + high]),
        ColorType::Rgba16 => planes(bytes, 8, [high, 2 + high, 4 + high]),
        other => return Err(Refusal::Unsupported(format!("holds values of the kind {other:?}, which is not read"))),
    })
}

fn turn(rgb: Vec<u8>, [width, height]: [u32; 2], orientation: Orientation) -> Result<Pixels, Refusal> {
    let plane = rgb.len() / 3;
    let pixels = (0..plane).flat_map(|i| [rgb[i], rgb[plane + i], rgb[2 * plane + i]]).collect();
    let picture = RgbImage::from_raw(width, height, pixels);
    let mut picture = DynamicImage::ImageRgb8(picture.ok_or_else(|| Refusal::Damaged("lacks pixels".to_owned()))?);
    picture.apply_orientation(orientation);
    let shape = [3, picture.height() as usize, picture.width() as usize];
    Ok((shape, planes(picture.as_bytes(), 3, [0, 1, 2])))
}

fn refusal(error: ImageError) -> Refusal {
    match error {
        ImageError::Unsupported(error) => match error.kind() {
            UnsupportedErrorKind::Format(_) => Refusal::Unknown,
            _ => Refusal::Unsupported(format!("is of a kind that is not read ({error}); convert it to 8-bit RGB")),
        },
        ImageError::Limits(_) => Refusal::Unsupported(
            "unpacks to more than `max-pixels` allows: its tables or profiles are larger than its pixels".to_owned(),
        ),
        error => Refusal::Damaged(format!("cannot be decoded ({error})")),
    }
}
