//! Pictures of every kind, whole and damaged, against what Pillow makes of them (`tests/pictures/make.py`).

use std::collections::BTreeMap;
use std::io::Read as _;

use sha2::{Digest as _, Sha256};

use super::*;

const LIMITS: Limits = Limits { pixels: 1 << 20, jpeg: JpegPixels::Pillow };

/// Kinds that Pillow reads and that are refused by name.
const NOT_READ: [&str; 9] = [
    "cmyk.tif",
    "palette.tif",
    "jpeg-inside.tif",
    "16-bit-grey.png",
    "16-bit.pgm",
    "up-to-100.ppm",
    "16-bits.bmp",
    "565.bmp",
    "short-runs.bmp",
];

fn pictures() -> BTreeMap<String, Vec<u8>> {
    let packed = include_bytes!("../../tests/pictures/pictures.tar.gz");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&packed[..]));
    let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (name, bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

/// Width, height and hash of the pixels, as the table has them.
fn described(([_, height, width], planes): &Pixels) -> String {
    let size = height * width;
    let mut hash = Sha256::new();
    (0..size).for_each(|i| hash.update([planes[i], planes[size + i], planes[2 * size + i]]));
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{width}\t{height}\t{hash}")
}

#[test]
fn pixels_are_pillows_and_damage_is_refused() {
    let pictures = pictures();
    let table = include_str!("../../tests/pictures/pillow.tsv");
    let (mut equal, mut refused, mut not_read) = (0, 0, 0);
    for (name, pillow) in table.lines().map(|line| line.split_once('\t').unwrap()) {
        let decoded = decode(&pictures[name], LIMITS);
        let is_damaged = pillow == "refused" || name.starts_with("cut-") || name.starts_with("missing-");
        match decoded {
            Ok(pixels) if !is_damaged => {
                assert_eq!(described(&pixels), pillow, "{name}");
                equal += 1;
            }
            Err(Refusal::Unsupported(_)) if NOT_READ.contains(&name) => not_read += 1,
            Err(Refusal::Damaged(_) | Refusal::Unknown | Refusal::Unsupported(_)) if is_damaged => refused += 1,
            Ok(_) => panic!("{name} was decoded; Pillow: {pillow}"),
            Err(refusal) => panic!("{name} was refused: {refusal}"),
        }
    }
    assert_eq!((equal + refused + not_read, not_read), (pictures.len(), NOT_READ.len()));
    assert!(equal > 90 && refused > 70, "{equal} {refused}");
}

#[test]
fn sizes_are_held_against_the_limit_before_anything_is_unpacked() {
    let pictures = pictures();
    let small = Limits { pixels: 24 * 17 - 1, jpeg: JpegPixels::Pillow };
    for name in ["420-95.jpg", "rgb.png", "rgb.webp", "rgb.gif", "rgb.bmp", "rgb-raw.tif"] {
        let refusal = decode(&pictures[name], small).unwrap_err().to_string();
        assert_eq!(refusal, "declares 24 × 17 pixels, more than the limit `max-pixels = 407` allows", "{name}");
    }
}

#[test]
fn refusals_say_what_is_wrong() {
    let pictures = pictures();
    let said = |name: &str| decode(&pictures[name], LIMITS).unwrap_err().to_string();
    assert_eq!(said("cut-0.6-420-95.jpg"), "is damaged: it is truncated");
    assert_eq!(said("cut-0.6-420-95-progressive.jpg"), "is damaged: it is truncated");
    assert_eq!(said("cut-0.6-rgb.webp"), "is damaged: it is truncated");
    assert_eq!(
        said("missing-middle-420-95.jpg"),
        "is damaged: it holds corrupt data, in whose place pixels would be invented"
    );
    assert!(said("empty.jpg").starts_with("is not a picture"));
    assert!(said("16-bit-grey.png").contains("16-bit grey values"));
}

/// Figures of earlier versions were measured on these pixels.
#[test]
fn the_image_crates_pixels_of_a_jpeg_can_be_asked_for() {
    let tar =
        std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/data/cifar10-test-1000.tar")).unwrap();
    let limits = Limits { jpeg: JpegPixels::Image, ..LIMITS };
    let mut compared = 0;
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut bytes = Vec::new();
        entry.unwrap().read_to_end(&mut bytes).unwrap();
        if bytes.is_empty() {
            continue;
        }
        let before = image::load_from_memory(&bytes).unwrap().to_rgb8().into_raw();
        let planes: Vec<u8> = (0..3).flat_map(|k| before.iter().skip(k).step_by(3).copied()).collect();
        assert_eq!(decode(&bytes, limits).unwrap().1, planes);
        compared += 1;
    }
    assert_eq!(compared, 1000);
}

#[test]
fn a_webp_whose_frame_is_larger_than_the_picture_is_refused_before_room_is_made() {
    // 24 × 17 pixels, and a frame of 16255 × 16255.
    let mut bytes = b"RIFF\x26\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x17\0\0\x10\0\0VP8 \x0a\0\0\0".to_vec();
    bytes.extend(b"\xb0\x08\0\x9d\x01\x2a\x7f\x3f\x7f\x3f");
    let length = u32::try_from(bytes.len() - 8).unwrap();
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    let refused = decode(&bytes, LIMITS).unwrap_err().to_string();
    assert_eq!(refused, "is damaged: it holds a frame that is larger than the picture");
}
