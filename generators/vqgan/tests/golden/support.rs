//! What the tests of this crate share.

#![allow(dead_code, clippy::unwrap_used, reason = "tests")]

use burn::tensor::{Tensor, TensorData};
use fmr_golden::Sheet;
use fmr_nn::device::test_device;
use fmr_vqgan::{Codebook, squared_distances};

/// A tensor of a sheet.
pub(crate) fn tensor<const D: usize>(sheet: &Sheet, name: &str) -> Tensor<D> {
    let data = TensorData::new(sheet.floats(name).to_vec(), sheet.shape(name).to_vec());
    Tensor::from_data(data, &test_device())
}

/// A tensor's values.
pub(crate) fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.without_autodiff().into_data().try_into_vec().unwrap()
}

/// Squared distance to the chosen row, and how much farther the second nearest is, for each position of `z`.
pub(crate) fn margins(codebook: &Codebook, z: &Tensor<4>) -> (Vec<f32>, Vec<f32>) {
    let rows = values(codebook.rows());
    let [_, d, h, w] = z.dims();
    let k = codebook.rows().dims()[0];
    let z_values = values(z.clone());
    let all: Vec<f64> = z_values.chunks_exact(d * h * w).flat_map(|z| squared_distances(&rows, z, d)).collect();
    let position = |(distances, chosen): (&[f64], usize)| {
        let others = distances.iter().enumerate().filter(|(j, _)| *j != chosen).map(|(_, v)| *v);
        let second = others.fold(f64::INFINITY, f64::min);
        (distances[chosen] as f32, (second - distances[chosen]) as f32)
    };
    all.chunks_exact(k).zip(codebook.indices(z)).map(position).unzip()
}

/// Gap between the two largest of `k` values for each position of `[k, positions]`.
pub(crate) fn two_largest(values: &[f32], k: usize, positions: usize) -> Vec<f32> {
    let gap = |sample: &[f32], p: usize| {
        let mut column: Vec<f32> = (0..k).map(|j| sample[j * positions + p]).collect();
        column.sort_by(|a, b| b.total_cmp(a));
        column[0] - column[1]
    };
    values.chunks_exact(k * positions).flat_map(|s| (0..positions).map(move |p| gap(s, p))).collect()
}
