//! Deterministic chains between noise levels: DDIM, its reverse, and its inversion by fixed points.

use burn::tensor::Tensor;

use crate::process::{Process, Training};

/// A step of DDIM from one noise level to another, towards the image or away from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transition {
    /// What the network is told.
    pub time: f32,
    /// ᾱ of the values that the step starts from; above 0.
    pub from: f64,
    /// ᾱ of those that it leads to.
    pub to: f64,
}

impl Transition {
    /// A single step from `step` of the whole process to the image.
    ///
    /// `alphas_cumprod` are those of [`Training::alphas_cumprod`].
    pub fn to_image(training: &Training, alphas_cumprod: &[f64], step: usize) -> Self {
        Self { time: training.network_time(step), from: alphas_cumprod[step], to: 1.0 }
    }

    /// The way back of a step, the network told the same.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { from: self.to, to: self.from, ..self }
    }

    /// The values at the other level, given the noise `eps` that the network sees in `x`.
    pub fn apply(&self, x: Tensor<4>, eps: Tensor<4>) -> Tensor<4> {
        let [of_x, of_eps] = self.weights();
        x * of_x + eps * of_eps
    }

    /// Weights of values and noise: without a clamp a step is linear in both.
    fn weights(&self) -> [f32; 2] {
        let of_eps = (1.0 - self.to).sqrt() - self.to.sqrt() * (1.0 / self.from - 1.0).sqrt();
        [(self.to / self.from).sqrt() as f32, of_eps as f32]
    }

    /// The noise that is left of `eps` when the image that it implies is kept within [-1, 1].
    pub fn clamped(&self, x: Tensor<4>, eps: Tensor<4>) -> Tensor<4> {
        let (of_x, of_eps) = ((1.0 / self.from).sqrt() as f32, (1.0 / self.from - 1.0).sqrt() as f32);
        let image = (x.clone() * of_x - eps * of_eps).clamp(-1.0, 1.0);
        (x * of_x - image) / of_eps
    }

    /// The noise of a guided step: less `gradient`, that of a log-probability in the values.
    pub fn guided(&self, eps: Tensor<4>, gradient: Tensor<4>) -> Tensor<4> {
        eps - gradient * ((1.0 - self.from).sqrt() as f32)
    }
}

impl Process {
    /// DDIM's step at `step`, towards the image.
    pub fn denoising(&self, step: usize) -> Transition {
        let tables = self.tables();
        let (from, to) = (tables.alphas_cumprod[step], tables.alphas_cumprod_prev[step]);
        Transition { time: self.network_times(&[step])[0], from, to }
    }

    /// The reverse of DDIM at `step`, which treats its input as being at the level of that step.
    pub fn noising(&self, step: usize) -> Transition {
        let tables = self.tables();
        let (from, to) = (tables.alphas_cumprod[step], tables.alphas_cumprod_next[step]);
        Transition { time: self.network_times(&[step])[0], from, to }
    }
}

/// The values from which `transition` leads to `values`, by repeating so many `evaluations` of the network: the noise
/// that it sees in the values sought is at first that in `values`, then that in the values found so far.
pub fn invert(
    transition: Transition,
    values: Tensor<4>,
    evaluations: usize,
    eps: impl Fn(Tensor<4>, f32) -> Tensor<4>,
) -> Tensor<4> {
    let back = transition.reversed();
    (0..evaluations).fold(values.clone(), |found, _| back.apply(values.clone(), eps(found, transition.time)))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn tensor(values: [f32; 2]) -> Tensor<4> {
        Tensor::from_data(TensorData::new(values.to_vec(), [1, 1, 1, 2]), &Device::flex())
    }

    fn values(x: Tensor<4>) -> Vec<f32> {
        x.into_data().try_into_vec().unwrap_or_default()
    }

    #[test]
    fn a_step_and_its_reverse_cancel() {
        let step = Transition { time: 0.0, from: 0.6, to: 0.9 };
        let (x, eps) = (tensor([0.3, -1.2]), tensor([0.7, 0.1]));
        let back = step.reversed().apply(step.apply(x.clone(), eps.clone()), eps);
        assert!(values(back).iter().zip(values(x)).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn fixed_points_invert_steps() {
        let eps = |x: Tensor<4>, _: f32| (x * 0.8).sin();
        let step = Transition { time: 3.0, from: 0.9, to: 0.95 };
        let x = tensor([0.4, -0.9]);
        let there = step.apply(x.clone(), eps(x.clone(), step.time));
        let error = |evaluations: usize| -> f32 {
            let found = values(invert(step, there.clone(), evaluations, eps));
            found.iter().zip(values(x.clone())).map(|(a, b)| (a - b).abs()).sum()
        };
        assert!(error(2) < 0.5 * error(1) && error(12) < 1e-5, "{} {} {}", error(1), error(2), error(12));
    }

    #[test]
    fn a_clamp_leaves_images_within_bounds_alone() {
        let step = Transition { time: 0.0, from: 0.8, to: 1.0 };
        let x = tensor([0.3, 3.0]);
        let eps = step.clamped(x.clone(), tensor([0.5, -2.0]));
        let image = values(step.apply(x, eps.clone()));
        assert!((values(eps)[0] - 0.5).abs() < 1e-5 && (image[1] - 1.0).abs() < 1e-5, "{image:?}");
    }
}
