//! The search for the latent of a given picture: gradient descent by Adam, many pictures side by side, each by itself.

use std::f64::consts::PI;

use burn::tensor::{Bool, Tensor, TensorData};
use fmr_core::ComponentError;
use fmr_nn::bridge::{Traced, beside};
use fmr_nn::probe::Probe;

use crate::perceptor::Perceptor;
use crate::synthesis::Synthesis;

/// Rates of learning, step by step: up in a line at the start, down along a cosine at the end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Steps.
    pub steps: usize,
    /// Highest rate.
    pub rate: f64,
    /// Share of the steps over which the rate rises.
    pub rise: f64,
    /// Share of the steps over which it falls.
    pub fall: f64,
}

impl Schedule {
    /// A schedule with upstream's shares of rise and fall.
    pub fn new(steps: usize, rate: f64) -> Self {
        Self { steps, rate, rise: 0.05, fall: 0.25 }
    }

    /// The rate of a step, from 0; that of the first is 0.
    pub fn rate(&self, step: usize) -> f64 {
        let t = step as f64 / self.steps.max(1) as f64;
        let share = |part: f64, of: f64| if of > 0.0 { (part / of).min(1.0) } else { 1.0 };
        self.rate * (0.5 - 0.5 * (PI * share(1.0 - t, self.fall)).cos()) * share(t, self.rise)
    }
}

/// Adam, as PyTorch computes it by default.
#[derive(Debug, Clone)]
pub struct Adam {
    mean: Tensor<2>,
    square: Tensor<2>,
    steps: i32,
}

impl Adam {
    const BETAS: [f64; 2] = [0.9, 0.999];
    const EPSILON: f64 = 1e-8;

    /// Before the first step on values of this shape.
    pub fn new(values: &Tensor<2>) -> Self {
        Self { mean: values.zeros_like(), square: values.zeros_like(), steps: 0 }
    }

    /// The values after a step.
    pub fn step(&mut self, values: Tensor<2>, gradient: &Tensor<2>, rate: f64) -> Tensor<2> {
        let [first, second] = Self::BETAS;
        self.steps += 1;
        self.mean = self.mean.clone() * first + gradient.clone() * (1.0 - first);
        self.square = self.square.clone() * second + gradient.clone() * gradient.clone() * (1.0 - second);
        let [first, second] = Self::BETAS.map(|beta| 1.0 - beta.powi(self.steps));
        let root = self.square.clone().sqrt() / second.sqrt() + Self::EPSILON;
        values - self.mean.clone() / root * (rate / first)
    }
}

/// What is searched for, and how good it is.
#[derive(Debug)]
pub struct Objective<'m> {
    /// What makes pictures.
    pub synthesis: &'m Synthesis,
    /// What compares them.
    pub perceptor: Perceptor,
    /// The pictures `[n, c, h, w]` that are wanted, values in [0, 1].
    pub target: Tensor<4>,
    /// Rows of w+ that synthesis takes.
    pub rows: usize,
    /// Weight of how far the rows of w+ lie apart: of the mean over rows of the squared distance from their mean.
    pub unity: f64,
}

/// One step of a search.
#[derive(Debug)]
pub struct Step<'s> {
    /// Its number, from 0.
    pub number: usize,
    /// Its rate of learning.
    pub rate: f64,
    /// Distance of each picture before it.
    pub losses: &'s [f32],
    /// Gradient of their sum before it.
    pub gradient: &'s Tensor<2>,
    /// The latents after it.
    pub latents: &'s Tensor<2>,
}

/// What a search found.
#[derive(Debug)]
pub struct Found {
    /// Of each picture, the latent with the smallest distance, the earliest of equals.
    pub latents: Tensor<2>,
    /// That distance; infinite where none was a number.
    pub losses: Vec<f32>,
}

