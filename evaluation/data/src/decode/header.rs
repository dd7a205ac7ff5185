//! What the decoders do not tell of a file: that it is cut or damaged where they do not look, or of a kind that they
//! read in another way than Pillow.

use flate2::Crc;
use image::ImageFormat;

use super::{Refusal, tiff};

/// Refuses such files.
pub(super) fn check(encoded: &[u8], format: ImageFormat) -> Result<(), Refusal> {
    let refused = match format {
        ImageFormat::Png => png(encoded),
        ImageFormat::WebP => webp(encoded),
        ImageFormat::Gif => gif(encoded),
        ImageFormat::Bmp => bmp(encoded),
        ImageFormat::Pnm => pnm(encoded),
        ImageFormat::Tiff => tiff::check(encoded),
        _ => None,
    };
    refused.map_or(Ok(()), Err)
}

pub(super) fn damaged(problem: &str) -> Option<Refusal> {
    Some(Refusal::Damaged(problem.to_owned()))
}

pub(super) fn unsupported(what: &str) -> Option<Refusal> {
    Some(Refusal::Unsupported(format!("{what}, which is not read; convert it to 8-bit RGB as PNG")))
}

/// Checksums of the parts before the pixels, which the decoder verifies in some of them only.
fn png(encoded: &[u8]) -> Option<Refusal> {
    let mut rest = encoded.get(8..)?;
    loop {
        let Some((length, after)) = rest.split_first_chunk::<4>() else { return damaged("is truncated") };
        let length = u32::from_be_bytes(*length) as usize;
        let Some((part, after)) = length.checked_add(4).and_then(|n| after.split_at_checked(n)) else {
            // The pixels may be cut; that the decoder finds.
            return if after.starts_with(b"IDAT") { None } else { damaged("is truncated") };
        };
        if part.starts_with(b"IDAT") {
            return None;
        }
        let Some((checksum, after)) = after.split_first_chunk::<4>() else { return damaged("is truncated") };
        let mut crc = Crc::new();
        crc.update(part);
        if crc.sum() != u32::from_be_bytes(*checksum) {
            return damaged("has a part with a wrong checksum");
        }
        rest = after;
    }
}

/// The length that the file states of itself, and that its parts state; the size of its frames, for which the decoder makes
/// room before it compares it with that of the picture.
fn webp(encoded: &[u8]) -> Option<Refusal> {
    let length = |at: usize| Some(u32::from_le_bytes(encoded.get(at..at.checked_add(4)?)?.try_into().ok()?) as usize);
    let Some(end) = length(4).and_then(|n| n.checked_add(8)).filter(|end| *end <= encoded.len()) else {
        return damaged("is truncated");
    };
    let mut at = 12;
    let mut canvas = None;
    while at + 8 <= end {
        if encoded[at..].starts_with(b"VP8X") {
            let side = |from: usize| Some(1 + (length(from)? as u64 & 0xff_ffff));
            canvas = side(at + 12).zip(side(at + 15));
        }
        // A frame of an animation holds parts of its own behind its place and time: transparency, then colours.
        let mut frame = if encoded[at..].starts_with(b"ANMF") { at + 24 } else { at };
        if frame != at && encoded.get(frame..).is_some_and(|part| part.starts_with(b"ALPH")) {
            let alpha = length(frame + 4).and_then(|n| n.checked_next_multiple_of(2)?.checked_add(frame + 8));
            frame = alpha.unwrap_or(end);
        }
        if let Some(((width, height), most)) = frame_size(encoded.get(frame..end).unwrap_or(&[])).zip(canvas)
            && (width > most.0 || height > most.1)
        {
            return damaged("holds a frame that is larger than the picture");
        }
        // Parts are padded to an even length.
        let part = length(at + 4).and_then(|n| n.checked_next_multiple_of(2)?.checked_add(at + 8));
        match part.filter(|part| *part <= end) {
            Some(next) => at = next,
            None => return damaged("has a part that is longer than the file"),
        }
    }
    None
}

/// Width and height that a part with pixels declares.
fn frame_size(part: &[u8]) -> Option<(u64, u64)> {
    let number = |at: usize, width: usize| {
        let bytes = part.get(at..at + width)?;
        Some(bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte)))
    };
    match part.get(..4)? {
        b"VP8 " => Some((number(14, 2)? & 0x3fff, number(16, 2)? & 0x3fff)),
        b"VP8L" => number(9, 4).map(|bits| (1 + (bits & 0x3fff), 1 + (bits >> 14 & 0x3fff))),
        _ => None,
    }
}

/// A first frame that covers a part of the picture: what lies outside it differs between readers.
fn gif(encoded: &[u8]) -> Option<Refusal> {
    match fills_screen(encoded) {
        Some(true) => None,
        Some(false) => unsupported("holds a GIF whose first frame covers only a part of it"),
        None => damaged("ends before its first frame"),
    }
}

fn fills_screen(encoded: &[u8]) -> Option<bool> {
    let screen = encoded.get(6..10)?;
    let flags = *encoded.get(10)?;
    let colours = if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut rest = encoded.get(13 + colours..)?;
    loop {
        match *rest.first()? {
            // An extension: its label, then blocks that each begin with their length, the last of length 0.
            0x21 => {
                rest = rest.get(2..)?;
                while *rest.first()? != 0 {
                    rest = rest.get(1 + usize::from(rest[0])..)?;
                }
                rest = rest.get(1..)?;
            }
            // A frame: left, top, width, height.
            0x2c => return Some(rest.get(1..5)? == [0; 4] && rest.get(5..9)? == screen),
            _ => return None,
        }
    }
}

/// 16 bits a pixel, which readers widen to 8 a colour differently, and run lengths, which may leave pixels out.
fn bmp(encoded: &[u8]) -> Option<Refusal> {
    let number = |at: usize| Some(u16::from_le_bytes([*encoded.get(at)?, *encoded.get(at + 1)?]));
    let is_old = number(14)? == 12;
    let bits = number(if is_old { 24 } else { 28 })?;
    let compression = if is_old { 0 } else { number(30)? };
    match (bits, compression) {
        (16, _) => unsupported("holds a BMP of 16 bits a pixel"),
        (_, 1 | 2) => unsupported("holds a BMP of run lengths"),
        _ => None,
    }
}

/// A largest value other than 255, from which readers round differently.
fn pnm(encoded: &[u8]) -> Option<Refusal> {
    if !matches!(encoded.get(1)?, b'2' | b'3' | b'5' | b'6') {
        return if matches!(encoded.get(1)?, b'1' | b'4') { None } else { unsupported("holds a PAM") };
    }
    let mut numbers = Vec::new();
    let mut rest = encoded.get(2..)?;
    while numbers.len() < 3 {
        rest = rest.trim_ascii_start();
        match rest.first()? {
            b'#' => rest = rest.get(rest.iter().position(|byte| *byte == b'\n')?..)?,
            _ => {
                let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
                let (digits, after) = rest.split_at(end);
                numbers.push(std::str::from_utf8(digits).ok()?.parse::<u64>().ok()?);
                rest = after;
            }
        }
    }
    match numbers[2] {
        255 => None,
        most => unsupported(&format!("holds a PPM or PGM of values up to {most}")),
    }
}
