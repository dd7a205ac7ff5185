//! What an experiment file says of a generator of kind `stylegan`.

use std::path::PathBuf;

use burn::tensor::Device;
use fmr_core::registry::{MakeContext, MakeError, NamedFile, Recipe, Registry};
use fmr_core::{Generator, SettingError};
use fmr_nn::component::find_published;
use fmr_nn::opening;
use serde::{Deserialize, Serialize};

use crate::generator::Stylegan;
use crate::perceptor::Perceptor;
use crate::published::{Published, published};

/// What a latent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Latent {
    /// One w for all layers.
    W,
    /// A w for each layer, and one for the Fourier features: `input`, then by the layers' names.
    #[default]
    #[serde(rename = "w+")]
    WPlus,
    /// What layers make of w: a factor for each of their channels, and the placement of the Fourier features.
    Style,
}

/// Where an inversion starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// The mean of w that the training kept: of the image's class, in a class-conditional model of StyleGAN-XL.
    #[default]
    WAvg,
    /// The mean of w over draws of z and the image's class.
    Draws,
}

/// What the decoded picture is to the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Composition {
    /// The picture, resized, is the image: what the inversion does not find is lost.
    #[default]
    Plain,
    /// What changes in the picture is added to the original, so that the search starts from the original itself.
    Residual,
}

/// A generator of kind `stylegan`. There is no encoder: the latent of an image is searched for, which takes longer than the
/// perturbation of the image. Keep encodings (`run.cache`) to do it once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StyleganSettings {
    /// A `.pkl` of StyleGAN-XL or StyleGAN3, or safetensors with the configuration in the entry `config`.
    pub weights: PathBuf,
    /// Published model that the file is, e.g. `stylegan_xl_imagenet128`; says where it can be downloaded from.
    #[serde(default)]
    pub model: Option<String>,
    /// What the search moves: `"w+"`, `"w"` or `"style"`.
    #[serde(default)]
    pub latent: Latent,
    /// Where an inversion starts.
    #[serde(default)]
    pub start: Start,
    /// Draws of z for the start `draws`.
    #[serde(default = "thousand")]
    pub draws: usize,
    /// Steps of an inversion with one w for all layers.
    #[serde(default = "two_hundred")]
    pub w_steps: usize,
    /// Highest rate of learning of these steps.
    #[serde(default = "tenth")]
    pub w_rate: f64,
    /// Steps after them with a w for each layer; none where the latent is `w`, 200 otherwise, unless said.
    #[serde(default)]
    pub w_plus_steps: Option<usize>,
    /// Highest rate of learning of these steps.
    #[serde(default = "fiftieth")]
    pub w_plus_rate: f64,
    /// How strongly the w of all layers are held together in these steps.
    #[serde(default = "thousandth")]
    pub w_plus_unity: f64,
    /// What an inversion compares.
    #[serde(default)]
    pub perceptor: Perceptor,
    /// What the decoded picture is to the image.
    #[serde(default)]
    pub composition: Composition,
    /// Least peak signal-to-noise ratio, in decibels, between an image and what its inversion gives. An image below it fails,
    /// and the report counts it with those that failed.
    #[serde(default)]
    pub least_psnr: Option<f64>,
    /// The model's class for each class of the run, in a class-conditional model whose classes are not the run's.
    #[serde(default)]
    pub classes: Option<Vec<usize>>,
    /// Part of the file that holds the model, such as `G_ema`.
    #[serde(default)]
    pub weights_key: Option<String>,
    /// Start of the names of the model's parameters, where other weights stand beside them.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The moving average of the weights (`G_ema`) or the raw ones (`G`), where a file keeps both; the average unless said.
    #[serde(default)]
    pub ema: Option<bool>,
    /// Device that computes; the run's unless named.
    #[serde(default)]
    pub device: Option<String>,
}

fn thousand() -> usize {
    1000
}

fn two_hundred() -> usize {
    200
}

fn tenth() -> f64 {
    0.1
}

fn fiftieth() -> f64 {
    0.02
}

fn thousandth() -> f64 {
    0.001
}

/// Steps and draws that anybody may want.
const MOST: usize = 1_000_000;

impl StyleganSettings {
    /// Settings of the file `weights`, everything else by default.
    pub fn of(weights: impl Into<PathBuf>) -> Self {
        Self {
            weights: weights.into(),
            model: None,
            latent: Latent::default(),
            start: Start::default(),
            draws: thousand(),
            w_steps: two_hundred(),
            w_rate: tenth(),
            w_plus_steps: None,
            w_plus_rate: fiftieth(),
            w_plus_unity: thousandth(),
            perceptor: Perceptor::default(),
            composition: Composition::default(),
            least_psnr: None,
            classes: None,
            weights_key: None,
            prefix: None,
            ema: None,
            device: None,
        }
    }

    /// Steps with a w for each layer.
    pub(crate) fn later_steps(&self) -> usize {
        self.w_plus_steps.unwrap_or(if self.latent == Latent::W { 0 } else { two_hundred() })
    }

    /// The device and the published model, of settings that make sense together.
    pub(crate) fn sound(
        &self,
        context: &MakeContext<'_>,
    ) -> Result<(Device, Option<&'static Published>), SettingError> {
        let counts = [("draws", self.draws), ("w-steps", self.w_steps), ("w-plus-steps", self.later_steps())];
        for (key, count) in counts {
            let least = usize::from(key == "draws");
            SettingError::require((least..=MOST).contains(&count), key, count, &format!("{least} to {MOST}"))?;
        }
        if self.latent == Latent::W && self.later_steps() > 0 {
            let problem = "moves the w of each layer by itself, and latent = \"w\" has one for all";
            return Err(SettingError::new("w-plus-steps", problem));
        }
        for (key, rate) in [("w-rate", self.w_rate), ("w-plus-rate", self.w_plus_rate)] {
            SettingError::require(rate > 0.0 && rate <= 100.0, key, rate, "above 0 and at most 100")?;
        }
        let unity = self.w_plus_unity;
        SettingError::require((0.0..=1e6).contains(&unity), "w-plus-unity", unity, "0 to 1000000")?;
        if let Some(psnr) = self.least_psnr {
            SettingError::require((-100.0..=200.0).contains(&psnr), "least-psnr", psnr, "-100 to 200")?;
        }
        let model = find_published(self.model.as_deref(), published(), |p| p.name)?;
        let device = opening::device(self.device.as_ref(), context)?;
        Ok((device, model))
    }
}

/// Registers the generators of kind `stylegan`.
pub fn register(registry: &mut Registry) {
    registry.add::<dyn Generator, StyleganSettings>("stylegan");
}

impl Recipe<dyn Generator> for StyleganSettings {
    fn check(&self, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        let (_, model) = self.sound(context)?;
        let published: Vec<_> = model.map(Published::download).into_iter().collect();
        let file = NamedFile::of("weights", Some(&self.weights), context);
        Ok(file.into_iter().map(|file| file.published_as(&published)).collect())
    }

    fn make(self, context: &MakeContext<'_>) -> Result<Box<dyn Generator>, MakeError> {
        Ok(Box::new(Stylegan::from_settings(&self, context)?))
    }
}