impl Objective<'_> {
    /// Searches from `latents`: rows of w `[n, w_dim]`, the same for all layers, or of w+ `[n, rows · w_dim]`. `watch` sees
    /// every step and may end the search.
    ///
    /// # Errors
    /// What `watch` returns.
    pub fn descend(
        &self,
        latents: Tensor<2>,
        schedule: &Schedule,
        mut watch: impl FnMut(&Step<'_>) -> Result<(), ComponentError>,
    ) -> Result<Found, ComponentError> {
        let mut best = Found { losses: vec![f32::INFINITY; latents.dims()[0]], latents: latents.clone() };
        let mut adam = Adam::new(&latents);
        let mut latents = latents;
        for number in 0..schedule.steps {
            let (losses, gradient) = self.slope(latents.clone());
            best.keep(&losses, &latents);
            let rate = schedule.rate(number);
            latents = adam.step(latents, &gradient, rate);
            watch(&Step { number, rate, losses: &losses, gradient: &gradient, latents: &latents })?;
        }
        let losses = values(self.distances(latents.clone()));
        best.keep(&losses, &latents);
        Ok(best)
    }

    /// Distances of the pictures of latents `[n]`.
    fn distances(&self, latents: Tensor<2>) -> Tensor<1> {
        let [n, d] = latents.dims();
        let width = if self.is_shared(d) { d } else { d / self.rows };
        let ws: Tensor<3> = if self.is_shared(d) {
            latents.reshape([n, 1, d]).repeat_dim(1, self.rows)
        } else {
            latents.reshape([n, self.rows, width])
        };
        let picture = self.synthesis.forward(ws.clone(), &mut Probe::off());
        let target = beside(self.target.clone(), &picture);
        let distances = self.perceptor.distances((picture + 1.0) / 2.0, target);
        if self.is_shared(d) || self.unity == 0.0 {
            return distances;
        }
        let apart = ws.clone() - ws.mean_dim(1);
        let apart: Tensor<2> = (apart.clone() * apart).flatten(1, 2);
        let apart: Tensor<1> = apart.sum_dim(1).squeeze_dim(1);
        distances + apart * (self.unity / self.rows as f64)
    }

    /// Whether latents of this length are one row for all layers.
    fn is_shared(&self, length: usize) -> bool {
        length == self.synthesis.w_dim()
    }

    /// Distances, and the gradient of their sum.
    fn slope(&self, latents: Tensor<2>) -> (Vec<f32>, Tensor<2>) {
        let traced = Traced::new(latents, |latents| self.distances(latents));
        let losses = traced.output();
        (values(losses.clone()), traced.pull_back(losses.ones_like()))
    }
}

impl Found {
    fn keep(&mut self, losses: &[f32], latents: &Tensor<2>) {
        let better: Vec<bool> = losses.iter().zip(&self.losses).map(|(new, old)| new < old).collect();
        let mask = TensorData::new(better.clone(), [better.len(), 1]);
        let mask = Tensor::<2, Bool>::from_data(mask, &latents.device()).expand(latents.dims());
        self.latents = self.latents.clone().mask_where(mask, latents.clone());
        for ((best, new), better) in self.losses.iter_mut().zip(losses).zip(better) {
            if better {
                *best = *new;
            }
        }
    }
}

fn values(x: Tensor<1>) -> Vec<f32> {
    x.into_data().try_into_vec().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn rates_rise_in_a_line_and_fall_along_a_cosine() {
        let schedule = Schedule::new(40, 0.1);
        let rates: Vec<f64> = (0..40).map(|step| schedule.rate(step)).collect();
        assert_eq!((rates[0], rates[1], rates[2], rates[29]), (0.0, 0.05, 0.1, 0.1));
        assert!((rates[35] - 0.05).abs() < 1e-12 && rates[39] < 0.003 && rates[39] > 0.0);
    }

    #[test]
    fn the_smallest_loss_is_kept_and_the_earliest_of_equals() {
        let rows = |v: [f32; 3]| Tensor::<2>::from_data(TensorData::new(v.to_vec(), [3, 1]), &Device::flex());
        let mut found = Found { losses: vec![f32::INFINITY; 3], latents: rows([0.0; 3]) };
        found.keep(&[2.0, 1.0, f32::NAN], &rows([1.0, 2.0, 3.0]));
        found.keep(&[1.0, 1.0, f32::NAN], &rows([4.0, 5.0, 6.0]));
        assert_eq!(found.losses, [1.0, 1.0, f32::INFINITY]);
        assert_eq!(found.latents.into_data().try_into_vec::<f32>().unwrap(), [4.0, 2.0, 0.0]);
    }
}
