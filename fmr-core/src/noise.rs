//! Random numbers that are a function of an image and a seed, so that a sample does not depend on its batch.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Numbers of one image.
#[derive(Debug)]
pub struct ImageNoise {
    rng: ChaCha8Rng,
    /// The second number of a pair.
    kept: Option<f64>,
}

impl ImageNoise {
    /// The numbers of an image under a seed.
    pub fn of(image: &[f32], seed: u64) -> Self {
        // 64-bit FNV-1a.
        let bytes = image.iter().flat_map(|v| v.to_le_bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Self { rng: ChaCha8Rng::seed_from_u64(hash ^ seed.rotate_left(32)), kept: None }
    }

    /// Evenly in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.rng.random()
    }

    /// Standard normal, by Box and Muller.
    pub fn normal(&mut self) -> f64 {
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        // 1 - u lies in (0, 1].
        let (u, v) = (self.uniform(), self.uniform());
        let radius = (-2.0 * (1.0 - u).ln()).sqrt();
        let (sin, cos) = (2.0 * std::f64::consts::PI * v).sin_cos();
        self.kept = Some(radius * sin);
        radius * cos
    }
}
