//! Between the images of a run and the pictures of a model: a different size, other channels, a border, a different range.

use burn::tensor::{Device, Tensor};
use fmr_nn::bridge::beside;
use fmr_nn::resize::{Resize, recoloured};

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
    to_model: Resize,
    to_image: Resize,
    range: Range,
}

impl Fit {
    /// For images of that shape.
    pub fn new(config: &VdvaeConfig, image: [usize; 3], ink: BinaryInput, device: &Device) -> Self {
        let side = config.picture_side();
        let [_, h, w] = image;
        let range = if config.is_bernoulli() {
            Range::Unit { ink, side: config.target_res }
        } else {
            Range::Signed(Colours::of_bits(config.num_bits))
        };
        Self {
            image,
            channels: config.channels,
            to_model: Resize::new([h, w], [side; 2], device),
            to_image: Resize::new([side; 2], [h, w], device),
            range,
        }
    }

    /// Images to the model's input.
    pub fn input(&self, images: Tensor<4>) -> Tensor<4> {
        let x = self.to_model.apply(recoloured(images, self.channels));
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
        recoloured(self.to_image.apply(x), self.image[0])
    }
}

/// MNIST's border of zeros: two rows and columns before the picture, the others after it.
fn bordered(x: Tensor<4>, side: usize) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let canvas = beside(Tensor::zeros([n, c, side, side], &x.device().inner()), &x);
    canvas.slice_assign([0..n, 0..c, MNIST.0..MNIST.0 + h, MNIST.0..MNIST.0 + w], x)
}
