//! Normal distributions of latents: means and deviations from two halves of a network's output.

use burn::tensor::Tensor;

use crate::cell::halves;
use crate::config::Base;

/// From here on, in units of 1/β, softplus is its argument.
const LINEAR: f32 = 20.0;

/// ln(1 + e^(βx)) / β, and x where βx > 20.
pub(crate) fn softplus<const D: usize>(x: Tensor<D>, beta: f32) -> Tensor<D> {
    let scaled = x.clone() * beta;
    let linear = scaled.clone().greater_elem(LINEAR);
    // The bound keeps what is not used finite, or its gradient would be NaN.
    let curved = scaled.clamp_max(LINEAR).exp().log1p() / beta;
    curved.mask_where(linear, x)
}

/// How raw statistics become deviations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Statistics {
    pub(crate) base: Base,
    pub(crate) beta: f32,
    /// Whether posteriors are relative to priors.
    pub(crate) residual: bool,
}

/// Independent normal distributions, one per value `[n, variates, h, w]`.
#[derive(Debug, Clone)]
pub struct Gaussian {
    /// Means.
    pub mean: Tensor<4>,
    /// What the network says of the deviations: the deviation itself, or its logarithm over β.
    pub statistic: Tensor<4>,
    /// Standard deviations.
    pub std: Tensor<4>,
}

impl Statistics {
    /// Of a network's output; a posterior may be relative to its prior.
    pub(crate) fn gaussian(&self, output: Tensor<4>, prior: Option<&Gaussian>) -> Gaussian {
        let [mut mean, mut raw] = halves(output);
        let prior = prior.filter(|_| self.residual);
        if let Some(prior) = prior {
            mean = mean + prior.mean.clone();
        }
        match (self.base, prior) {
            (Base::Std, None) => {
                let std = softplus(raw, self.beta);
                Gaussian { mean, statistic: std.clone(), std }
            }
            (Base::Std, Some(prior)) => {
                let std = softplus(raw, self.beta) * prior.std.clone();
                Gaussian { mean, statistic: std.clone(), std }
            }
            (Base::Logstd, prior) => {
                if let Some(prior) = prior {
                    raw = raw + prior.statistic.clone();
                }
                Gaussian { mean, std: (raw.clone() * self.beta).exp(), statistic: raw }
            }
        }
    }
}

impl Gaussian {
    /// mean + std · `noise`, the deviation multiplied by `temperature`.
    pub fn draw(&self, noise: Tensor<4>, temperature: f32) -> Tensor<4> {
        self.mean.clone() + self.std.clone() * temperature * noise
    }

    /// KL divergence from `prior` of each value, in nats.
    pub fn divergence(&self, prior: &Self) -> Tensor<4> {
        let shift = (self.mean.clone() - prior.mean.clone()) / prior.std.clone();
        let spread = self.std.clone() / prior.std.clone();
        (shift.clone() * shift + spread.clone() * spread.clone()) * 0.5 - 0.5 - spread.log()
    }
}
