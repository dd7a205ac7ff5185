//! Pictures of sparse masks: the latent grid, and what the kept values do to images.

mod caption;
mod picture;
mod strip;

pub use picture::picture;
pub use strip::{STRIP_STEPS, strip};
