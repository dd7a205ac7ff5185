//! Inputs made from pictures, tars and idx files, and what reading one may cost.

use std::io::{Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use fmr_data::DataSettings;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Small, so that declared sizes are often beyond it.
const MOST_PIXELS: u64 = 1 << 20;
/// No input of a few kilobytes may take longer.
const MOST_TIME: Duration = Duration::from_secs(5);

/// One input: a folder or files on disk, and the settings that read them.
pub(crate) struct Input {
    /// What it was made from.
    pub(crate) kind: &'static str,
    /// The bytes that matter.
    pub(crate) bytes: Vec<u8>,
    ending: String,
}

/// Makes inputs, each from its seed alone.
pub(crate) struct Maker {
    pictures: Vec<(String, Vec<u8>)>,
}

impl Maker {
    /// Reads the pictures that inputs are made from.
    pub(crate) fn new() -> std::io::Result<Self> {
        let packed = include_bytes!("../../tests/pictures/pictures.tar.gz");
        let mut archive = tar::Archive::new(GzDecoder::new(&packed[..]));
        let mut pictures = Vec::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = entry.path()?.display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            pictures.push((name, bytes));
        }
        Ok(Self { pictures })
    }

    /// The input of a number.
    pub(crate) fn make(&self, seed: u64, number: u64) -> Input {
        // The golden ratio spreads consecutive numbers over all seeds.
        let seed = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let random = &mut ChaCha8Rng::seed_from_u64(seed);
        match random.random_range(0..10) {
            0..7 => self.picture(random),
            7 | 8 => self.tar(random),
            _ => idx(random),
        }
    }

    fn picture(&self, random: &mut ChaCha8Rng) -> Input {
        let (name, bytes) = &self.pictures[random.random_range(0..self.pictures.len())];
        let mut bytes = bytes.clone();
        change(random, &mut bytes);
        if random.random_bool(0.3) {
            mend_png(&mut bytes);
        }
        Input { kind: "picture", bytes, ending: name.rsplit('.').next().unwrap_or("png").to_owned() }
    }

    fn tar(&self, random: &mut ChaCha8Rng) -> Input {
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
            let content = &self.pictures[random.random_range(0..self.pictures.len())].1;
            let kind = *b"00000005127xLSg3".get(random.random_range(0..16_usize)).unwrap_or(&b'0');
            let mut header = [0_u8; 512];
            let name = NAMES[random.random_range(0..NAMES.len())];
            header[..name.len()].copy_from_slice(name.as_bytes());
            let size = if random.random_bool(0.05) { random.next_u64() >> 31 } else { content.len() as u64 };
            header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
            header[156] = kind;
            let target = NAMES[random.random_range(0..NAMES.len())];
            header[157..157 + target.len()].copy_from_slice(target.as_bytes());
            header[257..265].copy_from_slice(b"ustar\x0000");
            if random.random_bool(0.1) {
                change(random, &mut header[..]);
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
        Input { kind: "tar", bytes, ending: "tar".to_owned() }
    }
}

/// An idx file of images; its labels are always two.
fn idx(random: &mut ChaCha8Rng) -> Input {
    let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, 2];
    for _ in 0..2 {
        let side: u32 = if random.random_bool(0.2) { random.next_u32() } else { random.random_range(0..40) };
        bytes.extend(side.to_be_bytes());
    }
    let length = random.random_range(0..3200);
    bytes.extend(std::iter::repeat_n(7, length));
    if random.random_bool(0.5) {
        change(random, &mut bytes[..]);
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
            change(random, &mut bytes[..]);
        }
    }
    Input { kind: "idx", bytes, ending: "idx".to_owned() }
}

/// Something whose bytes are changed.
trait Bytes {
    fn slice(&mut self) -> &mut [u8];
    /// Cuts, doubles or removes a part, where the length may change.
    fn reshape(&mut self, _random: &mut ChaCha8Rng) {}
}

impl Bytes for [u8] {
    fn slice(&mut self) -> &mut [u8] {
        self
    }
}

impl Bytes for Vec<u8> {
    fn slice(&mut self) -> &mut [u8] {
        self
    }

