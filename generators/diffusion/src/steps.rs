//! Steps of the original samplers, each sample at a step of its own: ancestral sampling, DDIM and its reverse, guidance.
//!
//! The network's `output [n, 2c, h, w]` holds ε and, below it, where each variance lies between the two extremes;
//! `[n, c, h, w]` for networks that do not learn variances.

use burn::tensor::Tensor;

use crate::process::{FixedVariance, Process};

/// What the network says of the step before, given the values at a step.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// Mean of the step before.
    pub mean: Tensor<4>,
    /// Variance of the step before.
    pub variance: Tensor<4>,
    /// Its logarithm.
    pub log_variance: Tensor<4>,
    /// The image.
    pub x_start: Tensor<4>,
}

impl Process {
    /// Reads the network's output for the values `x` at `steps`; `clamp` keeps the image within [-1, 1].
    pub fn predict(&self, x: &Tensor<4>, steps: &[usize], output: Tensor<4>, clamp: bool) -> Prediction {
        let channels = x.dims()[1];
        let learned = output.dims()[1] > channels;
        let eps = if learned { output.clone().narrow(1, 0, channels) } else { output.clone() };
        let x_start = self.x_start(x.clone(), steps, eps);
        let x_start = if clamp { x_start.clamp(-1.0, 1.0) } else { x_start };
        let log_variance = if learned {
            let share = (output.narrow(1, channels, channels) + 1.0) / 2.0;
            let largest = self.values(steps, x, |t, i| t.betas[i].ln());
            let smallest = self.values(steps, x, |t, i| t.posterior_log_variance_clipped[i]);
            share.clone() * largest + (share * -1.0 + 1.0) * smallest
        } else {
            let fixed = self.fixed_variance();
            self.values(steps, x, |t, i| match (fixed, i) {
                (FixedVariance::Large, 0) => t.posterior_variance[1].ln(),
                (FixedVariance::Large, _) => t.betas[i].ln(),
                (FixedVariance::Small, _) => t.posterior_log_variance_clipped[i],
            })
            .expand(x.dims())
        };
        // The variance of small fixed ones is exactly zero at the first step, whatever its clipped logarithm says.
        let variance = match (learned, self.fixed_variance()) {
            (false, FixedVariance::Small) => self.values(steps, x, |t, i| t.posterior_variance[i]).expand(x.dims()),
            _ => log_variance.clone().exp(),
        };
        let mean = self.posterior_mean(x_start.clone(), x.clone(), steps);
        Prediction { mean, variance, log_variance, x_start }
    }

    /// The image that the values `x` would have come from with noise `eps`.
    pub fn x_start(&self, x: Tensor<4>, steps: &[usize], eps: Tensor<4>) -> Tensor<4> {
        let of_x = self.values(steps, &x, |t, i| (1.0 / t.alphas_cumprod[i]).sqrt());
        let of_eps = self.values(steps, &x, |t, i| (1.0 / t.alphas_cumprod[i] - 1.0).sqrt());
        x * of_x - eps * of_eps
    }

    /// The noise with which the values `x` would have come from the image: after a clamp it is not the network's.
    pub fn eps(&self, x: Tensor<4>, steps: &[usize], x_start: Tensor<4>) -> Tensor<4> {
        let of_x = self.values(steps, &x, |t, i| (1.0 / t.alphas_cumprod[i]).sqrt());
        let of_eps = self.values(steps, &x, |t, i| (1.0 / t.alphas_cumprod[i] - 1.0).sqrt());
        (x * of_x - x_start) / of_eps
    }

    /// Guidance of ancestral sampling: the mean moves along `gradient`, that of a log-probability at `x`.
    #[must_use]
    pub fn guide_mean(&self, prediction: Prediction, gradient: Tensor<4>) -> Prediction {
        Prediction { mean: prediction.mean + prediction.variance.clone() * gradient, ..prediction }
    }

    /// Guidance of DDIM: ε moves against `gradient`, and image and mean follow without another clamp.
    #[must_use]
    pub fn guide_score(
        &self,
        prediction: Prediction,
        x: &Tensor<4>,
        steps: &[usize],
        gradient: Tensor<4>,
    ) -> Prediction {
        let of_gradient = self.values(steps, x, |t, i| (1.0 - t.alphas_cumprod[i]).sqrt());
        let eps = self.eps(x.clone(), steps, prediction.x_start) - gradient * of_gradient;
        let x_start = self.x_start(x.clone(), steps, eps);
        let mean = self.posterior_mean(x_start.clone(), x.clone(), steps);
        Prediction { mean, x_start, ..prediction }
    }

    /// Ancestral sampling: mean and standard deviation times `noise`, which the first step goes without.
    pub fn ancestral(&self, prediction: Prediction, steps: &[usize], noise: Tensor<4>) -> Tensor<4> {
        let noisy = self.values(steps, &prediction.mean, |_, i| f64::from(u8::from(i > 0)));
        prediction.mean + (prediction.log_variance * 0.5).exp() * noise * noisy
    }

    /// DDIM. `eta` is 0 for none of the ancestral noise and 1 for all of it, which `noise` gives.
    pub fn ddim(
        &self,
        x: Tensor<4>,
        steps: &[usize],
        prediction: Prediction,
        eta: f64,
        noise: Option<Tensor<4>>,
    ) -> Tensor<4> {
        let sigma = |t: &crate::schedule::Tables, i: usize| {
            let (a, p) = (t.alphas_cumprod[i], t.alphas_cumprod_prev[i]);
            eta * ((1.0 - p) / (1.0 - a)).sqrt() * (1.0 - a / p).sqrt()
        };
        let of_image = self.values(steps, &x, |t, i| t.alphas_cumprod_prev[i].sqrt());
        let of_eps =
            self.values(steps, &x, |t, i| (1.0 - t.alphas_cumprod_prev[i] - sigma(t, i).powi(2)).max(0.0).sqrt());
        let of_noise = self.values(steps, &x, |t, i| if i > 0 { sigma(t, i) } else { 0.0 });
        let eps = self.eps(x, steps, prediction.x_start.clone());
        let mean = prediction.x_start * of_image + eps * of_eps;
        match noise {
            Some(noise) => mean + noise * of_noise,
            None => mean,
        }
    }

    /// One step of the deterministic DDIM towards noise. From the last step it leads to nothing but noise.
    pub fn ddim_reverse(&self, x: Tensor<4>, steps: &[usize], prediction: Prediction) -> Tensor<4> {
        let of_image = self.values(steps, &x, |t, i| t.alphas_cumprod_next[i].sqrt());
        let of_eps = self.values(steps, &x, |t, i| (1.0 - t.alphas_cumprod_next[i]).sqrt());
        let eps = self.eps(x, steps, prediction.x_start.clone());
        prediction.x_start * of_image + eps * of_eps
    }
}
