//! The quantiser of GumbelVQ: a projection gives each row a logit, the largest wins, the gradient is the softmax's.

use burn::module::Module;
use burn::tensor::{Tensor, activation::softmax};
use fmr_nn::functional::{self as f, Window};
use fmr_nn::layers::Conv2d;
use fmr_nn::weights::Builder;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::quantizer::Codebook;

/// The projection from latents to logits of codebook rows.
#[derive(Module, Debug)]
pub struct Gumbel {
    proj: Conv2d,
}

impl Gumbel {
    /// A 1×1 convolution from latents to rows.
    pub(crate) fn new(b: &mut Builder, name: &str, channels: [usize; 2]) -> Self {
        Self { proj: Conv2d::new(b, name, channels, 1, Window::same(1, 0), true) }
    }

    /// Logits `[n, n_embed, h, w]` of latents `[n, e, h, w]`.
    pub fn logits(&self, z: Tensor<4>) -> Tensor<4> {
        self.proj.forward(z)
    }

    /// Exactly the rows with the largest logits plus noise; the derivative is that of the softmax of
    /// (logits + noise) / `temperature` times the codebook.
    ///
    /// Upstream draws the noise anew in every call, also in evaluation; without noise the result is deterministic.
    pub fn quantize(&self, codebook: &Codebook, z: Tensor<4>, noise: Option<Tensor<4>>, temperature: f32) -> Tensor<4> {
        let [n, _, h, w] = z.dims();
        let logits = self.logits(z);
        let logits = match noise {
            Some(noise) => logits + noise,
            None => logits,
        };
        let rows = codebook.rows();
        let [_, d] = rows.dims();
        let value = codebook.lookup(&largest(&logits), [n, d, h, w]).detach();
        let logits: Tensor<3> = logits.flatten(2, 3);
        let soft = f::linear(softmax(logits.swap_dims(1, 2) / temperature, 2), rows, None);
        f::straight_through(soft.swap_dims(1, 2).reshape([n, d, h, w]), value)
    }

    /// Mean over positions of Σ q log(q · n_embed + 1e-10) with q the softmax of the logits: the divergence from the
    /// uniform distribution, which training weighs into its loss.
    pub fn divergence(&self, z: Tensor<4>) -> Tensor<1> {
        let logits = self.logits(z);
        let [n, k, h, w] = logits.dims();
        let q = softmax(logits, 1);
        let terms = q.clone() * (q * k as f32 + 1e-10).log();
        terms.sum() / (n * h * w) as f32
    }
}

/// Index of the largest logit for each position of `[n, n_embed, h, w]`, in (n, h, w) order; the first of equals.
pub fn largest(logits: &Tensor<4>) -> Vec<usize> {
    let [_, k, h, w] = logits.dims();
    let data = logits.clone().without_autodiff().into_data();
    let values = data.as_slice::<f32>().unwrap_or(&[]);
    let sample = |sample: &[f32]| -> Vec<usize> {
        let mut best = vec![(f32::NEG_INFINITY, 0); h * w];
        for (j, plane) in sample.chunks_exact((h * w).max(1)).enumerate() {
            for (best, value) in best.iter_mut().zip(plane) {
                if *value > best.0 {
                    *best = (*value, j);
                }
            }
        }
        best.into_iter().map(|(_, j)| j).collect()
    };
    values.chunks_exact((k * h * w).max(1)).flat_map(sample).collect()
}

/// Seeded Gumbel(0, 1) noise `[1, n_embed, h, w]`, the same for every sample.
pub(crate) fn noise(seed: u64, shape: [usize; 3]) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Minus the logarithm of an Exp(1) draw; 1 - u lies in (0, 1].
    let draw = |u: f64| -(-(1.0 - u).ln()).max(f64::MIN_POSITIVE).ln();
    (0..shape.iter().product()).map(|_| draw(rng.random()) as f32).collect()
}
