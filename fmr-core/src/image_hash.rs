//! Names of images by their content.

use std::fmt;
use std::str::FromStr;

use ndarray::ArrayView3;
use sha2::{Digest as _, Sha256};

use crate::preprocess::Picture;

/// Names an image `[c, h, w]` by every bit of its values: SHA-256 of its shape (three little-endian `u64`) and values
/// (little-endian `f32`, row by row).
///
/// ```
/// use fmr_core::ImageHash;
/// use ndarray::Array3;
///
/// let grey = Array3::from_elem((1, 2, 3), 0.5);
/// let hash = ImageHash::of(grey.view());
/// assert_eq!(hash, ImageHash::of(grey.clone().view()));
/// assert_ne!(hash, ImageHash::of(grey.mapv(|v| v + f32::EPSILON).view()));
/// assert_eq!(hash.to_string().parse(), Ok(hash));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageHash([u8; 32]);

impl ImageHash {
    /// The name of an image.
    pub fn of(image: ArrayView3<'_, f32>) -> Self {
        let mut hash = Sha256::new();
        for side in image.shape() {
            hash.update((*side as u64).to_le_bytes());
        }
        let bytes: Vec<u8> = image.iter().flat_map(|v| v.to_le_bytes()).collect();
        hash.update(&bytes);
        Self(hash.finalize().into())
    }

    /// Names the image of this name as models see it that are shown its picture as the file holds it: SHA-256 of this
    /// name, the picture's shape (three little-endian `u64`) and its bytes.
    #[must_use]
    pub fn of_picture(&self, picture: &Picture) -> Self {
        let mut hash = Sha256::new().chain_update(self.0);
        for side in picture.shape {
            hash.update((side as u64).to_le_bytes());
        }
        Self(hash.chain_update(&picture.bytes).finalize().into())
    }

    /// A name of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for ImageHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an image's hash has 64 hexadecimal digits")]
pub struct NoImageHash;

impl FromStr for ImageHash {
    type Err = NoImageHash;

    fn from_str(text: &str) -> Result<Self, NoImageHash> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(NoImageHash);
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| NoImageHash)?;
        }
        Ok(Self(bytes))
    }
}
