//! The scorers. Sums run in double precision; rows are independent.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::{Scorer, TargetClass};
use crate::ComponentError;
use crate::logits::{argmax_except, log_softmax};

/// Applies a function of one row to all.
fn by_row(
    logits: ArrayView2<'_, f32>,
    mut f: impl FnMut(usize, ArrayView1<'_, f32>) -> (f64, Vec<f64>),
) -> (Array1<f32>, Array2<f32>) {
    let mut scores = Array1::zeros(logits.nrows());
    let mut gradients = Array2::zeros(logits.dim());
    for (i, row) in logits.axis_iter(Axis(0)).enumerate() {
        let (score, gradient) = f(i, row);
        scores[i] = score as f32;
        gradients.row_mut(i).iter_mut().zip(gradient).for_each(|(g, v)| *g = v as f32);
    }
    (scores, gradients)
}

/// Labels must index the logits.
fn check(name: &str, logits: ArrayView2<'_, f32>, labels: &[usize]) -> Result<(), ComponentError> {
    let (n, k) = logits.dim();
    let problem = if labels.len() != n {
        format!("{} labels for {n} rows of logits", labels.len())
    } else if let Some(label) = labels.iter().find(|l| **l >= k) {
        format!("label {label}, but there are {k} logits")
    } else if k < 2 {
        "it needs at least two logits".to_owned()
    } else {
        return Ok(());
    };
    Err(ComponentError::new(format!("scorer {name:?}"), "score logits", problem))
}

/// Cross-entropy of the true class: −log p(y). The paper's l(θ(x̂), y).
#[derive(Debug, Clone, Copy, Default)]
pub struct CrossEntropy;

impl Scorer for CrossEntropy {
    fn name(&self) -> &str {
        "cross-entropy"
    }

    fn score(
        &self,
        logits: ArrayView2<'_, f32>,
        _: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array1<f32>, Array2<f32>), ComponentError> {
        check(self.name(), logits, labels)?;
        Ok(by_row(logits, |i, row| {
            let logs = log_softmax(row);
            let mut gradient: Vec<f64> = logs.iter().map(|l| l.exp()).collect();
            gradient[labels[i]] -= 1.0;
            (-logs[labels[i]], gradient)
        }))
    }
}

/// Largest other logit minus the true one; the lowest index wins a tie.
#[derive(Debug, Clone, Copy, Default)]
pub struct Margin;

impl Scorer for Margin {
    fn name(&self) -> &str {
        "margin"
    }

    fn score(
        &self,
        logits: ArrayView2<'_, f32>,
        _: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array1<f32>, Array2<f32>), ComponentError> {
        check(self.name(), logits, labels)?;
        Ok(by_row(logits, |i, row| {
            let other = argmax_except(row, labels[i]).unwrap_or(0);
            let mut gradient = vec![0.0; row.len()];
            gradient[other] += 1.0;
            gradient[labels[i]] -= 1.0;
            (f64::from(row[other]) - f64::from(row[labels[i]]), gradient)
        }))
    }
}

/// Log-probability of a wrong class.
#[derive(Debug, Clone, Copy)]
pub struct Targeted {
    /// Which one.
    pub class: TargetClass,
}

impl Targeted {
    /// The class that a sample of that label aims at; `clean` are the target's logits on its original, two at least.
    pub fn aim(&self, clean: ArrayView1<'_, f32>, label: usize) -> usize {
        let k = clean.len();
        match self.class {
            TargetClass::Index(i) if i % k == label => (label + 1) % k,
            TargetClass::Index(i) => i % k,
            TargetClass::SecondBest => argmax_except(clean, label).unwrap_or(0),
            TargetClass::Random => {
                // The sample's own numbers are its seed: independent of batch and order.
                let hash = clean.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, v| {
                    (h ^ u64::from(v.to_bits())).wrapping_mul(0x0100_0000_01b3)
                });
                (label + 1 + (hash >> 20) as usize % (k - 1)) % k
            }
        }
    }
}

