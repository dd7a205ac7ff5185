//! Appendix A of the paper: estimators from one data set against estimators pooled over several, as a foundation
//! model's training data are (`protocol`, section 6).
//!
//! Data set k has n_k samples; its sample mean is off by ε_k ~ N(0, 1) in each coordinate and its sample covariance is
//! e_k · Σ with e_k ~ Exp(1), all independent.
//!
//! ```
//! use fmr_core::metrics::pooling::{Pooling, Simulation};
//!
//! // Four data sets of equal size have a quarter of one data set's variance.
//! let sizes = [1000; 4];
//! let exact = Pooling::of(&sizes).expect("there are samples");
//! assert_eq!((exact.kappa, exact.bias_around_pooled_mean), (0.25, 0.75));
//! let simulated = Simulation::run(&sizes, 20_000, 3);
//! assert!((simulated.mean_variance - exact.mean_variance).abs() < 0.01);
//! ```

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Closed forms. Variances of covariances are in units of Σ² (elementwise).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pooling {
    /// κ = Σ n_k² / (Σ n_k)², from 1/m (equal sizes) to 1 (one data set).
    pub kappa: f64,
    /// Variance of the pooled mean's error in each coordinate: κ.
    pub mean_variance: f64,
    /// The same of a single data set: 1.
    pub single_mean_variance: f64,
    /// Variance of the pooled covariance taken within data sets: κ. It is unbiased.
    pub covariance_variance: f64,
    /// The same of a single data set: 1.
    pub single_covariance_variance: f64,
    /// What the covariance around the *pooled* mean adds on the diagonal: 1 − κ. That estimator is biased, unlike the
    /// proposition says.
    pub bias_around_pooled_mean: f64,
    /// The second moment of a single covariance, the mean of e², 2, by which the paper's proof bounds.
    pub single_covariance_second_moment: f64,
}

impl Pooling {
    /// Closed forms for data sets of those sizes; `None` where they hold no sample.
    pub fn of(sizes: &[usize]) -> Option<Self> {
        let total = sizes.iter().sum::<usize>() as f64;
        let kappa = sizes.iter().map(|n| (*n as f64).powi(2)).sum::<f64>() / (total * total);
        (total > 0.0).then_some(Self {
            kappa,
            mean_variance: kappa,
            single_mean_variance: 1.0,
            covariance_variance: kappa,
            single_covariance_variance: 1.0,
            bias_around_pooled_mean: 1.0 - kappa,
            single_covariance_second_moment: 2.0,
        })
    }
}

/// What a simulation of the same setting finds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Simulation {
    /// Times the data sets were drawn.
    pub replicates: usize,
    /// Mean of the pooled mean's error; tends to 0.
    pub mean_bias: f64,
    /// Its variance; tends to κ.
    pub mean_variance: f64,
    /// Mean of the pooled covariance within data sets, in units of Σ; tends to 1.
    pub covariance_mean: f64,
    /// Its variance; tends to κ.
    pub covariance_variance: f64,
    /// Mean of the part between data sets; tends to 1 − κ.
    pub between_mean: f64,
}

impl Simulation {
    /// Draws the data sets `replicates` times; the same for a seed on every machine.
    pub fn run(sizes: &[usize], replicates: usize, seed: u64) -> Self {
        let total = sizes.iter().sum::<usize>() as f64;
        let weights: Vec<f64> = sizes.iter().map(|n| *n as f64 / total).collect();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut means, mut covariances, mut between) = (Moments::default(), Moments::default(), Moments::default());
        for _ in 0..replicates {
            let errors: Vec<f64> = weights.iter().map(|_| normal(&mut random)).collect();
            let pooled: f64 = weights.iter().zip(&errors).map(|(w, e)| w * e).sum();
            means.add(pooled);
            covariances.add(weights.iter().map(|w| w * exponential(&mut random)).sum());
            between.add(weights.iter().zip(&errors).map(|(w, e)| w * (e - pooled).powi(2)).sum());
        }
        Self {
            replicates,
            mean_bias: means.mean,
            mean_variance: means.variance(),
            covariance_mean: covariances.mean,
            covariance_variance: covariances.variance(),
            between_mean: between.mean,
        }
    }
}

/// Running mean and variance (Welford).
#[derive(Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let gap = value - self.mean;
        self.mean += gap / self.count;
        self.squares += gap * (value - self.mean);
    }

    fn variance(&self) -> f64 {
        self.squares / self.count
    }
}

/// Exp(1).
fn exponential(random: &mut ChaCha8Rng) -> f64 {
    -(1.0 - random.random::<f64>()).ln()
}

/// N(0, 1), by Box and Muller.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let radius = (2.0 * exponential(random)).sqrt();
    radius * (2.0 * std::f64::consts::PI * random.random::<f64>()).cos()
}
