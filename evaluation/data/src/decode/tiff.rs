//! What the TIFF decoder does not tell of a file.

use std::io::Cursor;

use tiff::decoder::Decoder;
use tiff::tags::{CompressionMethod, Tag};

use super::Refusal;
use super::header::{damaged, unsupported};

/// Refuses values that the file does not hold, and JPEG inside TIFF, which goes through a decoder that rounds in its own
/// way.
pub(super) fn check(encoded: &[u8]) -> Option<Refusal> {
    if !values_fit(encoded).unwrap_or(false) {
        return damaged("declares values that the file does not hold");
    }
    let mut decoder = Decoder::new(Cursor::new(encoded)).ok()?;
    let method = decoder.find_tag_unsigned::<u16>(Tag::Compression).ok()??;
    match CompressionMethod::from_u16(method)? {
        CompressionMethod::JPEG | CompressionMethod::ModernJPEG => unsupported("holds a JPEG inside a TIFF"),
        _ => None,
    }
}

/// Whether the values of the first directory can lie in the file. The decoder makes room for as many as are declared, up
/// to 256 MiB, before it looks. `None` where the file has no directory.
fn values_fit(encoded: &[u8]) -> Option<bool> {
    let big = encoded.starts_with(b"MM");
    let number = |at: u64, width: usize| -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = encoded.get(at..at.checked_add(width)?)?;
        let push = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(if big { bytes.iter().fold(0, push) } else { bytes.iter().rev().fold(0, push) })
    };
    // BigTIFF has wider numbers.
    let (width, directory, count_width) = match number(2, 2)? {
        43 => (8, number(8, 8)?, 8),
        _ => (4, number(4, 4)?, 2),
    };
    let entries = number(directory, count_width)?;
    let mut at = directory.checked_add(count_width as u64)?;
    for _ in 0..entries {
        let size = match number(at.checked_add(2)?, 2)? {
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16..=18 => 8,
            _ => 1,
        };
        let count = number(at.checked_add(4)?, width)?;
        if count.checked_mul(size).is_none_or(|bytes| bytes > encoded.len() as u64) {
            return Some(false);
        }
        at = at.checked_add(4 + 2 * width as u64)?;
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One entry of shorts.
    fn file(count: u32) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0\x01\0\x06\x01\x03\0".to_vec();
        bytes.extend(count.to_le_bytes());
        bytes.extend([0; 8]);
        bytes
    }

    #[test]
    fn a_directory_that_promises_more_than_the_file_holds_is_refused() {
        assert_eq!(values_fit(&file(1)), Some(true));
        assert_eq!(values_fit(&file(0x8000_0000)), Some(false));
        assert_eq!(values_fit(&file(1)[..16]), None);
        let told = check(&file(0x8000_0000)).map(|refusal| refusal.to_string());
        assert_eq!(told.as_deref(), Some("is damaged: it declares values that the file does not hold"));
    }
}
