//! Between the images of a run and the pictures of a model: another size, other channels, a border, another range.

use burn::tensor::{Device, Tensor, TensorData};
use fmr_nn::bridge::beside;
use fmr_nn::functional::linear;

use crate::config::{MNIST, VdvaeConfig};
use crate::pixels::Colours;
use crate::settings::BinaryInput;

/// The range of a model's pictures.
#[derive(Debug, Clone, Copy)]
enum Range {
    /// −1 to 1, in the colours of so many bits.
    Signed(Colours),
    /// 0 to 1, with a border of zeros to this side.
    Unit { ink: BinaryInput, side: usize },
}

/// The way from images `[c, h, w]` in [0, 1] to a model's input and back from its pictures.
#[derive(Debug)]
pub struct Fit {
    image: [usize; 3],
    channels: usize,
    /// Resizing to the model's pictures: matrices of rows and of columns; absent where the size is the same.
    to_model: Option<[Tensor<2>; 2]>,
    to_image: Option<[Tensor<2>; 2]>,
    range: Range,
}

impl Fit {
    /// For images of that shape.
    pub fn new(config: &VdvaeConfig, image: [usize; 3], ink: BinaryInput, device: &Device) -> Self {
        let side = config.picture_side();
        let [_, h, w] = image;
        let matrices = |from: [usize; 2], to: [usize; 2]| {
            (from != to).then(|| [0, 1].map(|axis| matrix(from[axis], to[axis], device)))
        };
        let range = if config.is_bernoulli() {
            Range::Unit { ink, side: config.target_res }
        } else {
            Range::Signed(Colours::of_bits(config.num_bits))
        };
        Self {
            image,
            channels: config.channels,
            to_model: matrices([h, w], [side; 2]),
            to_image: matrices([side; 2], [h, w]),
            range,
        }
    }

    /// Images to the model's input.
    pub fn input(&self, images: Tensor<4>) -> Tensor<4> {
        let x = resized(recoloured(images, self.channels), self.to_model.as_ref());
        match self.range {
            Range::Signed(colours) => colours.of_unit(x),
            Range::Unit { ink, side } => {
                let x = if ink == BinaryInput::Threshold { x.greater_equal_elem(0.5).float() } else { x };
                bordered(x, side)
            }
        }
    }

    /// The model's pictures to images.
    pub fn images(&self, pictures: Tensor<4>) -> Tensor<4> {
        let x = match self.range {
            Range::Signed(_) => (pictures + 1.0) / 2.0,
            Range::Unit { .. } => pictures,
        };
        recoloured(resized(x, self.to_image.as_ref()), self.image[0])
    }
}

/// Grey as the mean of colours, colours as grey three times.
fn recoloured(x: Tensor<4>, channels: usize) -> Tensor<4> {
    match (x.dims()[1], channels) {
        (from, to) if from == to => x,
        (_, 1) => x.mean_dim(1),
        (_, to) => x.mean_dim(1).repeat_dim(1, to),
    }
}

/// MNIST's border of zeros: two rows and columns before the picture, the others after it.
fn bordered(x: Tensor<4>, side: usize) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let canvas = beside(Tensor::zeros([n, c, side, side], &x.device().inner()), &x);
    canvas.slice_assign([0..n, 0..c, MNIST.0..MNIST.0 + h, MNIST.0..MNIST.0 + w], x)
}

fn resized(x: Tensor<4>, matrices: Option<&[Tensor<2>; 2]>) -> Tensor<4> {
    let Some([rows, columns]) = matrices else { return x };
    let x = linear(x, columns.clone(), None);
    linear(x.swap_dims(2, 3), rows.clone(), None).swap_dims(2, 3)
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
