//! Mask files.

use std::path::PathBuf;

use fmr_mask::Mask;
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;
use toml::Table;

use crate::bytes::{below, pick};
use crate::{Allowance, Input, Reader, Reading, toml_tree};

/// Masks that runs learned, with changes.
pub(crate) struct Masks {
    sound: Vec<Table>,
    file: PathBuf,
    _folder: TempDir,
}

impl Masks {
    pub(crate) fn new() -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/mask");
        let mut sound = Vec::new();
        for name in ["mnist-lenet-mnist.mask", "cifar10-resnet18-cifar-cifar10.mask"] {
            let text = std::fs::read_to_string(format!("{seeds}/{name}"))?;
            sound.push(text.parse().map_err(std::io::Error::other)?);
        }
        Ok(Self { sound, file: folder.path().join("a.mask"), _folder: folder })
    }
}

impl Reader for Masks {
    fn name(&self) -> &'static str {
        "mask"
    }

    /// A mask may be of a latent with 2²⁴ values, of which its file says in a few bytes which are kept: 12 bytes for each.
    fn allowance(&self) -> Allowance {
        Allowance { memory: 12 << 24, memory_per_byte: 1000, micros: 500_000, micros_per_byte: 20, text: 16 << 10 }
    }

    fn make(&self, random: &mut ChaCha8Rng) -> Input {
        let mut sound = pick(random, &self.sound).clone();
        // Values that changed are refused for the hash alone, unless it is absent, as in a mask written by hand.
        if below(random, 2) == 0 {
            sound.remove("hash");
        }
        Input { kind: "a mask", bytes: toml_tree::changed(random, &sound) }
    }

    /// What is read is written so that it reads again.
    fn read(&self, input: &Input) -> Reading {
        if let Err(error) = std::fs::write(&self.file, &input.bytes) {
            panic!("{}: {error}", self.file.display());
        }
        match Mask::load(&self.file) {
            Ok(mask) => {
                let saved = mask.save(&self.file).and_then(|()| Mask::load(&self.file));
                match saved {
                    Ok(again) => {
                        assert_eq!(again.kept(), mask.kept(), "the file that was written holds a different mask")
                    }
                    Err(error) => panic!("the mask that was read cannot be written and read again: {error}"),
                }
                Reading { taken: true, text: mask.to_string() }
            }
            Err(error) => Reading { taken: false, text: error.to_string() },
        }
    }
}
