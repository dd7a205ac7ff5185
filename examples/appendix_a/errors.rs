//! Errors of data sets: what data sets tell of the true mean and covariance.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Distribution of the error ε of a data set's mean, all of mean 0 and variance 1.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Error {
    /// N(0, 1), the paper's assumption I.
    Normal,
    /// Uniform.
    Uniform,
    /// Exp(1) − 1, which is skewed.
    Skewed,
}

/// Distribution of the factor ε' of a data set's covariance, all of mean 1.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Factor {
    /// Exp(1), of variance 1, the paper's assumption II.
    Exponential,
    /// Uniform from 0 to 2, of variance 1/3.
    Uniform,
}

impl Error {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Uniform => "uniform",
            Self::Skewed => "skewed",
        }
    }

    pub(crate) fn draw(self, random: &mut Random) -> f64 {
        match self {
            Self::Normal => random.normal(),
            Self::Uniform => 12.0_f64.sqrt() * (random.uniform() - 0.5),
            Self::Skewed => random.exponential() - 1.0,
        }
    }
}

impl Factor {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Exponential => "exponential",
            Self::Uniform => "uniform",
        }
    }

    pub(crate) fn variance(self) -> f64 {
        match self {
            Self::Exponential => 1.0,
            Self::Uniform => 1.0 / 3.0,
        }
    }

    pub(crate) fn draw(self, random: &mut Random) -> f64 {
        match self {
            Self::Exponential => random.exponential(),
            Self::Uniform => 2.0 * random.uniform(),
        }
    }
}

/// Random numbers that are the same on every machine.
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// From 0 to 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    /// Exp(1).
    pub(crate) fn exponential(&mut self) -> f64 {
        -(1.0 - self.uniform()).ln()
    }

    /// N(0, 1), by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (2.0 * self.exponential()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }
}
