//! Recipe files.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use fmr_checkpoint::CheckpointError;
use fmr_data::{DataError, DataSettings};
use fmr_nn::weights::WeightsError;

use crate::adversarial::Adversarial;
use crate::augment::Augment;
use crate::schedule::Schedule;

/// What can go wrong around training.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The recipe is not valid TOML or has unknown or wrong keys.
    #[error("{path}: {message}", path = path.display())]
    Recipe {
        /// The recipe.
        path: PathBuf,
        /// The parser's message with line and column.
        message: String,
    },
    /// A checkpoint or weights cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Weights are not those of the network that the recipe describes.
    #[error("{path}: {source}", path = path.display())]
    Weights {
        /// The file; the recipe's name where a network is new.
        path: PathBuf,
        /// What does not fit.
        source: WeightsError,
    },
    /// The data cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Images of several sizes.
    #[error("training images must all have one size")]
    Sizes,
    /// Hyper-parameters that make no model.
    #[error("task.model: {0}")]
    Vdvae(#[from] fmr_vdvae::ConfigError),
    /// Sizes or settings that make no model.
    #[error("{name}: task.model: {problem}")]
    Settings {
        /// The recipe's name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A model that is not registered.
    #[error("model {name:?} is not registered; there are {known}")]
    Model {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// A file of a checkpoint does not hold what it should.
    #[error("{path}: {problem}", path = path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A loss that is not a finite number.
    #[error("{name}: the loss is {loss} at step {step}; lower schedule.peak")]
    Loss {
        /// The recipe's name.
        name: String,
        /// The loss.
        loss: f64,
        /// The step of the run, from 0.
        step: usize,
    },
    /// A training that another process works on.
    #[error("{folder} is in use by another training; end it, or give this recipe a different `work`", folder = folder.display())]
    InUse {
        /// The work folder.
        folder: PathBuf,
    },
}

impl TrainError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn weights(path: &Path) -> impl FnOnce(WeightsError) -> Self + '_ {
        move |source| Self::Weights { path: path.to_owned(), source }
    }

    pub(crate) fn state(path: &Path, problem: impl std::fmt::Display) -> Self {
        Self::State { path: path.to_owned(), problem: problem.to_string() }
    }

    /// A model of that name is not registered.
    pub(crate) fn model(name: &str) -> Self {
        let known: Vec<&str> = fmr_zoo::entries().iter().map(|e| e.name).collect();
        Self::Model { name: name.to_owned(), known: known.join(", ") }
    }
}

/// A training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recipe {
    /// Name of the run; names the output files.
    pub name: String,
    /// Seed of initialisation, order and augmentation.
    pub seed: u64,
    /// Passes over the data.
    pub epochs: usize,
    /// Images a step.
    pub batch: usize,
    /// Learning rate.
    pub schedule: Schedule,
    /// Precision of the operands of matrix products.
    #[serde(default)]
    pub precision: Precision,
    /// Weights to start from instead of random ones, relative to the recipe.
    #[serde(default)]
    pub init: Option<PathBuf>,
    /// Folder for checkpoints and the curve, relative to the recipe.
    pub work: PathBuf,
    /// Final weights, relative to the recipe; the quality report stands beside them as `.json`.
    pub weights: PathBuf,
    /// The recipe's folder, from which its paths start.
    #[serde(skip)]
    pub base: PathBuf,
    /// What is trained, on what.
    pub task: TaskRecipe,
}

/// Precision of the operands of matrix products during training; sums are always in single precision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Single precision.
    #[default]
    Single,
    /// Bfloat16 where the processor has matrix tiles, single precision elsewhere.
    Bfloat16,
}

/// Kinds of training runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TaskRecipe {
    /// A classifier of the zoo by cross-entropy.
    Classifier(Box<ClassifierRecipe>),
    /// A CLIP model by contrastive loss.
    Contrastive(Box<ContrastiveRecipe>),
    /// A VQGAN.
    Autoencoder(Box<AutoencoderRecipe>),
    /// A VDVAE.
    Vdvae(Box<VdvaeRecipe>),
    /// A diffusion model.
    Diffusion(Box<DiffusionRecipe>),
    /// A StyleGAN, with an encoder that is not published.
    Stylegan(Box<StyleganRecipe>),
}

