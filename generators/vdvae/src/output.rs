//! The distribution of images that the network's output stands for.

use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, softplus};

use crate::config::{MNIST, VdvaeConfig};
use crate::mixture::Mixture;

/// Uniform noise of a draw.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and handed over at once")]
pub enum OutputNoise {
    /// Of a mixture of logistics, all in [1e-5, 1 − 1e-5].
    Mixture {
        /// `[n, components, h, w]`: chooses the component.
        component: Tensor<4>,
        /// `[n, 3, h, w]`: the place in it.
        place: Tensor<4>,
    },
    /// Of a Bernoulli model, `[n, 1, 28, 28]` in [0, 1).
    Bernoulli(Tensor<4>),
}

/// How parameters of the output become images.
#[derive(Debug, Clone)]
pub enum Output {
    /// Colours from a mixture of discretised logistics.
    Mixture(Mixture),
    /// Black or white.
    Bernoulli {
        /// Rows and columns that count: from the first to before the second.
        crop: (usize, usize),
    },
}

impl Output {
    pub(crate) fn new(config: &VdvaeConfig) -> Self {
        if config.is_bernoulli() {
            return Self::Bernoulli { crop: (MNIST.0, MNIST.1.min(config.target_res)) };
        }
        Self::Mixture(Mixture::new(config))
    }

    /// The picture without noise: the mean of the likeliest component, one colour after the other; a Bernoulli model's
    /// probabilities. In the model's range.
    pub fn most_likely(&self, parameters: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Mixture(mixture) => mixture.most_likely(parameters),
            Self::Bernoulli { crop } => sigmoid(cropped(parameters, *crop)),
        }
    }

    /// As [`Output::most_likely`] with components weighted by their probabilities, so that gradients reach those too.
    pub fn soft_mixture(&self, parameters: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Mixture(mixture) => mixture.soft(parameters),
            Self::Bernoulli { .. } => self.most_likely(parameters),
        }
    }

    /// A draw at a temperature, which a Bernoulli model does not have. `None` where the noise is of a different kind.
    pub fn draw(&self, parameters: Tensor<4>, noise: OutputNoise, temperature: f32) -> Option<Tensor<4>> {
        match (self, noise) {
            (Self::Mixture(mixture), OutputNoise::Mixture { component, place }) => {
                Some(mixture.draw(parameters, component, place, temperature))
            }
            (Self::Bernoulli { .. }, OutputNoise::Bernoulli(uniform)) => {
                Some(uniform.lower(self.most_likely(parameters)).float())
            }
            _ => None,
        }
    }

    /// −ln of the likelihood of each image `[n, c, h, w]` in the model's range, in nats.
    pub fn negative_log_likelihood(&self, parameters: Tensor<4>, images: Tensor<4>) -> Tensor<1> {
        match self {
            Self::Mixture(mixture) => mixture.negative_log_likelihood(parameters, images),
            Self::Bernoulli { crop } => {
                let (logits, images) = (cropped(parameters, *crop), cropped(images, *crop));
                let likelihood = images * logits.clone() - softplus(logits, 1.0);
                -likelihood.sum_dim(1).sum_dim(2).sum_dim(3).reshape([-1])
            }
        }
    }

    /// Values of a picture by which upstream divides: 28 × 28 of a Bernoulli model, whatever its size.
    pub fn effective_pixels(config: &VdvaeConfig) -> usize {
        let side = if config.is_bernoulli() { MNIST.1 - MNIST.0 } else { config.target_res };
        side * side * config.channels
    }
}

fn cropped(x: Tensor<4>, (first, end): (usize, usize)) -> Tensor<4> {
    x.narrow(2, first, end - first).narrow(3, first, end - first)
}
