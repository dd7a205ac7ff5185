//! Updates that leave the image as it was.
//!
//! A quantising generator decodes codebook vectors. An update that changes none of them gives the same image bit for bit,
//! and with it the same verdict, logits, score and gradient: all of that is reused, and none of it computed again. A
//! sparse mask makes such updates frequent.

use ndarray::{Array2, ArrayView1};

use super::Perturber;
use super::settings::State;
use super::state::Active;
use crate::ComponentError;

/// Latents `[n, any]` as decoding sees them, where that can spare an evaluation.
///
/// # Errors
/// The generator fails.
pub(super) fn quantized(p: &Perturber<'_>, latents: &Array2<f32>) -> Result<Option<Array2<f32>>, ComponentError> {
    // In image state latents are encoded anew, and an estimated gradient is drawn anew at every update.
    if p.search.state == State::Image || !p.target.spec().differentiable {
        return Ok(None);
    }
    p.generator.quantized(latents.view())
}

/// Whether decoding sees in `quantized` what it saw in the last accepted image's latent, so that its image, answers,
/// score and gradient are reused.
pub(super) fn reuses(sample: &Active, quantized: Option<ArrayView1<'_, f32>>) -> bool {
    sample.quantized.as_ref().zip(quantized).is_some_and(|(current, tried)| current == tried)
}
