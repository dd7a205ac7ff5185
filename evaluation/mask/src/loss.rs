//! The two losses of a linear classifier, as the solver needs them.

use serde::{Deserialize, Serialize};

/// The linear classifier that tells original latents (label 0) from perturbed ones (label 1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// ℓ1 logistic regression: Σ log(1 + exp(−s (x·w + b))) + λ‖w‖₁ with s = ±1 (paper, section 3.2.1).
    #[default]
    Logistic,
    /// Lasso on the labels: ½ Σ (y − x·w − b)² + λ‖w‖₁, predictions cut to [0, 1] as probabilities (paper, appendix I).
    Lasso,
}

/// Smallest curvature of the logistic loss in a quadratic model of it.
const MIN_CURVATURE: f64 = 1e-9;

impl Model {
    /// The score above which a row is of class 1.
    pub fn threshold(self) -> f64 {
        match self {
            Self::Logistic => 0.0,
            Self::Lasso => 0.5,
        }
    }

    /// Probability of class 1 at that score.
    pub fn probability(self, score: f64) -> f64 {
        match self {
            Self::Logistic => sigmoid(score),
            Self::Lasso => score.clamp(0.0, 1.0),
        }
    }

    /// Σ loss of the scores z + b for labels `y` in {0, 1}.
    pub(super) fn value(self, y: &[f64], z: &[f64], b: f64) -> f64 {
        y.iter().zip(z).map(|(&y, &z)| self.loss(y, z + b)).sum()
    }

    /// Loss of one score.
    pub(super) fn loss(self, y: f64, score: f64) -> f64 {
        match self {
            Self::Logistic => {
                let margin = (2.0 * y - 1.0) * score;
                (-margin).max(0.0) + (-margin.abs()).exp().ln_1p()
            }
            Self::Lasso => 0.5 * (y - score).powi(2),
        }
    }

    /// −∂ loss / ∂ score of every row.
    pub(super) fn residuals(self, y: &[f64], z: &[f64], b: f64) -> Vec<f64> {
        match self {
            // Written so that nothing cancels where a row is fitted nearly perfectly.
            Self::Logistic => {
                let of = |(&y, &z): (&f64, &f64)| if y > 0.5 { sigmoid(-z - b) } else { -sigmoid(z + b) };
                y.iter().zip(z).map(of).collect()
            }
            Self::Lasso => y.iter().zip(z).map(|(&y, &z)| y - z - b).collect(),
        }
    }

    /// ∂² loss / ∂ score² of every row, from its residual.
    pub(super) fn curvatures(self, residuals: &[f64]) -> Vec<f64> {
        match self {
            Self::Logistic => residuals.iter().map(|r| (r.abs() * (1.0 - r.abs())).max(MIN_CURVATURE)).collect(),
            Self::Lasso => vec![1.0; residuals.len()],
        }
    }

    /// The b that minimises Σ loss(z + b), sought from `start`.
    pub(super) fn intercept(self, y: &[f64], z: &[f64], start: f64) -> f64 {
        let n = y.len() as f64;
        if self == Self::Lasso {
            return y.iter().zip(z).map(|(y, z)| y - z).sum::<f64>() / n;
        }
        // Newton's method on the monotone function Σ residuals(b), kept inside a shrinking bracket.
        let (mut low, mut high, mut b) = (f64::NEG_INFINITY, f64::INFINITY, start);
        for _ in 0..200 {
            let (mut sum, mut slope) = (0.0, 0.0);
            for r in self.residuals(y, z, b) {
                sum += r;
                slope += r.abs() * (1.0 - r.abs());
            }
            if sum > 0.0 {
                low = b
            } else {
                high = b
            }
            if sum == 0.0 || high - low <= f64::EPSILON * b.abs() {
                break;
            }
            let mut next = b + (sum / slope.max(1e-300)).clamp(-2.0, 2.0);
            if next <= low || next >= high {
                next = 0.5 * (low + high);
            }
            if !next.is_finite() || next == b {
                break;
            }
            let small = (next - b).abs() <= 1e-15 * (1.0 + b.abs());
            b = next;
            if small {
                break;
            }
        }
        b
    }

    /// The value of Fenchel's dual at the feasible multiple of `residuals`, a lower bound of the optimum.
    ///
    /// `largest` is max |x_jᵀ r|. With an intercept the residuals sum to zero, as the dual then demands.
    pub(super) fn dual(self, y: &[f64], residuals: &[f64], largest: f64, penalty: f64, intercept: bool) -> f64 {
        let feasible = if largest > penalty { penalty / largest } else { 1.0 };
        match self {
            Self::Logistic => {
                let entropy = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
                // u = 1 − tiny loses its digits in 1 − u, but its whole term is then as tiny.
                residuals.iter().map(|r| r.abs() * feasible).map(|u| entropy(u) + entropy(1.0 - u)).sum()
            }
            Self::Lasso => {
                let mean = if intercept { y.iter().sum::<f64>() / y.len() as f64 } else { 0.0 };
                let along: f64 = y.iter().zip(residuals).map(|(y, r)| (y - mean) * r).sum();
                let square: f64 = residuals.iter().map(|r| r * r).sum();
                // The multiple that maximises the dual, as far as it is feasible.
                let best = if square > 0.0 { along / square } else { 0.0 };
                let most = if largest > 0.0 { penalty / largest } else { f64::INFINITY };
                let c = best.clamp(-most, most);
                c * along - 0.5 * c * c * square
            }
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows() -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
        prop::collection::vec((0u8..2, -30.0..30.0_f64), 2..20).prop_map(|mut rows| {
            (rows[0].0, rows[1].0) = (0, 1);
            rows.into_iter().map(|(y, z)| (f64::from(y), z)).unzip()
        })
    }

    proptest! {
        #[test]
        fn the_intercept_is_stationary((y, z) in rows(), logistic: bool, start in -5.0..5.0_f64) {
            let model = if logistic { Model::Logistic } else { Model::Lasso };
            let b = model.intercept(&y, &z, start);
            let sum: f64 = model.residuals(&y, &z, b).iter().sum();
            prop_assert!(sum.abs() < 1e-9, "{sum} at {b}");
        }

        #[test]
        fn residuals_are_minus_the_slope((y, z) in rows(), logistic: bool, b in -1.0..1.0_f64) {
            let model = if logistic { Model::Logistic } else { Model::Lasso };
            let h = 1e-5;
            let slope = (model.value(&y, &z, b + h) - model.value(&y, &z, b - h)) / (2.0 * h);
            let sum: f64 = model.residuals(&y, &z, b).iter().sum();
            prop_assert!((slope + sum).abs() < 1e-6 * (1.0 + sum.abs() + z.len() as f64));
        }

        /// Weak duality: no multiple of any residuals gives more than any primal value.
        #[test]
        fn the_dual_bounds_the_primal((y, z) in rows(), logistic: bool, penalty in 0.1..10.0_f64) {
            let model = if logistic { Model::Logistic } else { Model::Lasso };
            // One column x = z, w = 1.
            let b = model.intercept(&y, &z, 0.0);
            let r = model.residuals(&y, &z, b);
            let largest = r.iter().zip(&z).map(|(r, x)| r * x).sum::<f64>().abs();
            let dual = model.dual(&y, &r, largest, penalty, true);
            let primal = model.value(&y, &z, b) + penalty;
            prop_assert!(dual <= primal + 1e-9 * primal.abs());
        }
    }
}
