//! A diffusion process, whole or respaced, and what it does to images.

use burn::tensor::{Tensor, TensorData};
use fmr_nn::bridge::beside;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::respacing::{Respacing, RespacingError, spread};
use crate::schedule::{MOST_STEPS, NoiseSchedule, ScheduleError, Tables, cumulative};

/// The process that a network was trained with. Nothing in its weights tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Training {
    /// How much noise each step adds.
    pub noise_schedule: NoiseSchedule,
    /// Steps of the process.
    pub diffusion_steps: usize,
    /// Whether the network is told steps on a scale of 1000, whatever their number.
    #[serde(default)]
    pub rescale_timesteps: bool,
    /// Variance of a step where the network does not say it.
    #[serde(default)]
    pub fixed_variance: FixedVariance,
}

/// Variance of a step of a network that does not learn it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FixedVariance {
    /// β: that of the step itself.
    #[default]
    Large,
    /// That of the step before, given the image.
    Small,
}

/// A process that cannot be.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ProcessError {
    /// Of its schedule.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// Of its respacing.
    #[error(transparent)]
    Respacing(#[from] RespacingError),
}

impl Training {
    /// ᾱ of every step.
    ///
    /// # Errors
    /// A schedule that makes no process.
    pub fn alphas_cumprod(&self) -> Result<Vec<f64>, ScheduleError> {
        if !(2..=MOST_STEPS).contains(&self.diffusion_steps) {
            return Err(ScheduleError::Steps(self.diffusion_steps));
        }
        Tables::new(self.noise_schedule.betas(self.diffusion_steps)).map(|tables| tables.alphas_cumprod)
    }

    /// What the network is told at a step.
    pub fn network_time(&self, step: usize) -> f32 {
        if self.rescale_timesteps { (step as f64 * 1000.0 / self.diffusion_steps as f64) as f32 } else { step as f32 }
    }
}

/// A process of which some steps are kept. Steps are counted among those kept, noise growing, unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    training: Training,
    timestep_map: Vec<usize>,
    tables: Tables,
}

impl Process {
    /// The steps that `respacing` keeps of the process of `training`.
    ///
    /// # Errors
    /// A schedule or a respacing that makes no process.
    pub fn new(training: Training, respacing: &Respacing) -> Result<Self, ProcessError> {
        if !(2..=MOST_STEPS).contains(&training.diffusion_steps) {
            return Err(ScheduleError::Steps(training.diffusion_steps).into());
        }
        let timestep_map = respacing.timesteps(training.diffusion_steps)?;
        if *respacing == Respacing::All {
            let betas = training.noise_schedule.betas(training.diffusion_steps);
            return Ok(Self { training, timestep_map, tables: Tables::new(betas)? });
        }
        Self::keeping(training, timestep_map)
    }

    /// `count` steps spread over the first `low` of the process of `training`, those of least noise. With a fifth of the
    /// process they are those of the respacing `count,0,0,0,0`.
    ///
    /// # Errors
    /// As [`Process::new`]; or there are fewer than `count` steps among the first `low`.
    pub fn low_noise(training: Training, low: usize, count: usize) -> Result<Self, ProcessError> {
        if !(2..=MOST_STEPS).contains(&training.diffusion_steps) {
            return Err(ScheduleError::Steps(training.diffusion_steps).into());
        }
        Self::keeping(training, spread(low.min(training.diffusion_steps), count)?)
    }

    fn keeping(training: Training, timestep_map: Vec<usize>) -> Result<Self, ProcessError> {
        let alphas = cumulative(&training.noise_schedule.betas(training.diffusion_steps));
        let mut last = 1.0;
        let mut beta = |step: &usize| 1.0 - alphas[*step] / std::mem::replace(&mut last, alphas[*step]);
        let betas = timestep_map.iter().map(&mut beta).collect();
        Ok(Self { training, timestep_map, tables: Tables::new(betas)? })
    }

    /// The tables of the steps kept.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Number of the whole process's step for each step kept.
    pub fn timestep_map(&self) -> &[usize] {
        &self.timestep_map
    }

    /// What the network is told at each of these steps.
    ///
    /// # Panics
    /// On a step that is not kept; so do all functions that take steps.
    pub fn network_times(&self, steps: &[usize]) -> Vec<f32> {
        steps.iter().map(|step| self.training.network_time(self.timestep_map[*step])).collect()
    }

    pub(crate) fn fixed_variance(&self) -> FixedVariance {
        self.training.fixed_variance
    }

    /// One value a sample, shaped to be multiplied with `like [n, c, h, w]`.
    pub(crate) fn values(&self, steps: &[usize], like: &Tensor<4>, value: impl Fn(&Tables, usize) -> f64) -> Tensor<4> {
        let values: Vec<f32> = steps.iter().map(|step| value(&self.tables, *step) as f32).collect();
        constant(values, like)
    }

    /// Images after the noise of a step each: `noise` is standard normal and of the images' shape.
    pub fn q_sample(&self, images: Tensor<4>, steps: &[usize], noise: Tensor<4>) -> Tensor<4> {
        let kept = self.values(steps, &images, |t, i| t.alphas_cumprod[i].sqrt());
        let added = self.values(steps, &images, |t, i| (1.0 - t.alphas_cumprod[i]).sqrt());
        images * kept + noise * added
    }

    /// Mean of [`Process::q_sample`] over all noise.
    pub fn q_mean(&self, images: Tensor<4>, steps: &[usize]) -> Tensor<4> {
        let kept = self.values(steps, &images, |t, i| t.alphas_cumprod[i].sqrt());
        images * kept
    }

    /// Logarithm of the variance of [`Process::q_sample`].
    pub fn q_log_variance(&self, steps: &[usize]) -> Vec<f32> {
        steps.iter().map(|i| (1.0 - self.tables.alphas_cumprod[*i]).ln() as f32).collect()
    }

    /// Mean of the step before, given the image and the value `x` at the step.
    pub fn posterior_mean(&self, images: Tensor<4>, x: Tensor<4>, steps: &[usize]) -> Tensor<4> {
        let image = self.values(steps, &x, |t, i| t.posterior_mean_coef1[i]);
        let value = self.values(steps, &x, |t, i| t.posterior_mean_coef2[i]);
        images * image + x * value
    }
}

/// A constant with one of the `values` per sample, on the device of `like` and on its tape if it has one.
fn constant(values: Vec<f32>, like: &Tensor<4>) -> Tensor<4> {
    let shape = [values.len(), 1, 1, 1];
    beside(Tensor::from_data(TensorData::new(values, shape), &like.device().inner()), like)
}
