//! Numbers as vectors of waves.

use burn::tensor::{Device, Tensor, TensorData};

/// Longest period of the waves, over 2π.
const LONGEST: f64 = 10_000.0;

/// The embedding `[n, size]` of diffusion models: cosines of each time under falling frequencies, then the sines; an odd
/// size ends in zeros. Computed in double precision.
pub fn timestep_embedding(times: &[f32], size: usize, device: &Device) -> Tensor<2> {
    let half = size / 2;
    let frequencies: Vec<f64> = (0..half).map(|i| (-LONGEST.ln() * i as f64 / half as f64).exp()).collect();
    let mut values = Vec::with_capacity(times.len() * size);
    for time in times {
        let angles = || frequencies.iter().map(|f| f64::from(*time) * f);
        values.extend(angles().map(|angle| angle.cos() as f32));
        values.extend(angles().map(|angle| angle.sin() as f32));
        values.extend(std::iter::repeat_n(0.0, size % 2));
    }
    Tensor::from_data(TensorData::new(values, [times.len(), size]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_come_first_and_odd_sizes_end_in_zero() {
        let row = timestep_embedding(&[2.0], 5, &Device::flex()).into_data().try_into_vec::<f32>().unwrap_or_default();
        assert_eq!(
            row,
            [2.0_f64.cos() as f32, 0.02_f64.cos() as f32, 2.0_f64.sin() as f32, 0.02_f64.sin() as f32, 0.0]
        );
    }
}