impl Scorer for Targeted {
    fn name(&self) -> &str {
        "targeted"
    }

    fn score(
        &self,
        logits: ArrayView2<'_, f32>,
        clean: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array1<f32>, Array2<f32>), ComponentError> {
        check(self.name(), logits, labels)?;
        Ok(by_row(logits, |i, row| {
            let aim = self.aim(clean.row(i), labels[i]);
            let logs = log_softmax(row);
            let mut gradient: Vec<f64> = logs.iter().map(|l| -l.exp()).collect();
            gradient[aim] += 1.0;
            (logs[aim], gradient)
        }))
    }
}

/// KL(p_clean ‖ p): how far the prediction went from the one on the original. Needs no label.
#[derive(Debug, Clone, Copy, Default)]
pub struct Divergence;

impl Scorer for Divergence {
    fn name(&self) -> &str {
        "kl"
    }

    fn score(
        &self,
        logits: ArrayView2<'_, f32>,
        clean: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array1<f32>, Array2<f32>), ComponentError> {
        check(self.name(), logits, labels)?;
        Ok(by_row(logits, |i, row| {
            let (before, now) = (log_softmax(clean.row(i)), log_softmax(row));
            let score = before.iter().zip(&now).map(|(b, n)| b.exp() * (b - n)).sum();
            let gradient = before.iter().zip(&now).map(|(b, n)| n.exp() - b.exp()).collect();
            (score, gradient)
        }))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scorers() -> Vec<Box<dyn Scorer>> {
        let targeted = [TargetClass::SecondBest, TargetClass::Random, TargetClass::Index(2)];
        let mut all: Vec<Box<dyn Scorer>> = vec![Box::new(CrossEntropy), Box::new(Margin), Box::new(Divergence)];
        all.extend(targeted.map(|class| Box::new(Targeted { class }) as Box<dyn Scorer>));
        all
    }

    proptest! {
        #[test]
        fn gradients_equal_finite_differences(values in prop::collection::vec(-4.0f32..4.0, 5), clean in prop::collection::vec(-4.0f32..4.0, 5), label in 0usize..5) {
            let clean = Array2::from_shape_vec((1, 5), clean).unwrap();
            let logits = Array2::from_shape_vec((1, 5), values).unwrap();
            let mut sorted = logits.row(0).to_vec();
            sorted.sort_by(f32::total_cmp);
            // Near a tie the margin has a kink.
            prop_assume!(sorted.windows(2).all(|w| w[1] - w[0] > 0.05));
            for scorer in scorers() {
                let score = |l: &Array2<f32>| scorer.score(l.view(), clean.view(), &[label]).unwrap();
                let (_, gradient) = score(&logits);
                for j in 0..5 {
                    let h = 0.01;
                    let (mut up, mut down) = (logits.clone(), logits.clone());
                    up[[0, j]] += h;
                    down[[0, j]] -= h;
                    let slope = (score(&up).0[0] - score(&down).0[0]) / (2.0 * h);
                    prop_assert!((slope - gradient[[0, j]]).abs() < 2e-3, "{} {slope} {}", scorer.name(), gradient[[0, j]]);
                }
            }
        }
    }

    #[test]
    fn huge_logits_stay_finite() {
        let logits = ndarray::array![[1e30_f32, -1e30, 0.0]];
        for scorer in scorers() {
            let (score, gradient) = scorer.score(logits.view(), logits.view(), &[1]).unwrap();
            assert!(score[0].is_finite() && gradient.iter().all(|g| g.is_finite()), "{}", scorer.name());
        }
    }

    #[test]
    fn labels_outside_the_logits_are_an_error() {
        let logits = ndarray::array![[0.0_f32, 1.0]];
        for scorer in scorers() {
            assert!(scorer.score(logits.view(), logits.view(), &[2]).is_err());
            assert!(scorer.score(logits.view(), logits.view(), &[0, 1]).is_err());
        }
    }
}
