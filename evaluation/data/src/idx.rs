//! MNIST's idx files.

use std::io::{Chain, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::decode::Limits;
use super::picture::Picture;
use super::{DataError, Dataset, open};

/// An idx file of bytes whose header is read.
struct Idx<'p> {
    path: &'p Path,
    sizes: Vec<usize>,
    values: Box<dyn Read>,
}

impl<'p> Idx<'p> {
    /// Reads the header of a file with `dims` dimensions, unpacked where it is gzip.
    fn open(path: &'p Path, dims: usize) -> Result<Self, DataError> {
        let mut values = unpacked(path).map_err(DataError::io(path))?;
        let mut header = Vec::new();
        values.by_ref().take(4 + 4 * dims as u64).read_to_end(&mut header).map_err(DataError::io(path))?;
        if header.len() < 4 + 4 * dims || header[..4] != [0, 0, 8, dims as u8] {
            let found = header.get(..4).unwrap_or(&header);
            return Err(DataError::format(
                path,
                format!(
                    "not an idx file of bytes with {dims} dimensions: it starts with {found:02x?} instead of [00, 00, 08, {dims:02x}]"
                ),
            ));
        }
        let size = |b: &[u8]| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize;
        Ok(Self { path, sizes: header[4..].chunks_exact(4).map(size).collect(), values })
    }

    /// The values that the header declares, no fewer and no more. What it declares is held against the limit before
    /// anything is unpacked.
    fn values(self, limits: Limits) -> Result<Vec<u8>, DataError> {
        let Self { path, sizes, values } = self;
        let refuse = |problem: String| Err(DataError::format(path, format!("the header says {sizes:?}{problem}")));
        let declared = sizes.iter().try_fold(1_u64, |n, size| n.checked_mul(*size as u64));
        let Some(declared) = declared.filter(|declared| *declared <= limits.container()) else {
            return refuse(format!(": more than {} bytes, eight times `max-pixels`", limits.container()));
        };
        let mut bytes = Vec::new();
        values.take(declared + 1).read_to_end(&mut bytes).map_err(DataError::io(path))?;
        match (bytes.len() as u64).cmp(&declared) {
            std::cmp::Ordering::Less => refuse(format!(", but {} bytes follow", bytes.len())),
            std::cmp::Ordering::Greater => refuse(format!(", but more than {declared} bytes follow")),
            std::cmp::Ordering::Equal => Ok(bytes),
        }
    }
}

fn unpacked(path: &Path) -> std::io::Result<Box<dyn Read>> {
    let mut file = open::regular(path)?;
    let mut first = Vec::new();
    file.by_ref().take(2).read_to_end(&mut first)?;
    let is_packed = first == [0x1f, 0x8b];
    let whole: Chain<_, _> = Cursor::new(first).chain(std::io::BufReader::new(file));
    Ok(if is_packed { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}

pub(super) fn read(images: &Path, labels: &Path, classes: &[String], limits: Limits) -> Result<Dataset, DataError> {
    let (image_file, label_file) = (Idx::open(images, 3)?, Idx::open(labels, 1)?);
    let sizes = image_file.sizes.clone();
    let count = sizes[0];
    if label_file.sizes[0] != count {
        return Err(DataError::format(labels, format!("{} labels for {count} images", label_file.sizes[0])));
    }
    let label_values = label_file.values(limits)?;
    let pixels = image_file.values(limits)?;
    if count > 0 && pixels.is_empty() {
        return Err(DataError::format(images, format!("the header says {sizes:?}: images without pixels")));
    }
    let classes = if classes.is_empty() { (0..10).map(|d| d.to_string()).collect() } else { classes.to_vec() };
    if let Some(label) = label_values.iter().find(|l| usize::from(**l) >= classes.len()) {
        return Err(DataError::format(labels, format!("label {label}, but there are {} classes", classes.len())));
    }
    let shape = [1, sizes[1], sizes[2]];
    let (size, bytes) = (sizes[1] * sizes[2], Arc::new(pixels));
    Ok(Dataset {
        own: classes.clone(),
        pictures: (0..count).map(|i| Picture::Held { shape, bytes: bytes.clone(), at: i * size }).collect(),
        labels: label_values.iter().map(|l| usize::from(*l)).collect(),
        keys: (0..count).map(|i| format!("{i:05}")).collect(),
        classes,
        remarks: Vec::new(),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::decode::JpegPixels;

    fn written(images: &[u8], labels: &[u8]) -> Result<Dataset, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let (i, l) = (folder.path().join("images"), folder.path().join("labels"));
        std::fs::write(&i, images).unwrap();
        std::fs::write(&l, labels).unwrap();
        read(&i, &l, &[], Limits { pixels: 1 << 10, jpeg: JpegPixels::Image })
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
        assert!(written(&huge, &LABELS).unwrap_err().to_string().contains("2 labels for 4294967295 images"));
        let mut large = IMAGES;
        large[8..12].copy_from_slice(&[0, 0, 16, 1]);
        let error = written(&large, &LABELS).unwrap_err().to_string();
        assert!(error.contains("more than 8192 bytes, eight times `max-pixels`"), "{error}");
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
