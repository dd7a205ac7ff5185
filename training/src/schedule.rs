//! Learning rate over a run.

use serde::{Deserialize, Serialize};

/// Linear warm-up to the peak, then half a cosine down to `floor` times the peak.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Schedule {
    /// Highest learning rate.
    pub peak: f64,
    /// Share of the run spent warming up, in [0, 1).
    #[serde(default = "warm_up")]
    pub warm_up: f64,
    /// Last learning rate as a share of the peak.
    #[serde(default)]
    pub floor: f64,
}

fn warm_up() -> f64 {
    0.1
}

impl Schedule {
    /// Learning rate of step `step` of `total`.
    pub fn rate(&self, step: usize, total: usize) -> f64 {
        let at = (step as f64 + 0.5) / total.max(1) as f64;
        if at < self.warm_up {
            return self.peak * at / self.warm_up;
        }
        let down = (at - self.warm_up) / (1.0 - self.warm_up);
        let share = 0.5 * (1.0 + (std::f64::consts::PI * down).cos());
        self.peak * (self.floor + (1.0 - self.floor) * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_to_the_peak_and_falls_to_the_floor() {
        let s = Schedule { peak: 2.0, warm_up: 0.25, floor: 0.1 };
        let rates: Vec<f64> = (0..100).map(|i| s.rate(i, 100)).collect();
        assert!(rates[..25].windows(2).all(|w| w[0] < w[1]));
        assert!(rates[25..].windows(2).all(|w| w[0] > w[1]));
        assert!((rates[25] - 2.0).abs() < 0.02 && (rates[99] - 0.2).abs() < 0.01);
    }
}
