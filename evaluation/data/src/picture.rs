//! Where the pixels of a data set are.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::DataError;

/// One image of bytes, `[channels, height, width]` row-major.
#[derive(Debug, Clone)]
pub(super) enum Picture {
    /// In memory: small images that their container holds unpacked.
    Held {
        /// Its shape.
        shape: [usize; 3],
        /// Its pixels.
        bytes: Vec<u8>,
    },
    /// In a file, to be read whenever it is asked for.
    Filed {
        /// Its shape.
        shape: [usize; 3],
        /// Of shape and pixels.
        digest: [u8; 32],
        /// Where it is.
        place: Place,
    },
}

/// Same pixels, wherever they are.
impl PartialEq for Picture {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for Picture {}

impl Picture {
    /// Decodes the file once, to know that it can be decoded, and keeps only what it is.
    pub(super) fn filed(place: Place) -> Result<Self, DataError> {
        let (shape, bytes) = place.decode()?;
        Ok(Self::Filed { shape, digest: digest(shape, &bytes), place })
    }

    pub(super) fn shape(&self) -> [usize; 3] {
        match self {
            Self::Held { shape, .. } | Self::Filed { shape, .. } => *shape,
        }
    }

    /// SHA-256 of shape and pixels.
    pub(super) fn digest(&self) -> [u8; 32] {
        match self {
            Self::Held { shape, bytes } => digest(*shape, bytes),
            Self::Filed { digest, .. } => *digest,
        }
    }

    pub(super) fn bytes(&self) -> Result<Cow<'_, [u8]>, DataError> {
        match self {
            Self::Held { bytes, .. } => Ok(bytes.into()),
            Self::Filed { digest: known, place, .. } => {
                let (shape, bytes) = place.decode()?;
                if digest(shape, &bytes) != *known {
                    let problem = format!("{} has changed since the data set was opened", place.name());
                    return Err(DataError::format(place.file(), problem));
                }
                Ok(bytes.into())
            }
        }
    }
}

fn digest(shape: [usize; 3], bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    shape.iter().for_each(|side| hash.update((*side as u64).to_le_bytes()));
    hash.chain_update(bytes).finalize().into()
}

/// An encoded image.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A file of its own.
    File(PathBuf),
    /// Part of a tar.
    Entry {
        /// The tar.
        tar: PathBuf,
        /// The entry.
        name: String,
        /// Its first byte.
        at: u64,
        /// Its length.
        len: u64,
    },
}

/// A single image file may not be larger than this.
const MOST_BYTES: u64 = 64 << 20;

impl Place {
    fn file(&self) -> &PathBuf {
        match self {
            Self::File(path) | Self::Entry { tar: path, .. } => path,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::File(_) => "it",
            Self::Entry { name, .. } => name,
        }
    }

    fn read(&self) -> Result<Vec<u8>, DataError> {
        let path = self.file();
        let mut file = File::open(path).map_err(DataError::io(path))?;
        let len = match self {
            Self::File(_) => file.metadata().map_err(DataError::io(path))?.len(),
            Self::Entry { at, len, .. } => {
                file.seek(SeekFrom::Start(*at)).map_err(DataError::io(path))?;
                *len
            }
        };
        if len > MOST_BYTES {
            let problem = format!("{} is larger than {} MiB", self.name(), MOST_BYTES >> 20);
            return Err(DataError::format(path, problem));
        }
        let mut bytes = Vec::new();
        file.take(len).read_to_end(&mut bytes).map_err(DataError::io(path))?;
        if (bytes.len() as u64) < len {
            let problem = format!("{} ends after {} of {len} bytes", self.name(), bytes.len());
            return Err(DataError::format(path, problem));
        }
        Ok(bytes)
    }

    /// Shape and pixels.
    fn decode(&self) -> Result<([usize; 3], Vec<u8>), DataError> {
        let encoded = self.read()?;
        let image = image::load_from_memory(&encoded)
            .map_err(|e| DataError::format(self.file(), format!("{}: {e}", self.name())))?
            .to_rgb8();
        let (w, h) = (image.width() as usize, image.height() as usize);
        let raw = image.into_raw();
        let bytes = (0..3).flat_map(|k| raw.iter().skip(k).step_by(3).copied()).collect();
        Ok(([3, h, w], bytes))
    }
}
