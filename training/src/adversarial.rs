//! Images that projected gradient ascent moves against a classifier, within a box around each (PGD: Madry et al., 2018).

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use fmr_nn::bridge::Traced;
use fmr_zoo::Network;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::recipe::TrainError;

/// How training images are moved against the network before each step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Adversarial {
    /// Largest change of a value, of images in [0, 1]: 8/255 ≈ 0.0314 is usual at 32 × 32.
    pub radius: f32,
    /// Steps of ascent, from a random point of the box.
    pub steps: usize,
    /// Length of one step.
    pub step_size: f32,
}

impl Adversarial {
    /// The attack that a network is measured by: twenty steps of a quarter of the radius.
    pub(crate) fn measuring(self) -> Self {
        Self { steps: 20, step_size: self.radius / 4.0, ..self }
    }

    /// Settings that make an attack.
    ///
    /// # Errors
    /// A radius or step size that is not positive and finite.
    pub(crate) fn check(self, name: &str) -> Result<(), TrainError> {
        let good = |v: f32| v.is_finite() && v > 0.0;
        if good(self.radius) && good(self.step_size) {
            return Ok(());
        }
        let problem = "adversarial.radius and adversarial.step-size must be positive".to_owned();
        Err(TrainError::Settings { name: name.to_owned(), problem })
    }

    /// Moves `images`, `[n, c, h, w]` in [0, 1], so that the cross-entropy of `labels` rises.
    pub(crate) fn apply(
        self,
        images: &mut [f32],
        shape: [usize; 4],
        labels: &[usize],
        network: &Attacked<'_>,
        random: &mut ChaCha8Rng,
    ) {
        let clean = images.to_vec();
        for (v, c) in images.iter_mut().zip(&clean) {
            *v = (c + self.radius * (2.0 * random.random::<f32>() - 1.0)).clamp(0.0, 1.0);
        }
        for _ in 0..self.steps {
            let slope = network.slope(images, shape, labels);
            for ((v, c), g) in images.iter_mut().zip(&clean).zip(slope) {
                // The sign of 0 is 0: where the loss is flat, a value stays.
                let moved = *v + self.step_size * if g == 0.0 { 0.0 } else { g.signum() };
                *v = moved.clamp(c - self.radius, c + self.radius).clamp(0.0, 1.0);
            }
        }
    }
}

/// A network with frozen weights and the constants of its input.
pub(crate) struct Attacked<'n> {
    pub network: &'n Network,
    pub mean: &'n [f32],
    pub std: &'n [f32],
    pub device: &'n Device,
}

impl Attacked<'_> {
    /// Gradient of the summed cross-entropy in the images.
    fn slope(&self, images: &[f32], shape @ [n, c, ..]: [usize; 4], labels: &[usize]) -> Vec<f32> {
        let constants =
            |values: &[f32]| Tensor::<4>::from_data(TensorData::new(values[..c].to_vec(), [1, c, 1, 1]), self.device);
        let (mean, std) = (constants(self.mean), constants(self.std));
        let x = Tensor::<4>::from_data(TensorData::new(images.to_vec(), shape), self.device);
        let traced = Traced::new((x - mean) / std.clone(), |x| self.network.forward(x));
        let logits = traced.output();
        let [_, classes] = logits.dims();
        let mut wanted = vec![0.0_f32; n * classes];
        labels.iter().enumerate().for_each(|(i, label)| wanted[i * classes + label] = 1.0);
        let wanted = Tensor::<2>::from_data(TensorData::new(wanted, [n, classes]), self.device);
        let slope = traced.pull_back(softmax(logits, 1) - wanted) / std;
        slope.into_data().try_into_vec::<f32>().unwrap_or_default()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use fmr_nn::weights::Builder;
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn moved_images_stay_in_their_box_and_cost_more() {
        let device = Device::flex();
        let entry = fmr_zoo::entry("lenet").unwrap();
        let network = Network::new(&mut Builder::random_frozen(3, &device), &entry.architecture);
        let attacked = Attacked { network: &network, mean: &[0.1], std: &[0.3], device: &device };
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let clean: Vec<f32> = (0..2 * 784).map(|_| random.random()).collect();
        let (shape, labels) = ([2, 1, 28, 28], [3, 7]);
        let cost = |images: &[f32]| {
            let x = images.iter().map(|v| (v - 0.1) / 0.3).collect::<Vec<_>>();
            let logits = network.forward(Tensor::from_data(TensorData::new(x, shape), &device));
            f64::from(crate::classifier::cross_entropy(logits, &labels, 0.0).into_scalar::<f32>())
        };
        let attack = Adversarial { radius: 0.05, steps: 5, step_size: 0.02 };
        let mut moved = clean.clone();
        attack.apply(&mut moved, shape, &labels, &attacked, &mut random);
        assert!(moved.iter().all(|v| (0.0..=1.0).contains(v)));
        assert!(moved.iter().zip(&clean).all(|(a, b)| (a - b).abs() <= 0.05 + 1e-6));
        assert!(cost(&moved) > cost(&clean), "{} against {}", cost(&moved), cost(&clean));
        // No step moves further than the random start.
        let mut started = clean.clone();
        Adversarial { steps: 0, ..attack }.apply(&mut started, shape, &labels, &attacked, &mut random);
        assert!(started.iter().zip(&clean).all(|(a, b)| (a - b).abs() <= 0.05 + 1e-6));
        assert!(cost(&moved) > cost(&started));
    }
}
