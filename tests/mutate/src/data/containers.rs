//! Tars of pictures, idx files and CIFAR-10's binary records.

use std::io::Write as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use rand::{Rng as _, RngExt as _};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use super::pictures;
use crate::bytes::{below, change, overwrite, pick};
use crate::{Allowance, Input, Reader, Reading};

const TAR: &str = "a tar";
const IDX: &str = "an idx file";
const CIFAR: &str = "a file of records";

/// Containers of many pictures.
pub(crate) struct Containers {
    pictures: Vec<Vec<u8>>,
    folder: TempDir,
}

impl Containers {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { pictures: pictures::sound()?, folder: tempfile::tempdir()? })
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        if let Err(error) = std::fs::write(&path, bytes) {
            panic!("{}: {error}", path.display());
        }
        path
    }
}

impl Reader for Containers {
    fn name(&self) -> &'static str {
        "container"
    }

    fn allowance(&self) -> Allowance {
        super::ALLOWANCE
    }

    fn make(&self, random: &mut ChaCha8Rng) -> Input {
        let (kind, bytes) = match below(random, 10) {
            0..6 => (TAR, tar(&self.pictures, random)),
            6..9 => (IDX, idx(random)),
            _ => (CIFAR, records(random)),
        };
        Input { kind, bytes }
    }

    fn read(&self, input: &Input) -> Reading {
        super::read(match input.kind {
            TAR => serde_json::json!({"kind": "images", "path": self.write("images.tar", &input.bytes)}),
            CIFAR => serde_json::json!({"kind": "cifar10-binary", "path": self.write("x.bin", &input.bytes)}),
            _ => {
                let images = self.write("images", &input.bytes);
                let labels = self.write("labels", &[0, 0, 8, 1, 0, 0, 0, 2, 3, 4]);
                serde_json::json!({"kind": "idx", "images": images, "labels": labels})
            }
        })
    }
}

fn tar(pictures: &[Vec<u8>], random: &mut ChaCha8Rng) -> Vec<u8> {
    const NAMES: [&str; 12] = [
        "a/1.png",
        "a/1.png",
        "./a/b/2.jpg",
        "/b/3.webp",
        "b/../4.png",
        ".git/5.png",
        "a",
        "a/",
        "a/link.png",
        "6.png",
        "b/\u{1b}[2J.png",
        "b/7.txt",
    ];
    let mut bytes = Vec::new();
    for _ in 0..random.random_range(0..6) {
        let content = pick(random, pictures);
        let kind = *b"00000005127xLSg3".get(random.random_range(0..16_usize)).unwrap_or(&b'0');
        let mut header = [0_u8; 512];
        let name = *pick(random, &NAMES);
        header[..name.len()].copy_from_slice(name.as_bytes());
        let size = if random.random_bool(0.05) { random.next_u64() >> 31 } else { content.len() as u64 };
        header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        header[156] = kind;
        let target = *pick(random, &NAMES);
        header[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header[257..265].copy_from_slice(b"ustar\x0000");
        if random.random_bool(0.1) {
            overwrite(random, &mut header);
        }
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        bytes.extend(header);
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.extend([0; 1024]);
    if random.random_bool(0.3) {
        let mut cut = bytes.len();
        cut -= random.random_range(0..cut.min(2048));
        bytes.truncate(cut);
    }
    bytes
}

/// An idx file of images; its labels are always two.
fn idx(random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, 2];
    for _ in 0..2 {
        let side: u32 = if random.random_bool(0.2) { random.next_u32() } else { random.random_range(0..40) };
        bytes.extend(side.to_be_bytes());
    }
    let length = random.random_range(0..3200);
    bytes.extend(std::iter::repeat_n(7, length));
    if random.random_bool(0.5) {
        change(random, &mut bytes);
    }
    if random.random_bool(0.5) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Zeros after the pixels: a bomb.
        let more = if random.random_bool(0.1) { 1 << 24 } else { 0 };
        let written = encoder.write_all(&bytes).and_then(|()| encoder.write_all(&vec![0; more]));
        if let (Ok(()), Ok(packed)) = (written, encoder.finish()) {
            bytes = packed;
        }
        if random.random_bool(0.5) {
            change(random, &mut bytes);
        }
    }
    bytes
}

/// Records of a label and an image, whole or not.
fn records(random: &mut ChaCha8Rng) -> Vec<u8> {
    const RECORD: usize = 1 + 3 * 32 * 32;
    let mut bytes = vec![7; RECORD * below(random, 4)];
    let more = if random.random_bool(0.3) { below(random, RECORD) } else { 0 };
    bytes.resize(bytes.len() + more, 1);
    if random.random_bool(0.7) {
        change(random, &mut bytes);
    }
    bytes
}
