#![doc = include_str!("../README.md")]

mod error;
mod http;
mod mirror;
mod partial;
mod pattern;
mod unpack;
mod zip;

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fmr_core::registry::RemoteFile;

pub use error::FetchError;
use http::{Failure, Received};
use partial::{Origin, Partial, digest};

/// Environment variable that names a [`Fetcher::mirror`].
pub const MIRROR: &str = "FMR_MIRROR";

/// How long servers are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Longest time without a byte.
    pub silence: Duration,
    /// Requests in a row that bring next to nothing, before a file is given up.
    pub attempts: u32,
    /// Time before the second attempt; it doubles with each further one.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { silence: Duration::from_secs(30), attempts: 5, pause: Duration::from_secs(1) }
    }
}

/// Told how a download goes on.
pub trait Events {
    /// Bytes come, of a file of `total` bytes of which `at` are there.
    fn begun(&self, total: Option<u64>, at: u64) {
        let _ = (total, at);
    }

    /// So many more bytes are there.
    fn advanced(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Something went wrong; the next attempt follows after `pause`.
    fn retry(&self, problem: &str, pause: Duration) {
        let _ = (problem, pause);
    }
}

impl Events for () {}

/// How a file was obtained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// It was there already.
    Present,
    /// It was downloaded or copied from the mirror, with this SHA-256 in hexadecimal.
    New {
        /// Hash of the bytes that came.
        sha256: String,
    },
}

/// Obtains published files.
#[derive(Debug, Clone)]
pub struct Fetcher {
    agents: http::Agents,
    patience: Patience,
    mirror: Option<PathBuf>,
}

/// Bytes that show that a connection works.
const PROGRESS: u64 = 1 << 16;
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Fetcher {
    /// Obtains files from their addresses, or from a folder that holds copies of them: then nothing goes over the network.
    ///
    /// # Errors
    /// `SSL_CERT_FILE` names a file without certificates.
    pub fn new(mirror: Option<PathBuf>, patience: Patience) -> Result<Self, FetchError> {
        Ok(Self { agents: http::Agents::new(&patience)?, patience, mirror })
    }

    /// The folder that holds copies.
    pub fn mirror(&self) -> Option<&Path> {
        self.mirror.as_deref()
    }

    /// Number of bytes of a file: as published, or as the mirror or the server says.
    pub fn size(&self, file: &RemoteFile, to: &Path) -> Option<u64> {
        let ask = || match &self.mirror {
            Some(folder) => Some(mirror::find(folder, file, to).ok()?.metadata().ok()?.len()),
            None => http::size(&self.agents, file),
        };
        file.bytes.or_else(ask)
    }

    /// Obtains a file, unless it is there. It appears in its place whole and verified, or not at all; bytes that came before
    /// an error are kept beside it, and the next call goes on from there.
    ///
    /// # Errors
    /// The server or the mirror does not give the published bytes, or they cannot be written.
    pub fn fetch(&self, file: &RemoteFile, to: &Path, events: &dyn Events) -> Result<Fetched, FetchError> {
        if to.exists() {
            return present(file, to);
        }
        let mut partial = Partial::open(to)?;
        let done = match &self.mirror {
            Some(folder) => mirror::find(folder, file, to).and_then(|from| copy(&from, file, to, &mut partial, events)),
            None => self.download(file, to, &mut partial, events),
        };
        let sha256 = match done {
            Ok(sha256) => sha256,
            Err(error) => {
                if partial.len().is_ok_and(|len| len == 0) {
                    partial.remove();
                }
                return Err(error);
            }
        };
        if file.member.is_some() {
            unpack::unpack(&partial.path, &file.url, file, to)?;
            partial.remove();
        } else {
            partial.persist(to)?;
        }
        Ok(Fetched::New { sha256 })
    }

    fn download(
        &self,
        file: &RemoteFile,
        to: &Path,
        partial: &mut Partial,
        events: &dyn Events,
    ) -> Result<String, FetchError> {
        let mut failures = 0;
        loop {
            let before = partial.len()?;
            let (problem, wait) = match http::attempt(&self.agents, file, to, partial, events) {
                Ok(Received { in_one_piece }) => match verify(file, &file.url, to, partial) {
                    // Pieces of different files, or a cut that nobody announced.
                    Err(error @ FetchError::Hash { .. }) if !in_one_piece && failures + 1 < self.patience.attempts => {
                        partial.begin(&Origin::default())?;
                        (error.to_string(), Duration::ZERO)
                    }
                    verified => return verified,
                },
                Err(Failure::Again(problem, wait)) => (problem, wait),
                Err(Failure::Final(error)) => return Err(error),
            };
            failures = if partial.len()? >= before.saturating_add(PROGRESS) { 1 } else { failures + 1 };
            if failures >= self.patience.attempts {
                let problem = format!("{problem}; given up after {failures} attempts");
                return Err(FetchError::Server { url: file.url.clone().into_owned(), problem });
            }
            let doubled = self.patience.pause.saturating_mul(1 << (failures - 1).min(16));
            let pause = doubled.min(LONGEST_PAUSE).max(wait);
            events.retry(&problem, pause);
            std::thread::sleep(pause);
        }
    }
}

/// A file that is there; its hash is compared where it is that of the file itself.
fn present(file: &RemoteFile, to: &Path) -> Result<Fetched, FetchError> {
    if let (Some(wanted), None) = (&file.sha256, &file.member)
        && to.is_file()
    {
        let found = digest(to)?;
        if !file.is(&found) {
            return Err(FetchError::Other { path: to.to_owned(), found, wanted: wanted.clone().into_owned() });
        }
    }
    Ok(Fetched::Present)
}

/// Copies a mirror's file.
fn copy(
    from: &Path,
    file: &RemoteFile,
    to: &Path,
    partial: &mut Partial,
    events: &dyn Events,
) -> Result<String, FetchError> {
    let mut source = File::open(from).map_err(FetchError::file(from))?;
    let total = source.metadata().map_err(FetchError::file(from))?.len();
    partial.begin(&Origin::default())?;
    partial.seek_to_end()?;
    events.begun(Some(total), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = source.read(&mut buffer).map_err(FetchError::file(from))?;
        if read == 0 {
            break;
        }
        partial.file.write_all(&buffer[..read]).map_err(FetchError::file(&partial.path))?;
        events.advanced(read as u64);
    }
    verify(file, &from.display().to_string(), to, partial)
}

/// The hash of what came, if it is the published file. What is not is removed.
fn verify(file: &RemoteFile, from: &str, to: &Path, partial: &mut Partial) -> Result<String, FetchError> {
    let from = from.to_owned();
    let len = partial.len()?;
    let sha256 = partial.digest()?;
    let error = match (file.bytes, &file.sha256) {
        (Some(wanted), _) if wanted != len => FetchError::Size { from, found: len, wanted },
        (_, Some(wanted)) if !file.is(&sha256) => {
            FetchError::Hash { from, found: sha256, wanted: wanted.clone().into_owned() }
        }
        _ if http::is_web_page(&partial.start()?) => {
            FetchError::WebPage { url: file.url.clone().into_owned(), to: to.to_owned() }
        }
        _ => return Ok(sha256),
    };
    partial.begin(&Origin::default())?;
    Err(error)
}
