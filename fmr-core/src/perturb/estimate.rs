//! Gradients of targets that have none, from forwards: antithetic random directions in latent space.

use ndarray::{Array1, Array2, ArrayView1};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Perturber;
use crate::ComponentError;

/// Purpose of a random generator: the directions of a gradient.
pub(super) const GRADIENT: u64 = 1;
/// The noise of a restart.
pub(super) const NOISE: u64 = 2;

/// A random generator for one sample, purpose, restart and update, the same on every machine.
pub(super) fn generator(seed: u64, purpose: u64, restart: usize, t: usize) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (part, value) in key.chunks_exact_mut(8).zip([seed, purpose, restart as u64, t as u64]) {
        part.copy_from_slice(&value.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// Estimate of d score / d z at `z`: the mean over random sign vectors u of u · (s(z + σu) − s(z − σu)) / 2σ.
pub(super) fn gradient(
    perturber: &Perturber<'_>,
    z: ArrayView1<'_, f32>,
    label: usize,
    clean: ArrayView1<'_, f32>,
    random: &mut ChaCha8Rng,
) -> Result<Array1<f32>, ComponentError> {
    let settings = &perturber.search.estimator;
    let sigma = settings.sigma as f32;
    let mut sum = Array1::<f64>::zeros(z.len());
    for _ in 0..settings.samples {
        let u: Array1<f32> = (0..z.len()).map(|_| if random.random::<bool>() { 1.0 } else { -1.0 }).collect();
        let mut pair = Array2::zeros((2, z.len()));
        pair.row_mut(0).assign(&(&z + &(&u * sigma)));
        pair.row_mut(1).assign(&(&z - &(&u * sigma)));
        let labels = [label; 2];
        let images = perturber.decode(&pair, &labels)?;
        let logits = perturber.logits(images.view())?;
        let mut both = Array2::zeros((2, clean.len()));
        both.row_mut(0).assign(&clean);
        both.row_mut(1).assign(&clean);
        let (scores, _) = perturber.scorer.score(logits.view(), both.view(), &labels)?;
        let slope = (f64::from(scores[0]) - f64::from(scores[1])) / (2.0 * settings.sigma);
        sum.zip_mut_with(&u, |s, u| *s += slope * f64::from(*u));
    }
    Ok(sum.mapv(|s| (s / settings.samples as f64) as f32))
}