    fn reshape(&mut self, random: &mut ChaCha8Rng) {
        let (a, b) = (random.random_range(0..=self.len()), random.random_range(0..=self.len()));
        let (from, to) = (a.min(b), a.max(b));
        match random.random_range(0..3) {
            0 => self.truncate(to),
            1 => drop(self.drain(from..to)),
            _ => {
                let part = self[from..to].to_vec();
                self.splice(to..to, part);
            }
        }
    }
}

/// Changes a few bytes, numbers or parts.
fn change<B: Bytes + ?Sized>(random: &mut ChaCha8Rng, bytes: &mut B) {
    for _ in 0..random.random_range(1..4) {
        if random.random_bool(0.2) {
            bytes.reshape(random);
        }
        let slice = bytes.slice();
        if slice.len() < 4 {
            return;
        }
        // Headers are at the front, and matter most.
        let end = if random.random_bool(0.5) { slice.len().min(64) } else { slice.len() };
        let at = random.random_range(0..end - 3);
        match random.random_range(0..4) {
            0 => slice[at] ^= 1 << random.random_range(0..8),
            1 => slice[at] = random.random(),
            2 => slice[at..at + 2]
                .copy_from_slice(&[[0, 0], [255, 255], [0, 1], [127, 255]][random.random_range(0..4_usize)]),
            _ => {
                let number = [0, 1, u32::MAX, 1 << 16, 1 << 31, 1 << 20][random.random_range(0..6_usize)];
                let number = if random.random_bool(0.5) { number.to_be_bytes() } else { number.to_le_bytes() };
                slice[at..at + 4].copy_from_slice(&number);
            }
        }
    }
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

/// Reads inputs in a folder of its own.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    /// The slowest input so far.
    pub(crate) slowest: Duration,
}

impl Bench {
    /// A bench with an empty folder.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { folder: tempfile::tempdir()?, slowest: Duration::ZERO })
    }

    /// Reads an input: how many images it has, none where it is refused, or what must not happen.
    pub(crate) fn run(&mut self, input: &Input) -> Result<Option<usize>, String> {
        let settings = self.written(input).map_err(|error| format!("cannot be written: {error}"))?;
        let start = Instant::now();
        let read = catch_unwind(AssertUnwindSafe(|| {
            let data = settings.load().map_err(|error| error.to_string())?;
            (0..data.len()).try_for_each(|i| data.image(i).map(drop).map_err(|error| error.to_string()))?;
            Ok::<_, String>((data.len(), data.remarks().join("\n")))
        }));
        let time = start.elapsed();
        self.slowest = self.slowest.max(time);
        let text = match &read {
            Err(_) => return Err("panics".to_owned()),
            Ok(Ok((_, remarks))) => remarks,
            Ok(Err(error)) => error,
        };
        if time > MOST_TIME {
            return Err(format!("takes {time:?}"));
        }
        if text.len() > 10_000 || text.chars().any(|c| c.is_control() && c != '\n') {
            return Err(format!("says {:?}", text.chars().take(200).collect::<String>()));
        }
        Ok(read.ok().and_then(Result::ok).map(|(images, _)| images))
    }

    fn written(&self, input: &Input) -> std::io::Result<DataSettings> {
        let folder = self.folder.path();
        let write = |path: PathBuf, bytes: &[u8]| std::fs::write(&path, bytes).map(|()| path);
        let settings = match input.kind {
            "picture" => {
                let class = folder.join("pictures/class");
                if class.exists() {
                    std::fs::remove_dir_all(&class)?;
                }
                std::fs::create_dir_all(&class)?;
                write(class.join(format!("picture.{}", input.ending)), &input.bytes)?;
                serde_json::json!({"kind": "images", "path": folder.join("pictures")})
            }
            "tar" => serde_json::json!({"kind": "images", "path": write(folder.join("x.tar"), &input.bytes)?}),
            _ => {
                let labels = write(folder.join("labels"), &[0, 0, 8, 1, 0, 0, 0, 2, 3, 4])?;
                serde_json::json!({"kind": "idx", "images": write(folder.join("images"), &input.bytes)?, "labels": labels})
            }
        };
        let settings: DataSettings = serde_json::from_value(settings).map_err(std::io::Error::other)?;
        Ok(DataSettings { max_pixels: MOST_PIXELS, ..settings })
    }

    /// Keeps an input that failed.
    #[allow(dead_code, reason = "the test keeps none")]
    pub(crate) fn keep(input: &Input, path: &Path) -> std::io::Result<()> {
        std::fs::write(path, &input.bytes)
    }
}
