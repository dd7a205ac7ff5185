//! MNIST's idx files.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use super::picture::Picture;
use super::{DataError, Dataset};

/// More than any idx data set in use; a lying header must not reserve more.
const MOST_BYTES: u64 = 1 << 30;

/// A file's bytes, unpacked where it is gzip.
fn unpack(path: &Path) -> Result<Vec<u8>, DataError> {
    let bytes = std::fs::read(path).map_err(DataError::io(path))?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    GzDecoder::new(&bytes[..]).take(MOST_BYTES).read_to_end(&mut plain).map_err(DataError::io(path))?;
    Ok(plain)
}

/// Sizes and values of an idx file of bytes with `dims` dimensions.
fn parse<'b>(path: &Path, bytes: &'b [u8], dims: usize) -> Result<(Vec<usize>, &'b [u8]), DataError> {
    let header = 4 + 4 * dims;
    if bytes.len() < header || bytes[..4] != [0, 0, 8, dims as u8] {
        let found = bytes.get(..4).unwrap_or(bytes);
        return Err(DataError::format(
            path,
            format!(
                "not an idx file of bytes with {dims} dimensions: it starts with {found:02x?} instead of [00, 00, 08, {dims:02x}]"
            ),
        ));
    }
    let sizes: Vec<usize> =
        bytes[4..header].chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize).collect();
    let expected = sizes.iter().try_fold(1_usize, |n, s| n.checked_mul(*s));
    let values = &bytes[header..];
    if expected != Some(values.len()) {
        return Err(DataError::format(path, format!("the header says {sizes:?}, but {} bytes follow", values.len())));
    }
    Ok((sizes, values))
}

pub(super) fn read(images: &Path, labels: &Path, classes: &[String]) -> Result<Dataset, DataError> {
    let (image_bytes, label_bytes) = (unpack(images)?, unpack(labels)?);
    let (sizes, pixels) = parse(images, &image_bytes, 3)?;
    let (_, label_values) = parse(labels, &label_bytes, 1)?;
    if sizes[0] != label_values.len() {
        return Err(DataError::format(labels, format!("{} labels for {} images", label_values.len(), sizes[0])));
    }
    if sizes[0] > 0 && pixels.is_empty() {
        return Err(DataError::format(images, format!("the header says {sizes:?}: images without pixels")));
    }
    let classes = if classes.is_empty() { (0..10).map(|d| d.to_string()).collect() } else { classes.to_vec() };
    if let Some(label) = label_values.iter().find(|l| usize::from(**l) >= classes.len()) {
        return Err(DataError::format(labels, format!("label {label}, but there are {} classes", classes.len())));
    }
    let shape = [1, sizes[1], sizes[2]];
    let size = (pixels.len() / sizes[0].max(1)).max(1);
    Ok(Dataset {
        pictures: pixels.chunks_exact(size).map(|p| Picture::Held { shape, bytes: p.to_vec() }).collect(),
        labels: label_values.iter().map(|l| usize::from(*l)).collect(),
        keys: (0..sizes[0]).map(|i| format!("{i:05}")).collect(),
        classes,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn written(images: &[u8], labels: &[u8]) -> Result<Dataset, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let (i, l) = (folder.path().join("images"), folder.path().join("labels"));
        std::fs::write(&i, images).unwrap();
        std::fs::write(&l, labels).unwrap();
        read(&i, &l, &[])
    }

    const IMAGES: [u8; 24] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 51, 102, 255, 1, 2, 3, 4];
    const LABELS: [u8; 10] = [0, 0, 8, 1, 0, 0, 0, 2, 7, 3];

    #[test]
    fn reads_plain_and_packed() {
        let data = written(&IMAGES, &LABELS).unwrap();
        assert_eq!((data.len(), data.labels(), data.classes().len()), (2, &[7, 3][..], 10));
        assert_eq!(data.image(0).unwrap().as_slice().unwrap(), [0.0, 0.2, 0.4, 1.0]);
        let mut packed = Vec::new();
        flate2::read::GzEncoder::new(&IMAGES[..], flate2::Compression::fast()).read_to_end(&mut packed).unwrap();
        assert_eq!(written(&packed, &LABELS).unwrap(), data);
    }

    #[test]
    fn refuses_what_is_not_whole() {
        for end in 0..IMAGES.len() {
            assert!(written(&IMAGES[..end], &LABELS).is_err());
        }
        let mut huge = IMAGES;
        huge[4..8].fill(255);
        assert!(written(&huge, &LABELS).unwrap_err().to_string().contains("bytes follow"));
        assert!(
            written(&IMAGES, &[0, 0, 8, 1, 0, 0, 0, 1, 7]).unwrap_err().to_string().contains("1 labels for 2 images")
        );
        let empty = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2];
        assert!(written(&empty, &LABELS).unwrap_err().to_string().contains("images without pixels"));
        assert!(written(&IMAGES, &[0, 0, 8, 1, 0, 0, 0, 2, 7, 10]).unwrap_err().to_string().contains("label 10"));
    }

    #[test]
    fn refuses_damaged_gzip() {
        let mut packed = Vec::new();
        flate2::read::GzEncoder::new(&IMAGES[..], flate2::Compression::fast()).read_to_end(&mut packed).unwrap();
        for end in 2..packed.len() {
            let error = written(&packed[..end], &LABELS).unwrap_err().to_string();
            assert!(error.contains("images"), "{error}");
        }
        let last = packed.len() - 5;
        packed[last] ^= 1;
        assert!(written(&packed, &LABELS).is_err(), "a wrong checksum");
    }
}
