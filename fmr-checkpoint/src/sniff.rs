//! What a file is, told from its first bytes.

use crate::source::{Source, Span};

/// The serialisations that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Safetensors,
    Zip,
    Legacy,
    PlainPickle,
}

/// What a file is that is no serialisation of tensors.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// A JSON object, which may be an index of shards.
    Json,
    /// Something else, with its article.
    Other(String),
}

impl Foreign {
    /// What the file is, with its article.
    pub(crate) fn looks_like(self) -> String {
        match self {
            Self::Json => "a JSON document".into(),
            Self::Other(what) => what,
        }
    }
}

/// The magic number of the legacy stream, 0x1950a86a20f9469cfc6c, as a pickle holds it.
const LEGACY_MAGIC: &[u8] = b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
/// The same number in a text pickle.
const LEGACY_MAGIC_TEXT: &[u8] = b"L119547037146038801333356L";

/// Starts of files that people take for checkpoints.
const KNOWN: &[(&[u8], &str)] = &[
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"),
    (b"\xfd7zXZ\0", "an xz archive; unpack it first"),
    (b"BZh", "a bzip2 archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"\x89HDF\r\n", "an HDF5 file (Keras, TensorFlow)"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"GGUF", "a GGUF file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; fetch it with `git lfs pull`"),
];

/// The format of the file, or what it is instead.
pub(crate) fn sniff(source: &Source) -> Result<Format, Foreign> {
    let mut start = vec![0; source.len().min(512) as usize];
    let span = Span { offset: 0, len: start.len() as u64 };
    match source.read(span, span.len) {
        Ok(bytes) => start = bytes,
        Err(_) => return Err(Foreign::Other("a file that cannot be read".into())),
    }
    if start.is_empty() {
        return Err(Foreign::Other("an empty file".into()));
    }
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        return Ok(Format::Zip);
    }
    if start.starts_with(LEGACY_MAGIC_TEXT) {
        return Ok(Format::Legacy);
    }
    if start[0] == 0x80 && start.get(1).is_some_and(|&protocol| (1..=5).contains(&protocol)) {
        let head = &start[..start.len().min(32)];
        let legacy = head.windows(LEGACY_MAGIC.len()).any(|w| w == LEGACY_MAGIC);
        return Ok(if legacy { Format::Legacy } else { Format::PlainPickle });
    }
    if let Some((length, rest)) = start.split_first_chunk()
        && rest.first() == Some(&b'{')
        && (u64::from_le_bytes(*length) < source.len() || length[5..] == [0; 3])
    {
        return Ok(Format::Safetensors);
    }
    if start.trim_ascii_start().starts_with(b"{") {
        return Err(Foreign::Json);
    }
    Err(Foreign::Other(describe(&start)))
}

/// What a file that is no checkpoint is, with its article.
fn describe(start: &[u8]) -> String {
    if let Some((_, what)) = KNOWN.iter().find(|(magic, _)| start.starts_with(magic)) {
        return (*what).into();
    }
    if start.get(257..262) == Some(b"ustar") {
        return "a tar archive (of files, or written by a PyTorch before 0.4); unpack it first".into();
    }
    let text = start.trim_ascii_start();
    let lower = text[..text.len().min(64)].to_ascii_lowercase();
    if lower.starts_with(b"<!doctype") || lower.starts_with(b"<html") {
        return "an HTML page, perhaps a download page saved in place of the file".into();
    }
    if lower.starts_with(b"<") {
        return "an XML or HTML document".into();
    }
    if text.starts_with(b"[") {
        return "a JSON document".into();
    }
    if start.iter().all(|&b| b == 0) {
        return "a file of zero bytes, perhaps an unfinished download".into();
    }
    // A character may be cut in two at the end of the excerpt.
    let valid = match std::str::from_utf8(start) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    if valid && !start.iter().any(|&b| b < b'\t') {
        return "a text file".into();
    }
    "a file of an unknown kind".into()
}
