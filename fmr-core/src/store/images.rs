//! Images in the database: 8-bit PNG, or exact floats.
//!
//! They live beside the rows, and not in files, so that a batch is one transaction: no crash can part an image from its
//! row. [`super::RunStore::export_images`] writes them out for people.

use std::io::{Cursor, Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use image::{ExtendedColorType, ImageEncoder as _, ImageFormat, RgbImage};
use ndarray::{Array3, ArrayView3};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::KeepImages;
use super::rows::{from_i64, to_i64, unreadable};
use crate::perturb::Perturbed;

type Sql<T> = Result<T, rusqlite::Error>;

/// The images of one sample, `[c, h, w]` in [0, 1].
#[derive(Debug, Clone, PartialEq)]
pub struct SampleImages {
    /// What the data set holds, rounded to 8 bits.
    pub original: Array3<f32>,
    /// x̂0, rounded to 8 bits.
    pub reconstruction: Array3<f32>,
    /// The final image; exact where the run keeps exact finals.
    pub final_image: Array3<f32>,
}

/// An image as bytes.
struct Encoded {
    encoding: &'static str,
    data: Vec<u8>,
}

/// Adds the images of a batch.
pub(super) fn insert(transaction: &Transaction<'_>, cell: &str, batch: &[Perturbed], keep: KeepImages) -> Sql<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO images (cell, idx, role, encoding, channels, height, width, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    for sample in batch {
        for (role, image, exact) in [
            ("original", &sample.original, false),
            ("reconstruction", &sample.reconstruction, false),
            ("final", &sample.final_image, keep.exact_finals),
        ] {
            let (c, h, w) = image.dim();
            let encoded = encode(image.view(), exact).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
            statement.execute(params![
                cell,
                to_i64(sample.record.index)?,
                role,
                encoded.encoding,
                to_i64(c)?,
                to_i64(h)?,
                to_i64(w)?,
                encoded.data
            ])?;
        }
    }
    Ok(())
}

/// The images of one sample, or nothing where it is not finished.
pub(super) fn read(database: &Connection, cell: &str, index: usize) -> Sql<Option<SampleImages>> {
    let mut statement = database.prepare_cached(
        "SELECT encoding, channels, height, width, data FROM images WHERE cell = ? AND idx = ? AND role = ?",
    )?;
    let index = to_i64(index)?;
    let mut image = |role: &str| {
        statement
            .query_row(params![cell, index, role], |row| {
                let side = |column: usize| from_i64(column, row.get(column)?);
                let shape = [side(1)?, side(2)?, side(3)?];
                let encoding: String = row.get(0)?;
                decode(&encoding, shape, row.get_ref(4)?.as_blob()?).map_err(|problem| unreadable(4, problem))
            })
            .optional()
    };
    let Some(original) = image("original")? else { return Ok(None) };
    let missing = || unreadable(0, format!("sample {index} lacks an image"));
    Ok(Some(SampleImages {
        original,
        reconstruction: image("reconstruction")?.ok_or_else(missing)?,
        final_image: image("final")?.ok_or_else(missing)?,
    }))
}

fn encode(image: ArrayView3<'_, f32>, exact: bool) -> Result<Encoded, String> {
    // PNG knows grey and RGB only.
    if exact || !matches!(image.dim().0, 1 | 3) {
        let bytes: Vec<u8> = image.iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        let data = encoder.write_all(&bytes).and_then(|()| encoder.finish()).map_err(|e| e.to_string())?;
        return Ok(Encoded { encoding: "f32-zlib", data });
    }
    Ok(Encoded { encoding: "png", data: png(image)? })
}

/// 8-bit PNG of a grey or RGB image `[c, h, w]` in [0, 1].
pub(crate) fn png(image: ArrayView3<'_, f32>) -> Result<Vec<u8>, String> {
    let (channels, height, width) = image.dim();
    let colour = match channels {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        _ => return Err(format!("an image of {channels} channels cannot be a PNG: 1 or 3 can")),
    };
    let bytes: Vec<u8> = image.permuted_axes([1, 2, 0]).iter().map(|v| to_u8(*v)).collect();
    let side = |n: usize| u32::try_from(n).map_err(|e| e.to_string());
    write_png(&bytes, [side(width)?, side(height)?], colour)
}

/// PNG of a picture.
pub(crate) fn encode_png(picture: &RgbImage) -> Result<Vec<u8>, String> {
    write_png(picture.as_raw(), [picture.width(), picture.height()], ExtendedColorType::Rgb8)
}

fn write_png(bytes: &[u8], [width, height]: [u32; 2], colour: ExtendedColorType) -> Result<Vec<u8>, String> {
    let mut data = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut data);
    encoder.write_image(bytes, width, height, colour).map_err(|e| e.to_string())?;
    Ok(data)
}

/// Rounds a value in [0, 1] to 8 bits; not-a-number becomes 0.
pub(crate) fn to_u8(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

fn decode(encoding: &str, shape: [usize; 3], data: &[u8]) -> Result<Array3<f32>, String> {
    let [channels, height, width] = shape;
    let count = channels.checked_mul(height).and_then(|n| n.checked_mul(width)).ok_or("its shape is absurd")?;
    let wrong_shape = |e: ndarray::ShapeError| e.to_string();
    match encoding {
        "f32-zlib" => {
            let mut bytes = Vec::new();
            // One byte more than is right tells an overlong image, and a forged one cannot fill the memory.
            let limit = count.saturating_mul(4).saturating_add(1) as u64;
            ZlibDecoder::new(data).take(limit).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
            let (words, rest) = bytes.as_chunks::<4>();
            if !rest.is_empty() {
                return Err("an image is cut short or too long".to_owned());
            }
            let values = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
            Array3::from_shape_vec(shape, values).map_err(wrong_shape)
        }
        "png" => {
            let mut reader = image::ImageReader::new(Cursor::new(data));
            reader.set_format(ImageFormat::Png);
            let image = reader.decode().map_err(|e| e.to_string())?;
            let bytes = if channels == 1 { image.to_luma8().into_raw() } else { image.to_rgb8().into_raw() };
            let values = bytes.iter().map(|b| f32::from(*b) / 255.0).collect();
            let rows = Array3::from_shape_vec([height, width, channels], values).map_err(wrong_shape)?;
            Ok(rows.permuted_axes([2, 0, 1]).as_standard_layout().into_owned())
        }
        other => Err(format!("{other:?} is no encoding of images")),
    }
}
