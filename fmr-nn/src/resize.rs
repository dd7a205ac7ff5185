//! Pictures of a different size or of other channels, differentiably: what lies between the images of a run and those of a
//! generative model.

use burn::tensor::{Device, Tensor, TensorData};

use crate::functional::linear;

/// A change of size: shrinking takes means over areas, enlarging interpolates between the centres of the two nearest
/// values. Of equal sizes it does nothing.
#[derive(Debug, Clone)]
pub struct Resize(Option<[Tensor<2>; 2]>);

impl Resize {
    /// The change from one `[height, width]` to another.
    pub fn new(from: [usize; 2], to: [usize; 2], device: &Device) -> Self {
        Self((from != to).then(|| [0, 1].map(|axis| matrix(from[axis], to[axis], device))))
    }

    /// Resizes `x [n, c, h, w]`.
    pub fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        let Some([rows, columns]) = &self.0 else { return x };
        let x = linear(x, columns.clone(), None);
        linear(x.swap_dims(2, 3), rows.clone(), None).swap_dims(2, 3)
    }
}

/// Grey as the mean of colours, colours as grey so many times.
pub fn recoloured(x: Tensor<4>, channels: usize) -> Tensor<4> {
    match (x.dims()[1], channels) {
        (from, to) if from == to => x,
        (_, 1) => x.mean_dim(1),
        (_, to) => x.mean_dim(1).repeat_dim(1, to),
    }
}

/// What resizes a line of `from` values to `to`, as a matrix `[from, to]`: shrinking takes means over areas, enlarging
/// interpolates between the centres of the two nearest values.
fn matrix(from: usize, to: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0.0_f32; from * to];
    let scale = from as f64 / to as f64;
    for j in 0..to {
        if to < from {
            let (start, end) = (j as f64 * scale, (j + 1) as f64 * scale);
            for i in start as usize..(end.ceil() as usize).min(from) {
                let covered = end.min((i + 1) as f64) - start.max(i as f64);
                values[i * to + j] = (covered / scale) as f32;
            }
        } else {
            let centre = ((j as f64 + 0.5) * scale - 0.5).clamp(0.0, (from - 1) as f64);
            let i = (centre as usize).min(from - 1);
            let share = centre - i as f64;
            values[i * to + j] += (1.0 - share) as f32;
            values[(i + 1).min(from - 1) * to + j] += share as f32;
        }
    }
    Tensor::from_data(TensorData::new(values, [from, to]), device)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn resize(values: &[f32], to: usize) -> Vec<f32> {
        let device = Device::flex();
        let x: Tensor<2> = Tensor::from_data(TensorData::new(values.to_vec(), [1, values.len()]), &device);
        linear(x, matrix(values.len(), to, &device), None).into_data().try_into_vec().unwrap()
    }

    #[test]
    fn lines_shrink_by_areas_and_grow_between_centres() {
        assert_eq!(resize(&[1.0, 3.0, 5.0, 7.0], 2), [2.0, 6.0]);
        let third = resize(&[3.0, 6.0, 9.0], 2);
        assert!((third[0] - 4.0).abs() < 1e-6 && (third[1] - 8.0).abs() < 1e-6, "{third:?}");
        assert_eq!(resize(&[0.0, 4.0], 4), [0.0, 1.0, 3.0, 4.0]);
        assert_eq!(resize(&[5.0], 3), [5.0; 3]);
    }
}
