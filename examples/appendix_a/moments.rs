//! Mean and variance of draws, with their uncertainty.

use fmr::core::metrics::Interval;
use fmr::report::{Cell, Figure};

/// Two-sided quantile of the normal distribution for 95 %.
const Z: f64 = 1.959_963_984_540_054;
/// A claim is given up where a simulation is further from it than this many standard errors.
const BEYOND: f64 = 4.0;

/// Sums of powers of draws, around a first guess of their mean, which keeps them small.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moments {
    origin: f64,
    count: f64,
    sums: [f64; 4],
}

/// An estimate with its standard error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) error: f64,
    pub(crate) draws: usize,
}

impl Moments {
    /// Around `origin`.
    pub(crate) fn around(origin: f64) -> Self {
        Self { origin, ..Self::default() }
    }

    pub(crate) fn add(&mut self, value: f64) {
        let gap = value - self.origin;
        self.count += 1.0;
        for (sum, power) in self.sums.iter_mut().zip([gap, gap.powi(2), gap.powi(3), gap.powi(4)]) {
            *sum += power;
        }
    }

    pub(crate) fn mean(&self) -> Estimate {
        let value = self.origin + self.raw(0);
        self.estimate(value, self.central(2))
    }

    pub(crate) fn variance(&self) -> Estimate {
        let variance = self.central(2);
        // The variance of a squared deviation from the mean.
        self.estimate(variance, self.central(4) - variance.powi(2))
    }

    /// The mean of the squares of the draws.
    pub(crate) fn second_moment(&self) -> Estimate {
        debug_assert!(self.origin == 0.0, "squares of the draws themselves");
        self.estimate(self.raw(1), self.raw(3) - self.raw(1).powi(2))
    }

    fn estimate(&self, value: f64, variance: f64) -> Estimate {
        Estimate { value, error: (variance.max(0.0) / self.count).sqrt(), draws: self.count as usize }
    }

    fn raw(&self, power: usize) -> f64 {
        self.sums[power] / self.count
    }

    fn central(&self, power: usize) -> f64 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|power| self.raw(power));
        match power {
            2 => b - a * a,
            _ => d - 4.0 * a * c + 6.0 * a * a * b - 3.0 * a.powi(4),
        }
    }
}

impl Estimate {
    /// Whether the simulation contradicts this value.
    pub(crate) fn excludes(&self, value: f64) -> bool {
        (self.value - value).abs() > BEYOND * self.error + 1e-12
    }

    /// Whether the simulation contradicts an upper bound.
    pub(crate) fn exceeds(&self, bound: f64) -> bool {
        self.value - bound > BEYOND * self.error + 1e-12
    }
}

impl From<Estimate> for Cell {
    fn from(estimate: Estimate) -> Self {
        let Estimate { value, error, draws } = estimate;
        let interval = Some(Interval { lo: value - Z * error, hi: value + Z * error });
        Figure { value: Some(value), interval, n: Some(draws), hits: None }.into()
    }
}
