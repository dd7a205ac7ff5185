//! Where the pixels of a data set are.

use std::borrow::Cow;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use fmr_core::shown;
use sha2::{Digest as _, Sha256};

use super::decode::{self, Limits, Pixels, Refusal};
use super::{DataError, open};

/// One image of bytes, `[channels, height, width]` row-major.
#[derive(Debug, Clone)]
pub(super) enum Picture {
    /// In memory: small images that their container holds unpacked.
    Held {
        /// Its shape.
        shape: [usize; 3],
        /// The pixels of all images of the container.
        bytes: Arc<Vec<u8>>,
        /// Its first byte among them.
        at: usize,
    },
    /// In a file, to be read whenever it is asked for.
    Filed {
        /// Its shape.
        shape: [usize; 3],
        /// Of shape and pixels.
        digest: [u8; 32],
        /// Where it is.
        place: Place,
        /// How large it may be.
        limits: Limits,
    },
}

/// Same pixels, wherever they are.
impl PartialEq for Picture {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for Picture {}

/// Why a picture is not there.
#[derive(Debug)]
pub(super) enum Failure {
    /// Its file cannot be read.
    Unread(DataError),
    /// Its file holds no picture that can be evaluated.
    Refused(Refusal),
}

impl Picture {
    /// Decodes the file once, to know that it can be decoded, and keeps only what it is.
    pub(super) fn filed(place: Place, limits: Limits) -> Result<Self, Failure> {
        let (shape, bytes) = place.decode(limits)?;
        Ok(Self::Filed { shape, digest: digest(shape, &bytes), place, limits })
    }

    pub(super) fn shape(&self) -> [usize; 3] {
        match self {
            Self::Held { shape, .. } | Self::Filed { shape, .. } => *shape,
        }
    }

    /// SHA-256 of shape and pixels.
    pub(super) fn digest(&self) -> [u8; 32] {
        match self {
            Self::Held { shape, bytes, at } => digest(*shape, held(*shape, bytes, *at)),
            Self::Filed { digest, .. } => *digest,
        }
    }

    pub(super) fn bytes(&self) -> Result<Cow<'_, [u8]>, DataError> {
        match self {
            Self::Held { shape, bytes, at } => Ok(held(*shape, bytes, *at).into()),
            Self::Filed { digest: known, place, limits, .. } => {
                let (shape, bytes) = place.decode(*limits).map_err(|failure| place.error(failure))?;
                if digest(shape, &bytes) != *known {
                    let problem = format!("{} has changed since the data set was opened", place.name());
                    return Err(DataError::format(place.file(), problem));
                }
                Ok(bytes.into())
            }
        }
    }
}

fn held(shape: [usize; 3], bytes: &[u8], at: usize) -> &[u8] {
    &bytes[at..at + shape.iter().product::<usize>()]
}

fn digest(shape: [usize; 3], bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    shape.iter().for_each(|side| hash.update((*side as u64).to_le_bytes()));
    hash.chain_update(bytes).finalize().into()
}

/// An encoded image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A file of its own.
    File(PathBuf),
    /// Part of a tar.
    Entry {
        /// The tar.
        tar: Arc<PathBuf>,
        /// The entry.
        name: String,
        /// Its first byte.
        at: u64,
        /// Its length.
        len: u64,
    },
}

impl Place {
    fn file(&self) -> &PathBuf {
        match self {
            Self::File(path) => path,
            Self::Entry { tar, .. } => tar,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::File(_) => "the picture".to_owned(),
            Self::Entry { name, .. } => shown::text(name),
        }
    }

    /// The failure as an error that names the picture.
    pub(super) fn error(&self, failure: Failure) -> DataError {
        match failure {
            Failure::Unread(error) => error,
            Failure::Refused(refusal) => DataError::format(self.file(), format!("{} {refusal}", self.name())),
        }
    }

    fn read(&self, limits: Limits) -> Result<Vec<u8>, Failure> {
        let path = self.file();
        let unread = |error| Failure::Unread(DataError::io(path)(error));
        let mut file = open::regular(path).map_err(unread)?;
        let len = match self {
            Self::File(_) => file.metadata().map_err(unread)?.len(),
            Self::Entry { at, len, .. } => {
                file.seek(SeekFrom::Start(*at)).map_err(unread)?;
                *len
            }
        };
        if len > limits.encoded() {
            return Err(Failure::Refused(Refusal::TooLong { length: len, most: limits.encoded() }));
        }
        let mut bytes = Vec::new();
        file.take(len).read_to_end(&mut bytes).map_err(unread)?;
        if (bytes.len() as u64) < len {
            let problem = format!("{} ends after {} of {len} bytes", self.name(), bytes.len());
            return Err(Failure::Unread(DataError::format(path, problem)));
        }
        Ok(bytes)
    }

    fn decode(&self, limits: Limits) -> Result<Pixels, Failure> {
        decode::decode(&self.read(limits)?, limits).map_err(Failure::Refused)
    }
}
