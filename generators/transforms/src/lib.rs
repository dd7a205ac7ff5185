//! Basic transformations as an image model: the paper's remark that g may be as simple as "adding noises or rotating
//! images".
//!
//! The latent of an image is the parameters of a composition that is differentiable in all of them:
//!
//! ```text
//! x ─ rotation, scale, shear ─ blur ─ colour ─ contrast ─ noise ─▶ image
//! ```
//!
//! Encoding gives zeros, and zeros give the image back bit for bit. A value of 1 is a strong transformation of its kind
//! (the settings say how strong), so that one step size suits them all.
//!
//! # Where the image is
//!
//! A decode must be a pure function of latent rows, but these transformations need the image too. So a row carries it:
//! the last block, `image`, holds the encoded image, and its gradient is zero by definition, so that no step along the
//! gradient moves it, whatever the rule. It is carried 65,536 times as large: the random directions of restarts and of
//! gradients estimated from forwards, which do reach it, then change a pixel by less than a hundredth of a grey level.
//! Rows stay independent of each other. The price is one more image in memory for each sample.
//!
//! The noise is a standard normal field drawn once for each image, from the seed and the image's own values: only its
//! amplitude is a parameter, so that a decode is deterministic and a sample does not depend on its batch.

mod blur;
mod composition;
mod generator;
mod geometry;
mod layout;

pub use generator::{Transforms, register};
pub use layout::TransformsSettings;
