//! Images in the database: 8-bit PNG, or exact floats.
//!
//! They live beside the rows, and not in files, so that a batch is one transaction: no crash can part an image from its
//! row. [`super::RunStore::export_images`] writes them out for people.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use fmr_core::perturb::Perturbed;
use fmr_data::pixels::{from_png, png};
use ndarray::{Array3, ArrayView3};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::KeepImages;
use super::rows::{from_i64, to_i64, unreadable};

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
    Ok(Encoded { encoding: "png", data: png(image).map_err(|e| e.to_string())? })
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
        "png" => from_png(data, shape).map_err(|e| e.to_string()),
        other => Err(format!("{other:?} is no encoding of images")),
    }
}
