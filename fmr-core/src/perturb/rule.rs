//! Step rules: how a gradient becomes an update (`protocol`, open choice 3).

use ndarray::{Array1, ArrayView1};

use super::settings::Rule;

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Step rule of one sample, with the memory that Adam has.
#[derive(Debug, Clone)]
pub(super) struct Stepper {
    rule: Rule,
    step_size: f64,
    adam: Option<Moments>,
}

#[derive(Debug, Clone)]
struct Moments {
    first: Array1<f32>,
    second: Array1<f32>,
    steps: i32,
}

impl Stepper {
    /// A stepper for latents of `len` values.
    pub(super) fn new(rule: Rule, step_size: f64, len: usize) -> Self {
        let adam =
            (rule == Rule::Adam).then(|| Moments { first: Array1::zeros(len), second: Array1::zeros(len), steps: 0 });
        Self { rule, step_size, adam }
    }

    /// Δ = mask ⊙ rule(mask ⊙ γ), `mask` holding one weight a latent value.
    pub(super) fn update(&mut self, gradient: ArrayView1<'_, f32>, mask: Option<&[f32]>) -> Array1<f32> {
        let weigh = |mut values: Array1<f32>| {
            if let Some(mask) = mask {
                values.iter_mut().zip(mask).for_each(|(v, &m)| *v *= m);
            }
            values
        };
        let update = self.apply(weigh(gradient.to_owned()));
        weigh(update)
    }

    fn apply(&mut self, gradient: Array1<f32>) -> Array1<f32> {
        let step = self.step_size;
        match self.rule {
            Rule::Sign => gradient.mapv(|g| step as f32 * sign(g)),
            Rule::Gradient => gradient.mapv(|g| (step * f64::from(g)) as f32),
            Rule::Normalized => {
                let norm = norm(gradient.view());
                if norm == 0.0 {
                    Array1::zeros(gradient.len())
                } else {
                    gradient.mapv(|g| (step * f64::from(g) / norm) as f32)
                }
            }
            Rule::Adam => match &mut self.adam {
                Some(moments) => moments.update(gradient, step),
                None => gradient,
            },
        }
    }
}

impl Moments {
    fn update(&mut self, mut gradient: Array1<f32>, step: f64) -> Array1<f32> {
        self.steps = self.steps.saturating_add(1);
        let correction1 = 1.0 - BETA1.powi(self.steps);
        let correction2 = 1.0 - BETA2.powi(self.steps);
        ndarray::Zip::from(&mut gradient).and(&mut self.first).and(&mut self.second).for_each(
            |value, first, second| {
                let g = f64::from(*value);
                let m = BETA1 * f64::from(*first) + (1.0 - BETA1) * g;
                let v = BETA2 * f64::from(*second) + (1.0 - BETA2) * g * g;
                *first = m as f32;
                *second = v as f32;
                *value = (step * (m / correction1) / ((v / correction2).sqrt() + EPSILON)) as f32;
            },
        );
        gradient
    }
}

/// Sign with sign(0) = 0; what is not a number has none either.
pub(super) fn sign(value: f32) -> f32 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// Euclidean norm, summed in `f64` in order.
pub(super) fn norm(values: ArrayView1<'_, f32>) -> f64 {
    values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn once(rule: Rule, gradient: &Array1<f32>) -> Array1<f32> {
        Stepper::new(rule, 0.5, gradient.len()).update(gradient.view(), None)
    }

    #[test]
    fn rules_on_one_gradient() {
        let g = array![3.0, 0.0, -4.0];
        assert_eq!(once(Rule::Sign, &g), array![0.5, 0.0, -0.5]);
        assert_eq!(once(Rule::Gradient, &g), array![1.5, 0.0, -2.0]);
        assert_eq!(once(Rule::Normalized, &g), array![0.3, 0.0, -0.4]);
        let adam = once(Rule::Adam, &g);
        assert!((adam[0] - 0.5).abs() < 1e-6 && adam[1] == 0.0 && (adam[2] + 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_zero_gradient_moves_only_a_rule_with_memory() {
        let zero = Array1::zeros(2);
        for rule in [Rule::Sign, Rule::Gradient, Rule::Normalized, Rule::Adam] {
            assert_eq!(once(rule, &zero), zero);
        }
        let mut adam = Stepper::new(Rule::Adam, 0.5, 2);
        adam.update(array![1.0, 1.0].view(), None);
        assert!(adam.update(zero.view(), None)[0] > 0.0);
    }

    #[test]
    fn a_mask_weighs_gradient_and_update() {
        let mut normalized = Stepper::new(Rule::Normalized, 1.0, 2);
        let update = normalized.update(array![3.0, 4.0].view(), Some(&[1.0, 0.0]));
        assert_eq!(update, array![1.0, 0.0]);
        let mut adam = Stepper::new(Rule::Adam, 1.0, 2);
        assert_eq!(adam.update(array![3.0, 4.0].view(), Some(&[0.0, 0.0])), array![0.0, 0.0]);
    }
}
