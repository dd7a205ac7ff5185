//! Noise schedules and the tables that follow from them, in double precision.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How much noise each step adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseSchedule {
    /// Equal increments from 0.0001 to 0.02 for 1000 steps, and scaled for other numbers of steps.
    Linear,
    /// The squared cosine of Improved DDPM.
    Cosine,
}

/// Largest β of the cosine schedule.
const LARGEST_BETA: f64 = 0.999;

/// Most steps of a process.
pub(crate) const MOST_STEPS: usize = 1 << 20;

impl NoiseSchedule {
    /// β of each of `steps` steps.
    pub fn betas(self, steps: usize) -> Vec<f64> {
        match self {
            Self::Linear => {
                let scale = 1000.0 / steps as f64;
                let (first, last) = (scale * 0.0001, scale * 0.02);
                let increment = (last - first) / steps.saturating_sub(1).max(1) as f64;
                let beta = |i| if i > 0 && i + 1 == steps { last } else { first + i as f64 * increment };
                (0..steps).map(beta).collect()
            }
            Self::Cosine => {
                let kept = |u: f64| ((u + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
                let at = |i: usize| kept(i as f64 / steps as f64);
                (0..steps).map(|i| (1.0 - at(i + 1) / at(i)).min(LARGEST_BETA)).collect()
            }
        }
    }
}

/// A schedule that makes no process.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum ScheduleError {
    /// Too few or too many steps.
    #[error("a process has 2 to {MOST_STEPS} steps, not {0}")]
    Steps(usize),
    /// A step adds no noise, or more than there can be.
    #[error("step {step} has β = {beta}; β lies above 0 and at most at 1")]
    Beta {
        /// Number of the step.
        step: usize,
        /// Its β.
        beta: f64,
    },
}

/// What the samplers need of a process, one value a step, under the names of the original code. ᾱ is the share of an
/// image's variance that is left at a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Tables {
    /// β.
    pub betas: Vec<f64>,
    /// ᾱ.
    pub alphas_cumprod: Vec<f64>,
    /// ᾱ of the step before; 1 before the first.
    pub alphas_cumprod_prev: Vec<f64>,
    /// ᾱ of the step after; 0 after the last.
    pub alphas_cumprod_next: Vec<f64>,
    /// Variance of the step before, given a step and the image.
    pub posterior_variance: Vec<f64>,
    /// Its logarithm, with the first replaced by the second: the first is that of 0.
    pub posterior_log_variance_clipped: Vec<f64>,
    /// Weight of the image in the posterior's mean.
    pub posterior_mean_coef1: Vec<f64>,
    /// Weight of the step's value in it.
    pub posterior_mean_coef2: Vec<f64>,
}

impl Tables {
    /// Tables of the process with these β.
    ///
    /// # Errors
    /// Fewer than two steps, or a β outside (0, 1].
    pub fn new(betas: Vec<f64>) -> Result<Self, ScheduleError> {
        if !(2..=MOST_STEPS).contains(&betas.len()) {
            return Err(ScheduleError::Steps(betas.len()));
        }
        if let Some(step) = betas.iter().position(|beta| !(*beta > 0.0 && *beta <= 1.0)) {
            return Err(ScheduleError::Beta { step, beta: betas[step] });
        }
        let alphas_cumprod = cumulative(&betas);
        let last = betas.len() - 1;
        let alphas_cumprod_prev: Vec<f64> =
            std::iter::once(1.0).chain(alphas_cumprod[..last].iter().copied()).collect();
        let alphas_cumprod_next = alphas_cumprod[1..].iter().copied().chain([0.0]).collect();
        let steps = || betas.iter().zip(&alphas_cumprod).zip(&alphas_cumprod_prev).map(|((b, a), p)| (*b, *a, *p));
        let posterior_variance: Vec<f64> = steps().map(|(b, a, p)| b * (1.0 - p) / (1.0 - a)).collect();
        let mut posterior_log_variance_clipped: Vec<f64> = posterior_variance.iter().map(|v| v.ln()).collect();
        posterior_log_variance_clipped[0] = posterior_log_variance_clipped[1];
        let posterior_mean_coef1 = steps().map(|(b, a, p)| b * p.sqrt() / (1.0 - a)).collect();
        let posterior_mean_coef2 = steps().map(|(b, a, p)| (1.0 - p) * (1.0 - b).sqrt() / (1.0 - a)).collect();
        Ok(Self {
            alphas_cumprod_prev,
            alphas_cumprod_next,
            posterior_variance,
            posterior_log_variance_clipped,
            posterior_mean_coef1,
            posterior_mean_coef2,
            alphas_cumprod,
            betas,
        })
    }
}

/// ᾱ of each step.
pub(crate) fn cumulative(betas: &[f64]) -> Vec<f64> {
    let product = |left: &mut f64, beta: &f64| {
        *left *= 1.0 - beta;
        Some(*left)
    };
    betas.iter().scan(1.0, product).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn schedules_end_where_they_should() {
        let linear = NoiseSchedule::Linear.betas(1000);
        assert_eq!((linear[0], linear[999]), (0.0001, 0.02));
        let cosine = NoiseSchedule::Cosine.betas(4000);
        assert_eq!(cosine[3999], LARGEST_BETA);
        assert!((cosine[0] - 9.865_818_813_681_315e-6).abs() < 1e-16);
    }

    #[test]
    fn the_posterior_of_the_first_step_has_the_variance_of_the_second() {
        let tables = Tables::new(NoiseSchedule::Linear.betas(100)).unwrap();
        assert_eq!(tables.posterior_variance[0], 0.0);
        assert_eq!(tables.posterior_log_variance_clipped[0], tables.posterior_variance[1].ln());
        assert_eq!((tables.alphas_cumprod_prev[0], tables.alphas_cumprod_next[99]), (1.0, 0.0));
    }

    #[test]
    fn processes_that_cannot_be_are_refused() {
        assert_eq!(Tables::new(vec![0.1]).unwrap_err(), ScheduleError::Steps(1));
        assert!(matches!(Tables::new(vec![0.1, 1.5]).unwrap_err(), ScheduleError::Beta { step: 1, .. }));
        // Few steps of the linear schedule would add more noise than there can be.
        assert!(Tables::new(NoiseSchedule::Linear.betas(20)).is_ok());
        assert!(matches!(Tables::new(NoiseSchedule::Linear.betas(19)), Err(ScheduleError::Beta { step: 18, .. })));
    }
}
