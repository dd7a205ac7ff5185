//! How far a picture is from another, for inversions.

use burn::tensor::Tensor;
use fmr_nn::functional::average_pool;
use serde::{Deserialize, Serialize};

/// What an inversion compares. Neither the target under test nor the oracle is one: a reconstruction would be tuned to what
/// is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Perceptor {
    /// Mean squared differences of the pictures at full size, half of it, a quarter and so on, added up.
    #[default]
    Pyramid,
    /// The sum of squared differences of all values.
    Pixel,
}

/// Shortest side of a picture that is compared.
const SHORTEST: usize = 4;

impl Perceptor {
    /// Distances `[n]` of pictures `[n, c, h, w]`; values are in [0, 1].
    pub fn distances(self, picture: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
        let mut difference = picture - target;
        match self {
            Self::Pixel => summed(difference),
            Self::Pyramid => {
                let mut sum = mean(&difference);
                while let [_, _, h, w] = difference.dims()
                    && h.min(w) / 2 >= SHORTEST
                {
                    difference = average_pool(difference, 2);
                    sum = sum + mean(&difference);
                }
                sum
            }
        }
    }
}

fn summed(x: Tensor<4>) -> Tensor<1> {
    let squares: Tensor<2> = (x.clone() * x).flatten(1, 3);
    squares.sum_dim(1).squeeze_dim(1)
}

fn mean(x: &Tensor<4>) -> Tensor<1> {
    let values = x.dims()[1..].iter().product::<usize>().max(1);
    summed(x.clone()) / values as f32
}