/// A classifier by cross-entropy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClassifierRecipe {
    /// Registered model.
    pub model: String,
    /// Training images.
    pub train: DataSettings,
    /// Test images.
    pub test: DataSettings,
    /// Random changes of the training images.
    #[serde(default)]
    pub augment: Augment,
    /// Weight decay of the weights.
    #[serde(default)]
    pub weight_decay: f32,
    /// Probability mass moved from the true class to all classes alike.
    #[serde(default)]
    pub label_smoothing: f32,
    /// Training images are moved against the network before each step; its accuracy under twenty such steps is measured too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adversarial: Option<Adversarial>,
    /// How weights follow gradients.
    #[serde(default)]
    pub optimizer: Optimizer,
}

/// How the weights of a classifier follow gradients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimizer {
    /// Gradient descent with Nesterov momentum 0.9; weight decay is part of the gradient.
    #[default]
    Sgd,
    /// AdamW, for transformers; weight decay is decoupled.
    AdamW,
}

/// A CLIP model by contrastive loss with AdamW.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ContrastiveRecipe {
    /// Sizes of the towers.
    pub model: fmr_clip::ClipConfig,
    /// OpenAI's merge list (gzip), relative to the recipe.
    pub merges: PathBuf,
    /// Captions, with `{class}` for the class name; one is drawn for each class and step.
    pub templates: Vec<String>,
    /// Data sets; the first one's pass is the epoch.
    pub sources: Vec<SourceRecipe>,
    /// Decoupled weight decay.
    #[serde(default)]
    pub weight_decay: f32,
    /// Probability mass moved from the true caption to all captions alike.
    #[serde(default)]
    pub label_smoothing: f32,
}

/// A VQGAN with Adam.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AutoencoderRecipe {
    /// Sizes of the model.
    pub model: fmr_vqgan::VqganConfig,
    /// Steps between evaluations.
    pub steps_per_epoch: usize,
    /// Classifier whose feature maps the perceptual loss compares; a residual network.
    pub features: NetworkRecipe,
    /// Weight of the perceptual loss.
    pub perceptual: f32,
    /// Weight of the codebook losses.
    pub commitment: f32,
    /// Weight of the discriminator's judgement, in the second half of the run.
    pub adversarial: f32,
    /// Weights of the oracle whose opinion of the reconstructions is measured, if they exist.
    pub oracle: PathBuf,
    /// Sizes of the oracle.
    pub oracle_model: fmr_clip::ClipConfig,
    /// OpenAI's merge list (gzip), relative to the recipe.
    pub merges: PathBuf,
    /// Data sets, in turn by their shares.
    pub sources: Vec<ImageSourceRecipe>,
}

/// A VDVAE by its bound on the likelihood, with Adam.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VdvaeRecipe {
    /// Sizes of the model.
    pub model: fmr_vdvae::VdvaeConfig,
    /// Steps between evaluations.
    pub steps_per_epoch: usize,
    /// Weight of the divergences at the end of their warm-up: 1 is the bound itself, less gives closer reconstructions.
    pub divergence: f32,
    /// Share of the run over which the weight of the divergences grows from 0, in [0, 1].
    pub divergence_warm_up: f64,
    /// Largest norm of a parameter's gradient.
    pub clip: f32,
    /// Weights of the oracle whose opinion of the reconstructions is measured, if they exist.
    pub oracle: PathBuf,
    /// Sizes of the oracle.
    pub oracle_model: fmr_clip::ClipConfig,
    /// OpenAI's merge list (gzip), relative to the recipe.
    pub merges: PathBuf,
    /// Data sets, in turn by their shares.
    pub sources: Vec<ImageSourceRecipe>,
}

