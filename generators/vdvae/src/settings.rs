//! What an experiment file says of a generator of kind `vdvae`.

use std::path::PathBuf;

use burn::tensor::Device;
use fmr_core::registry::{MakeContext, MakeError, NamedFile, Recipe, Registry};
use fmr_core::{Generator, SettingError};
use fmr_nn::component::find_published;
use fmr_nn::opening;
use serde::{Deserialize, Serialize};

use crate::generator::Vdvae;
use crate::published::{Published, published};

/// Which latent layers the search moves. The others stay where the encoder put them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layers {
    /// Every layer.
    #[default]
    All,
    /// Layers whose maps have at most this side. Of small sides they move structure, of large ones nearly pixels.
    MaxResolution(usize),
    /// So many layers from the deepest on.
    First(usize),
    /// So many layers up to the finest.
    Last(usize),
}

/// What is decoded from the output's distribution. Pixels are never drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decode {
    /// The mean of each pixel's likeliest component; gradients pass over the choice. A Bernoulli model's probabilities.
    #[default]
    MostLikely,
    /// Means weighted by the components' probabilities: no jumps, and gradients reach the probabilities.
    SoftMixture,
}

/// What the decoded picture is to the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Composition {
    /// The picture, resized, is the image: what the model does not know is lost.
    Plain,
    /// What changes in the picture is added to the original, so that the search starts from the original itself.
    Residual,
}

/// Which latents an image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// The means of the posteriors, from the deepest on.
    #[default]
    Mean,
    /// Draws from the posteriors with noise that the run's seed draws, the same for every sample.
    Sample,
}

/// What a Bernoulli model sees of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BinaryInput {
    /// Black and white, from half on: what published models were trained with.
    #[default]
    Threshold,
    /// Grey levels as they are, for models that were trained with those.
    Grey,
}

/// A generator of kind `vdvae`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VdvaeSettings {
    /// Checkpoint of a run of Efficient-VDVAE (`checkpoints-RUN`), or a file of this project's.
    pub weights: PathBuf,
    /// Hyper-parameters: the archived `hparams-RUN.cfg`, or JSON by the same names. Needed only where they do not stand
    /// in the checkpoint or beside it.
    #[serde(default)]
    pub config: Option<PathBuf>,
    /// Published model whose example configuration stands in for the one of the run, e.g. `imagenet64_baseline`.
    #[serde(default)]
    pub model: Option<String>,
    /// Which latent layers the search moves: `"all"`, `{ max-resolution = 16 }`, `{ first = 6 }` or `{ last = 4 }`.
    #[serde(default)]
    pub layers: Layers,
    /// Upstream's statistics of the latent channels, `div_stats.npy`. With it the search moves only channels that carry
    /// information; the others keep the values that the encoder gave them.
    #[serde(default)]
    pub div_stats: Option<PathBuf>,
    /// Share of the channels that carries information, those of the largest divergence; the configuration's
    /// `variate_masks_quantile` unless said.
    #[serde(default)]
    pub kept_variates: Option<f64>,
    /// What is decoded from the output's distribution.
    #[serde(default)]
    pub decode: Decode,
    /// What the decoded picture is to the image: `"plain"`, or `"residual"`, which is the default for images that are
    /// larger than the model's.
    #[serde(default)]
    pub composition: Option<Composition>,
    /// Which latents an image has.
    #[serde(default)]
    pub encoding: Encoding,
    /// What a Bernoulli model sees of an image; what its file says unless given, and black and white where it says nothing.
    #[serde(default)]
    pub binary_input: Option<BinaryInput>,
    /// Part of the file that holds the model, such as `ema_model_state_dict`.
    #[serde(default)]
    pub weights_key: Option<String>,
    /// Start of the names of the model's parameters, where other weights stand beside them.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The moving average of the weights, where a file keeps both; it is taken unless said otherwise.
    #[serde(default)]
    pub ema: Option<bool>,
    /// Device that computes; the run's unless named.
    #[serde(default)]
    pub device: Option<String>,
}

impl VdvaeSettings {
    /// Settings of the checkpoint `weights`, everything else by default.
    pub fn of(weights: impl Into<PathBuf>) -> Self {
        Self {
            weights: weights.into(),
            config: None,
            model: None,
            layers: Layers::default(),
            div_stats: None,
            kept_variates: None,
            decode: Decode::default(),
            composition: None,
            encoding: Encoding::default(),
            binary_input: None,
            weights_key: None,
            prefix: None,
            ema: None,
            device: None,
        }
    }

    /// The device and the published model, of settings that make sense together.
    pub(crate) fn sound(
        &self,
        context: &MakeContext<'_>,
    ) -> Result<(Device, Option<&'static Published>), SettingError> {
        if let Some(share) = self.kept_variates {
            SettingError::require(share > 0.0 && share <= 1.0, "kept-variates", share, "above 0 and at most 1")?;
            if self.div_stats.is_none() {
                return Err(SettingError::new("kept-variates", "needs `div-stats`, the file that says which they are"));
            }
        }
        if let Layers::MaxResolution(0) | Layers::First(0) | Layers::Last(0) = self.layers {
            return Err(SettingError::new("layers", "moves no layer; its number must be at least 1"));
        }
        let model = find_published(self.model.as_deref(), published(), |p| p.name)?;
        if model.is_some() && self.config.is_some() {
            return Err(SettingError::new("model", "says the hyper-parameters already; leave out `config`"));
        }
        let device = opening::device(self.device.as_ref(), context)?;
        Ok((device, model))
    }
}

/// Registers the generators of kind `vdvae`.
pub fn register(registry: &mut Registry) {
    registry.add::<dyn Generator, VdvaeSettings>("vdvae");
}

impl Recipe<dyn Generator> for VdvaeSettings {
    fn check(&self, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        self.sound(context)?;
        let files = [
            ("weights", Some(&self.weights)),
            ("config", self.config.as_ref()),
            ("div-stats", self.div_stats.as_ref()),
        ];
        Ok(files.into_iter().filter_map(|(key, path)| NamedFile::of(key, path, context)).collect())
    }

    fn make(self, context: &MakeContext<'_>) -> Result<Box<dyn Generator>, MakeError> {
        Ok(Box::new(Vdvae::from_settings(&self, context)?))
    }
}
