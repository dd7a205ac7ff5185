//! Settings of the generator of kind `diffusion`.

use std::path::PathBuf;

use burn::tensor::Device;
use fmr_core::SettingError;
use fmr_core::registry::MakeContext;
use fmr_nn::component::find_published;
use fmr_nn::opening;
use serde::{Deserialize, Serialize};

use crate::checkpoint::ConfigFrom;
use crate::model::Flags;
use crate::published::{Published, published};

/// What the latent of an image is, and how it becomes an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The image taken to a noise level by inverted DDIM; DDIM leads back. The search moves the noisy image.
    #[default]
    Latent,
    /// A direction that guides every step from a noised image back (classifier guidance from a partly noised start). The
    /// search moves the direction, which begins at zero.
    Guided,
    /// As `latent`, with one step from the noise level to the image.
    OneStep,
}

/// How an image reaches its noise level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encode {
    /// Each step of the decode is inverted by repeated evaluations of the network: reconstructions are nearly exact.
    #[default]
    FixedPoint,
    /// The reverse of DDIM, one evaluation a step.
    Reverse,
    /// Noise that the seed and the image's own values draw.
    Noise,
}

/// What is shown of a decoded image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Composition {
    /// The decoded image itself.
    Plain,
    /// The original image and what the search changed of its reconstruction: details that a model of lower resolution
    /// cannot show stay.
    Residual,
}

/// Which gradient the search follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gradient {
    /// Through every step of the decode.
    #[default]
    Full,
    /// That of the image, as if a decode changed nothing: no way back through the network.
    Identity,
}

/// How guided steps are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampler {
    /// DDIM without noise.
    #[default]
    Ddim,
    /// Ancestral sampling, with noise that the seed and the image's own values draw.
    Ancestral,
}

/// The size that the model works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// That of its training images: the shorter side is brought to it, the longer in proportion, by antialiased bicubic
    /// interpolation.
    #[default]
    Resize,
    /// The images' own, with black around them up to the next that the model can halve.
    Pad,
}

/// A generator of kind `diffusion`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DiffusionSettings {
    /// Checkpoint: a state dict of guided-diffusion or improved-diffusion, a checkpoint of MMGeneration, or a file of this
    /// project's.
    pub weights: PathBuf,
    /// Published model that the checkpoint must be, e.g. `adm_256x256_diffusion_uncond`.
    #[serde(default)]
    pub model: Option<String>,
    /// Flags of the training of a model that is not published: what weights do not tell. This project's files hold them.
    #[serde(default)]
    pub flags: Option<Flags>,
    /// What the latent of an image is.
    #[serde(default)]
    pub mode: Mode,
    /// Steps of a decode, 5 unless said; 1 in the mode `one-step`.
    #[serde(default)]
    pub steps: Option<usize>,
    /// Share of the process that the steps are spread over, counted from the image: how much noise a latent has. 0.2 unless
    /// said; 0.05 in the mode `one-step`.
    #[serde(default)]
    pub noise_fraction: Option<f64>,
    /// How an image reaches its noise level; the mode `guided` knows `noise` alone.
    #[serde(default)]
    pub encode: Option<Encode>,
    /// Evaluations of the network for each step that `fixed-point` inverts.
    #[serde(default = "three")]
    pub evaluations: usize,
    /// Whether each step keeps the image that it implies within [-1, 1]. Pixels at the bounds then have no gradient.
    #[serde(default)]
    pub clamp: bool,
    /// How guided steps are taken.
    #[serde(default)]
    pub sampler: Sampler,
    /// What is shown of a decoded image; `residual` where the model's images are smaller than the run's, unless said.
    #[serde(default)]
    pub composition: Option<Composition>,
    /// Which gradient the search follows.
    #[serde(default)]
    pub gradient: Gradient,
    /// Whether a way back runs every step once more, one at a time, so that memory does not grow with their number. Without
    /// it the search takes about two thirds of the time.
    #[serde(default = "yes")]
    pub checkpoint_steps: bool,
    /// The model's class for each class of the run, in a class-conditional model whose classes are not the run's.
    #[serde(default)]
    pub classes: Option<Vec<usize>>,
    /// The size that the model works on.
    #[serde(default)]
    pub fit: Fit,
    /// Part of the file that holds the model, such as `state_dict`.
    #[serde(default)]
    pub weights_key: Option<String>,
    /// Start of the names of the model's parameters, where other weights stand beside them, such as `denoising_ema.`.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The moving average of the weights (`true`) or the raw ones, where a file keeps both; the average unless said.
    #[serde(default)]
    pub ema: Option<bool>,
    /// Seed of the noise; the run's unless set.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Device that computes; the run's unless named.
    #[serde(default)]
    pub device: Option<String>,
}

