//! Noise that is a function of a seed, an image and a step, and of nothing else.

use burn::tensor::{Device, Tensor, TensorData};
use fmr_nn::random;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// One key a sample of `images`, a function of its values.
pub(super) fn keys(images: &Tensor<4>) -> Vec<u64> {
    let [_, c, h, w] = images.dims();
    let data = images.clone().into_data();
    let values = data.as_slice::<f32>().unwrap_or(&[]);
    values.chunks_exact((c * h * w).max(1)).map(key).collect()
}

/// 64-bit FNV-1a.
fn key(values: &[f32]) -> u64 {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// Standard normal values `[n, c, h, w]`, one sample a key.
pub(super) fn normal(seed: u64, keys: &[u64], step: u64, [c, h, w]: [usize; 3], device: &Device) -> Tensor<4> {
    let values: Vec<f32> = keys.iter().flat_map(|key| sample(seed, *key, step, c * h * w)).collect();
    Tensor::from_data(TensorData::new(values, [keys.len(), c, h, w]), device)
}

fn sample(seed: u64, key: u64, step: u64, len: usize) -> Vec<f32> {
    let mut bytes = [0; 32];
    for (place, word) in bytes.chunks_exact_mut(8).zip([seed, key, step]) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    random::normal(&mut ChaCha8Rng::from_seed(bytes), len, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(keys: &[u64], step: u64) -> Vec<f32> {
        let drawn = normal(7, keys, step, [3, 4, 4], &Device::flex());
        drawn.into_data().try_into_vec().unwrap_or_default()
    }

    #[test]
    fn a_sample_has_its_noise_in_any_batch() {
        let all = values(&[1, 2, 3], 0);
        assert_eq!(all[48..96], values(&[2], 0));
        assert_ne!(values(&[2], 0), values(&[2], 1));
        assert_ne!(values(&[2], 0), values(&[3], 0));
    }

    #[test]
    fn noise_is_standard_normal() {
        let drawn = values(&(0..500).collect::<Vec<_>>(), 0);
        let n = drawn.len() as f32;
        let mean = drawn.iter().sum::<f32>() / n;
        let variance = drawn.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }
}
