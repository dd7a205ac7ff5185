//! Common corruptions of fixed severity: the encoding of an image is the corrupted image.

use fmr_core::corruption::Corruption;
use fmr_core::{ComponentError, Generator, GeneratorSpec, LatentPullBack};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4};
use serde::{Deserialize, Serialize};

use crate::generator::Pixels;

/// A generator of kind `corruption`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CorruptionSettings {
    /// Which corruption.
    pub corruption: Corruption,
    /// How strong, from 1 to 5.
    pub severity: u8,
    /// Seed of what is random; the run's unless given.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// Pixels that start from a corrupted image.
#[derive(Debug)]
pub(crate) struct Corrupted {
    pub(crate) pixels: Pixels,
    pub(crate) corruption: Corruption,
    pub(crate) severity: u8,
    pub(crate) seed: u64,
}

impl Generator for Corrupted {
    fn spec(&self) -> &GeneratorSpec {
        self.pixels.spec()
    }

    fn encode(&self, images: ArrayView4<'_, f32>, _: &[usize]) -> Result<Array2<f32>, ComponentError> {
        let mut rows = self.pixels.rows("encode", images)?;
        let shape = self.pixels.spec.image;
        for mut row in rows.outer_iter_mut() {
            let corrupted = self.corruption.of(self.severity, &row.to_vec(), shape, self.seed);
            row.iter_mut().zip(corrupted).for_each(|(value, corrupted)| *value = corrupted);
        }
        Ok(rows)
    }

    fn decode(&self, latents: ArrayView2<'_, f32>, labels: &[usize]) -> Result<Array4<f32>, ComponentError> {
        self.pixels.decode(latents, labels)
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
        self.pixels.decode_with_pullback(latents, labels)
    }
}
