//! Pictures of sparse masks: the latent grid, and what the kept values do to images.

mod caption;
mod picture;
mod strip;

use std::io;
use std::path::Path;

use image::{ImageFormat, RgbImage};

pub use picture::picture;
pub use strip::{STRIP_STEPS, strip};

/// Writes a picture as PNG, whole or not at all.
///
/// # Errors
/// The file cannot be written.
pub fn save(picture: &RgbImage, path: &Path) -> io::Result<()> {
    let mut png = io::Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).map_err(io::Error::other)?;
    fmr_files::replace(path, png.get_ref())
}