/// A StyleGAN's synthesis, by the reconstructions of an encoder in W+ that is trained with it, with Adam. There is no
/// discriminator, and the mapping stays as it starts: FMR inverts images, and never draws z.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StyleganRecipe {
    /// Sizes of the model.
    pub model: StyleganSizes,
    /// Width of the encoder, a ResNet-18 of pytorch-cifar's kind.
    pub encoder_width: usize,
    /// Steps between evaluations.
    pub steps_per_epoch: usize,
    /// Classifier whose feature maps the perceptual loss compares; a residual network.
    pub features: NetworkRecipe,
    /// Weight of the perceptual loss.
    pub perceptual: f32,
    /// Weight of how far the rows of W+ lie apart.
    pub unity: f32,
    /// Steps of an inversion, half of them with one w for all layers, when final weights are judged.
    pub inversion_steps: usize,
    /// Weights of the oracle whose opinion of the reconstructions is measured, if they exist.
    pub oracle: PathBuf,
    /// Sizes of the oracle.
    pub oracle_model: fmr_clip::ClipConfig,
    /// OpenAI's merge list (gzip), relative to the recipe.
    pub merges: PathBuf,
    /// Data sets, in turn by their shares.
    pub sources: Vec<ImageSourceRecipe>,
}

/// Sizes of a StyleGAN3-T without classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StyleganSizes {
    /// Side of the images.
    pub resolution: usize,
    /// Layers before the last one to colours.
    pub layers: usize,
    /// Channels at a cut-off of half a value per pixel; halved as cut-offs double.
    pub channel_base: f64,
    /// Most channels.
    pub channel_max: usize,
    /// Values around the canvas.
    pub margin: usize,
    /// Values of z.
    pub z_dim: usize,
    /// Values of w.
    pub w_dim: usize,
}

/// A diffusion model that tells noise, with Adam.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DiffusionRecipe {
    /// Network and process.
    pub model: fmr_diffusion::ModelConfig,
    /// Steps between evaluations.
    pub steps_per_epoch: usize,
    /// Share of the process that is trained, counted from the image. A generator that starts from low noise never sees
    /// the rest.
    pub training_fraction: f64,
    /// Steps that reconstructions are judged with.
    pub decode_steps: usize,
    /// Share of the process that these are spread over.
    pub noise_fraction: f64,
    /// Weights of the oracle whose opinion of the reconstructions is measured, if they exist.
    pub oracle: PathBuf,
    /// Sizes of the oracle.
    pub oracle_model: fmr_clip::ClipConfig,
    /// OpenAI's merge list (gzip), relative to the recipe.
    pub merges: PathBuf,
    /// Data sets, in turn by their shares.
    pub sources: Vec<ImageSourceRecipe>,
}

/// A classifier with its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NetworkRecipe {
    /// Registered model.
    pub model: String,
    /// Its weights, relative to the recipe.
    pub weights: PathBuf,
}

/// A data set of images to reconstruct.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImageSourceRecipe {
    /// Name in the figures.
    pub name: String,
    /// Class names in label order, for the oracle.
    pub classes: Vec<String>,
    /// Steps of this source in a round.
    pub share: usize,
    /// Random changes of its training images.
    #[serde(default)]
    pub augment: Augment,
    /// Training images.
    pub train: DataSettings,
    /// Test images.
    pub test: DataSettings,
    /// Classifier whose opinion of the reconstructions is measured.
    pub target: NetworkRecipe,
}

/// A data set with class names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SourceRecipe {
    /// Name in the figures.
    pub name: String,
    /// Class names in label order.
    pub classes: Vec<String>,
    /// Images of this source in each batch.
    pub per_batch: usize,
    /// Random changes of its training images.
    #[serde(default)]
    pub augment: Augment,
    /// Training images.
    pub train: DataSettings,
    /// Test images.
    pub test: DataSettings,
}

impl Recipe {
    /// Reads a recipe; relative paths become relative to its folder.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
        let mut recipe: Self =
            toml::from_str(&text).map_err(|e| TrainError::Recipe { path: path.to_owned(), message: e.to_string() })?;
        let base = path.parent().unwrap_or(Path::new("."));
        recipe.base = base.to_owned();
        recipe.work = base.join(&recipe.work);
        recipe.weights = base.join(&recipe.weights);
        Ok(recipe)
    }
}