fn three() -> usize {
    3
}

fn yes() -> bool {
    true
}

/// Steps of a decode, and evaluations for each, that anybody may want.
const MOST_STEPS: usize = 10_000;

/// Settings that make sense together.
pub(super) struct Sound {
    pub(super) device: Device,
    pub(super) published: Option<&'static Published>,
    pub(super) steps: usize,
    pub(super) noise_fraction: f64,
    pub(super) encode: Encode,
}

impl DiffusionSettings {
    /// Settings for this file of weights, all others at their defaults.
    pub fn new(weights: impl Into<PathBuf>) -> Self {
        Self {
            weights: weights.into(),
            model: None,
            flags: None,
            mode: Mode::default(),
            steps: None,
            noise_fraction: None,
            encode: None,
            evaluations: three(),
            clamp: false,
            sampler: Sampler::default(),
            composition: None,
            gradient: Gradient::default(),
            checkpoint_steps: yes(),
            classes: None,
            fit: Fit::default(),
            weights_key: None,
            prefix: None,
            ema: None,
            seed: None,
            device: None,
        }
    }

    /// The choices that settings leave open, if the settings make sense together.
    pub(super) fn sound(&self, context: &MakeContext<'_>) -> Result<Sound, SettingError> {
        let published = find_published(self.model.as_deref(), published(), |p| p.name)?;
        if published.is_some() && self.flags.is_some() {
            return Err(SettingError::new("model", "says the flags already; leave out `flags`"));
        }
        let steps = self.steps.unwrap_or(if self.mode == Mode::OneStep { 1 } else { 5 });
        match self.mode {
            Mode::OneStep => SettingError::require(steps == 1, "steps", steps, "1 in the mode \"one-step\"")?,
            Mode::Latent | Mode::Guided => {
                let wanted = format!("2 to {MOST_STEPS}; for a single step say mode = \"one-step\"");
                SettingError::require((2..=MOST_STEPS).contains(&steps), "steps", steps, &wanted)?;
            }
        }
        let fraction = self.noise_fraction.unwrap_or(if self.mode == Mode::OneStep { 0.05 } else { 0.2 });
        SettingError::require(fraction > 0.0 && fraction <= 1.0, "noise-fraction", fraction, "above 0, at most 1")?;
        let evaluations = self.evaluations;
        let wanted = format!("1 to {MOST_STEPS}");
        SettingError::require((1..=MOST_STEPS).contains(&evaluations), "evaluations", evaluations, &wanted)?;
        let encode = match (self.mode, self.encode) {
            (Mode::Guided, None | Some(Encode::Noise)) => Encode::Noise,
            (Mode::Guided, Some(_)) => {
                let problem = "must be \"noise\" in the mode \"guided\", which starts from a noised image";
                return Err(SettingError::new("encode", problem));
            }
            (Mode::OneStep, Some(Encode::Reverse)) => {
                let problem = "is \"reverse\", which needs steps between image and noise level; in the mode \"one-step\" \
                               say \"fixed-point\" with evaluations = 1";
                return Err(SettingError::new("encode", problem));
            }
            (_, encode) => encode.unwrap_or_default(),
        };
        if self.sampler == Sampler::Ancestral && self.mode != Mode::Guided {
            let problem = "is \"ancestral\", which is a way to take guided steps; say mode = \"guided\"";
            return Err(SettingError::new("sampler", problem));
        }
        let device = opening::device(self.device.as_ref(), context)?;
        Ok(Sound { device, published, steps, noise_fraction: fraction, encode })
    }

    pub(super) fn config_from<'a>(&'a self, sound: &Sound) -> ConfigFrom<'a> {
        match (sound.published, &self.flags) {
            (Some(model), _) => ConfigFrom::Model(model),
            (None, Some(flags)) => ConfigFrom::Flags(flags),
            (None, None) => ConfigFrom::Checkpoint,
        }
    }
}
