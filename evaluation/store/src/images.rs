//! Images in the database, each once: 8-bit PNG, or exact floats.
//!
//! They live beside the rows, and not in files, so that a batch is one transaction: no crash can part an image from its
//! row. An image is named by the hash of its pixels; what is read is held against its name.
//! [`super::RunStore::export_images`] writes images out for people.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use fmr_core::ImageHash;
use fmr_data::pixels::{from_png, png, to_u8};
use ndarray::{Array3, ArrayView3};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::value::{Sql, get_usize, to_i64, unreadable, unwritable};

const PNG: &str = "png";
const FLOATS: &str = "f32-zlib";
/// Most values of an image: 4096 × 4096 × 3.
const MOST_VALUES: usize = 4096 * 4096 * 3;

/// An image as the database holds it.
struct Encoded {
    encoding: String,
    shape: [usize; 3],
    data: Vec<u8>,
}

/// Adds an image, unless it is there; gives the hash of what is kept and of the image itself. The two differ where the
/// image is rounded to 8 bits, which grey and colour images are unless they are to be `exact`.
pub(super) fn insert(transaction: &Transaction<'_>, image: ArrayView3<'_, f32>, exact: bool) -> Sql<Inserted> {
    let judged = ImageHash::of(image);
    let (c, h, w) = image.dim();
    // PNG knows grey and RGB only.
    let rounded = matches!(c, 1 | 3).then(|| image.mapv(|v| f32::from(to_u8(v)) / 255.0));
    let rounded =
        rounded.map(|image| (ImageHash::of(image.view()), image)).filter(|(hash, _)| !exact || *hash == judged);
    let kept = rounded.as_ref().map_or(judged, |(hash, _)| *hash);
    let mut known = transaction.prepare_cached("SELECT 1 FROM images WHERE hash = ?")?;
    if !known.exists([kept.bytes()])? {
        let (encoding, data) = match rounded {
            Some((_, image)) => (PNG, png(image.view()).map_err(unwritable)?),
            None => (FLOATS, deflated(image).map_err(unwritable)?),
        };
        put(transaction, &kept, &Encoded { encoding: encoding.to_owned(), shape: [c, h, w], data })?;
    }
    Ok(Inserted { judged, kept })
}

/// Hashes of an image.
pub(super) struct Inserted {
    /// Of its own pixels.
    pub judged: ImageHash,
    /// Of what is kept of it.
    pub kept: ImageHash,
}

fn deflated(image: ArrayView3<'_, f32>) -> std::io::Result<Vec<u8>> {
    let bytes: Vec<u8> = image.iter().flat_map(|v| v.to_le_bytes()).collect();
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&bytes)?;
    encoder.finish()
}

/// An image and, where it is kept as one, its PNG file.
pub(super) type Kept = (Array3<f32>, Option<Vec<u8>>);

/// An image as it is kept; `None` where the database does not hold it.
pub(super) fn read_kept(database: &Connection, hash: &ImageHash) -> Sql<Option<Kept>> {
    let Some(encoded) = look_up(database, hash)? else { return Ok(None) };
    let image = decode(&encoded, hash)?;
    Ok(Some((image, (encoded.encoding == PNG).then_some(encoded.data))))
}

/// Copies an image into another database, unless it is there; `false` where `from` does not hold it.
pub(super) fn copy(from: &Connection, to: &Transaction<'_>, hash: &ImageHash) -> Sql<bool> {
    if to.prepare_cached("SELECT 1 FROM images WHERE hash = ?")?.exists([hash.bytes()])? {
        return Ok(true);
    }
    let Some(encoded) = look_up(from, hash)? else { return Ok(false) };
    decode(&encoded, hash)?;
    put(to, hash, &encoded).map(|()| true)
}

fn put(transaction: &Transaction<'_>, hash: &ImageHash, Encoded { encoding, shape, data }: &Encoded) -> Sql<()> {
    let [c, h, w] = *shape;
    let mut statement = transaction.prepare_cached(
        "INSERT INTO images (hash, encoding, channels, height, width, data) VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    statement.execute(params![hash.bytes(), encoding, to_i64(c)?, to_i64(h)?, to_i64(w)?, data]).map(|_| ())
}

fn look_up(database: &Connection, hash: &ImageHash) -> Sql<Option<Encoded>> {
    let mut statement =
        database.prepare_cached("SELECT encoding, channels, height, width, data FROM images WHERE hash = ?")?;
    let found = statement.query_row([hash.bytes()], |row| {
        let shape = [get_usize(row, 1)?, get_usize(row, 2)?, get_usize(row, 3)?];
        let data = row.get_ref(4)?.as_blob().map_err(|e| unreadable(4, e))?.to_vec();
        Ok(Encoded { encoding: row.get(0)?, shape, data })
    });
    found.optional()
}

fn decode(Encoded { encoding, shape, data }: &Encoded, hash: &ImageHash) -> Sql<Array3<f32>> {
    let [c, h, w] = *shape;
    let count = c.checked_mul(h).and_then(|n| n.checked_mul(w)).filter(|n| (1..=MOST_VALUES).contains(n));
    let Some(count) = count else { return Err(unreadable(4, format!("an image of {c} × {h} × {w} values"))) };
    let image = match encoding.as_str() {
        FLOATS => inflated(data, *shape, count),
        PNG => from_png(data, *shape).map_err(|e| e.to_string()),
        other => Err(format!("{other:?} is no encoding of images")),
    };
    let image = image.map_err(|problem| unreadable(4, problem))?;
    if ImageHash::of(image.view()) != *hash {
        return Err(unreadable(4, format!("the image {hash} has other pixels than its name says")));
    }
    Ok(image)
}

fn inflated(data: &[u8], shape: [usize; 3], count: usize) -> Result<Array3<f32>, String> {
    let mut bytes = Vec::new();
    // One byte more than is right tells an overlong image, and a forged one cannot fill the memory.
    let limit = (count * 4 + 1) as u64;
    ZlibDecoder::new(data).take(limit).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    let (words, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() || words.len() != count {
        return Err("an image is cut short or too long".to_owned());
    }
    let values = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    Array3::from_shape_vec(shape, values).map_err(|e| e.to_string())
}

/// Removes images that no sample has any more.
pub(super) fn remove_unused(transaction: &Transaction<'_>, among: &[ImageHash]) -> Sql<()> {
    let mut statement = transaction
        .prepare_cached("DELETE FROM images WHERE hash = ?1 AND NOT EXISTS (SELECT 1 FROM shown WHERE image = ?1)")?;
    for hash in among {
        statement.execute([hash.bytes()])?;
    }
    Ok(())
}
