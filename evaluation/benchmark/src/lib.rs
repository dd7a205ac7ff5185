#![doc = include_str!("../README.md")]

mod card;
mod croissant;
mod folders;
mod read;
mod sample;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use thiserror::Error;

pub use card::{Card, Class, FORMAT, Licence, Purpose, Recheck};
pub use folders::class_folders;
pub use read::Benchmark;
pub use sample::Sample;
pub use write::Writer;

/// Folder of the perturbed images.
pub const IMAGES: &str = "images";
/// Folder of the originals.
pub const ORIGINALS: &str = "originals";
/// The card for programs.
pub const CARD: &str = "benchmark.json";
/// The card for people.
pub const README: &str = "README.md";
/// The metadata in the Croissant vocabulary.
pub const CROISSANT: &str = "croissant.json";
/// The list of samples.
pub const MANIFEST: &str = "manifest.csv";
/// Checksums of all other files.
pub const CHECKSUMS: &str = "SHA256SUMS";

/// A benchmark that cannot be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BenchmarkError {
    /// The system refused.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is something where the benchmark belongs.
    #[error("{} exists; remove it, or choose a different folder with --out", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A file of the benchmark is not what it should be.
    #[error("{}: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected, and what was found.
        problem: String,
    },
    /// Files differ from their checksums.
    #[error("{}: {} not as in {CHECKSUMS}, first {first}: the benchmark was changed or copied incompletely", path.display(), files(*count))]
    Changed {
        /// The benchmark.
        path: PathBuf,
        /// Files that differ or are missing.
        count: usize,
        /// The first of them.
        first: String,
    },
}

fn files(count: usize) -> String {
    if count == 1 { "1 file is".to_owned() } else { format!("{count} files are") }
}

impl BenchmarkError {
    fn io(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, doing, source }
    }

    fn format(path: &Path, problem: impl Into<String>) -> Self {
        Self::Format { path: path.to_owned(), problem: problem.into() }
    }
}

/// SHA-256 in hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
