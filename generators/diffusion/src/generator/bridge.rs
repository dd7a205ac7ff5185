//! Between a run's images, `[c, h, w]` in [0, 1], and the model's, in [-1, 1] and of a size and an order of its own.

use burn::tensor::{Device, Tensor};
use fmr_core::preprocess::{Filter, Pipeline, PipelineError, Stage};
use fmr_nn::bridge::{to_array, to_tensor};

use super::settings::Fit;
use crate::model::{ChannelOrder, ModelConfig};

/// Both directions, and the way back of the second.
#[derive(Debug)]
pub(super) struct Bridge {
    size: [usize; 2],
    change: Option<Change>,
    reversed: bool,
}

/// Changes of size, where there are any.
#[derive(Debug)]
struct Change {
    to_model: Pipeline,
    from_model: Pipeline,
}

impl Bridge {
    pub(super) fn new(image: [usize; 3], config: &ModelConfig, fit: Fit) -> Result<Self, PipelineError> {
        let [c, h, w] = image;
        let size = size([h, w], config, fit);
        let change = (size != [h, w])
            .then(|| {
                let (there, back) = match fit {
                    Fit::Resize => (resize(size), resize([h, w])),
                    Fit::Pad => {
                        let margin = |side: usize, to: usize| ((to - side) / 2) as isize;
                        let [top, left] = [margin(h, size[0]), margin(w, size[1])];
                        let there = Stage::Window { corner: [-top, -left], size };
                        (there, Stage::Window { corner: [top, left], size: [h, w] })
                    }
                };
                let to_model = Pipeline::new(image, &[there])?;
                let from_model = Pipeline::new([c, size[0], size[1]], &[back])?;
                Ok(Change { to_model, from_model })
            })
            .transpose()?;
        let reversed = config.channel_order == ChannelOrder::Bgr && c > 1;
        Ok(Self { size, change, reversed })
    }

    /// `[height, width]` of the model's images.
    pub(super) fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The model's images.
    pub(super) fn enter(&self, images: Tensor<4>) -> Tensor<4> {
        let resized = self.on_host(images, |change, images| change.to_model.forward(images.view()));
        self.ordered(resized) * 2.0 - 1.0
    }

    /// A run's images, in [0, 1] and a little beyond.
    pub(super) fn leave(&self, images: Tensor<4>) -> Tensor<4> {
        let images = (self.ordered(images) + 1.0) / 2.0;
        self.on_host(images, |change, images| change.from_model.forward(images.view()))
    }

    /// Gradient in the model's images, given that in what [`Bridge::leave`] makes of them.
    pub(super) fn pull_back(&self, gradient: Tensor<4>) -> Tensor<4> {
        let gradient = self.on_host(gradient, |change, gradient| change.from_model.pull_back(gradient.view()));
        self.ordered(gradient) / 2.0
    }

    fn ordered(&self, images: Tensor<4>) -> Tensor<4> {
        if self.reversed { images.flip([1]) } else { images }
    }

    fn on_host(
        &self,
        images: Tensor<4>,
        f: impl FnOnce(&Change, ndarray::Array4<f32>) -> ndarray::Array4<f32>,
    ) -> Tensor<4> {
        let Some(change) = &self.change else { return images };
        let device: Device = images.device();
        let [n, c, h, w] = images.dims();
        to_tensor(f(change, to_array(images, (n, c, h, w))).view(), &device)
    }
}

fn resize(size: [usize; 2]) -> Stage {
    Stage::Resize { size, filter: Filter::Bicubic, antialias: true }
}

/// `[height, width]` that the model works on: multiples of its factor.
fn size(image: [usize; 2], config: &ModelConfig, fit: Fit) -> [usize; 2] {
    let factor = config.unet.factor();
    match fit {
        Fit::Pad => image.map(|length| length.next_multiple_of(factor)),
        Fit::Resize => {
            let side = config.image_size.next_multiple_of(factor);
            let shorter = image[0].min(image[1]).max(1);
            image.map(|length| {
                let in_proportion = length as f64 * side as f64 / shorter as f64;
                ((in_proportion / factor as f64).round() as usize).max(1) * factor
            })
        }
    }
}
