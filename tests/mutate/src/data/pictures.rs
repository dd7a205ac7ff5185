//! Pictures of every format.

use std::io::Read as _;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use crate::bytes::{change, pick};
use crate::{Allowance, Input, Reader, Reading};

/// Pictures that the reader must know, with changes.
pub(crate) struct Pictures {
    sound: Vec<Vec<u8>>,
    folder: TempDir,
    file: PathBuf,
}

impl Pictures {
    pub(crate) fn new() -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let class = folder.path().join("class");
        std::fs::create_dir(&class)?;
        // Contents tell the format, not names.
        Ok(Self { sound: sound()?, folder, file: class.join("picture.png") })
    }
}

impl Reader for Pictures {
    fn name(&self) -> &'static str {
        "picture"
    }

    fn allowance(&self) -> Allowance {
        super::ALLOWANCE
    }

    fn make(&self, random: &mut ChaCha8Rng) -> Input {
        let mut bytes = pick(random, &self.sound).clone();
        change(random, &mut bytes);
        if random.random_bool(0.3) {
            mend_png(&mut bytes);
        }
        Input { kind: "a picture", bytes }
    }

    fn read(&self, input: &Input) -> Reading {
        if let Err(error) = std::fs::write(&self.file, &input.bytes) {
            panic!("{}: {error}", self.file.display());
        }
        // Both decoders of JPEGs are asked.
        let pixels = if input.bytes.len().is_multiple_of(2) { "image" } else { "pillow" };
        super::read(serde_json::json!({"kind": "images", "path": self.folder.path(), "jpeg-pixels": pixels}))
    }
}

/// The pictures that the tests of `fmr-data` read.
pub(super) fn sound() -> std::io::Result<Vec<Vec<u8>>> {
    let packed = include_bytes!("../../../../evaluation/data/tests/pictures/pictures.tar.gz");
    let mut archive = tar::Archive::new(GzDecoder::new(&packed[..]));
    let mut pictures = Vec::new();
    for entry in archive.entries()? {
        let mut bytes = Vec::new();
        entry?.read_to_end(&mut bytes)?;
        pictures.push(bytes);
    }
    Ok(pictures)
}

/// Gives every part of a PNG its right checksum, so that what was changed is looked at.
fn mend_png(bytes: &mut [u8]) {
    if !bytes.starts_with(b"\x89PNG") {
        return;
    }
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes) {
        let end = at.saturating_add(8).saturating_add(length as usize);
        let Some(part) = bytes.get(at + 4..end) else { return };
        let mut crc = flate2::Crc::new();
        crc.update(part);
        let sum = crc.sum().to_be_bytes();
        let Some(place) = bytes.get_mut(end..end + 4) else { return };
        place.copy_from_slice(&sum);
        at = end + 4;
    }
}
