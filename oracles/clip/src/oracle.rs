//! CLIP as an oracle.

use std::io::Read;
use std::path::PathBuf;

use burn::tensor::{Device, Int, Tensor, TensorData};
use fmr_core::preprocess::Filter;
use fmr_core::registry::{MakeError, Registry, Site};
use fmr_core::{ComponentError, Oracle, SettingError};
use fmr_nn::bridge::{to_array, to_tensor};
use fmr_nn::component::{Preparation, Wanted, guarded};
use fmr_nn::weights::{self, Builder};
use ndarray::{Array2, ArrayView4};
use serde::{Deserialize, Serialize};

use crate::model::{Clip, ClipConfig, MEAN, STD};
use crate::tokenizer::Tokenizer;

/// An oracle of kind `clip`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClipSettings {
    /// Checkpoint.
    pub weights: PathBuf,
    /// Sizes, where the checkpoint does not carry them: a JSON file.
    #[serde(default)]
    pub config: Option<PathBuf>,
    /// Device that computes; the run's unless named.
    #[serde(default)]
    pub device: Option<String>,
}

/// Registers the oracles of kind `clip`.
pub fn register(registry: &mut Registry) {
    registry.add_oracle("clip", |settings, site| {
        let settings: ClipSettings = settings.parse()?;
        Ok(Box::new(ClipOracle::from_settings(&settings, site)?))
    });
}

/// A CLIP model that has been told its classes.
#[derive(Debug)]
pub struct ClipOracle {
    name: String,
    clip: Clip,
    config: ClipConfig,
    tokenizer: Tokenizer,
    preparation: Preparation,
    /// Unit text embeddings `[embed, classes]`, times the scale from cosines to logits.
    texts: Option<Tensor<2>>,
    device: Device,
}

impl ClipOracle {
    /// Loads a model for a run.
    ///
    /// # Errors
    /// Weights or sizes that cannot be read, or weights of another model.
    pub fn from_settings(settings: &ClipSettings, site: &Site) -> Result<Self, MakeError> {
        let error = |asked: &str, problem: String| ComponentError::new("oracle \"clip\"", asked, problem);
        let device = settings.device.as_ref().unwrap_or(&site.device);
        let device = fmr_nn::device::device(device).map_err(|e| SettingError::new("device", e.to_string()))?;
        let weights = site.path(&settings.weights);
        let file = weights::read(&weights).map_err(|e| error("load weights", e.to_string()))?;
        let path = weights.display();
        let text = match settings.config.as_ref().map(|config| site.path(config)) {
            Some(config) => std::fs::read_to_string(&config)
                .map_err(|e| error("read sizes", format!("{}: {e}", config.display())))?,
            None => file.metadata.get("fmr-clip-config").cloned().ok_or_else(|| {
                error("read sizes", format!("{path} does not carry them; name a file with them under `config`"))
            })?,
        };
        let config: ClipConfig = serde_json::from_str(&text).map_err(|e| error("read sizes", e.to_string()))?;
        let mut b = Builder::stored(file.tensors, &device);
        let clip = Clip::new(&mut b, &config);
        b.finish(|key| ["input_resolution", "context_length", "vocab_size"].contains(&key)).map_err(|e| {
            let found = file.looks_like.map(|f| format!(" looks like {f};")).unwrap_or_default();
            error("load weights", format!("{path}:{found} {e}"))
        })?;
        let stem = weights.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self::new(stem, clip.folded(), config, device)?)
    }

    /// A model with seeded random weights, for measurements of speed and memory.
    ///
    /// # Errors
    /// As [`ClipOracle::from_settings`], of the embedded vocabulary.
    pub fn random(name: &str, config: ClipConfig, seed: u64, device: Device) -> Result<Self, ComponentError> {
        let mut b = Builder::random_frozen(seed, &device);
        let clip = Clip::new(&mut b, &config).folded();
        Self::new(name.to_owned(), clip, config, device)
    }

    fn new(name: String, clip: Clip, config: ClipConfig, device: Device) -> Result<Self, ComponentError> {
        let mut merges = String::new();
        flate2::read::GzDecoder::new(crate::MERGES)
            .read_to_string(&mut merges)
            .map_err(|e| ComponentError::new(format!("oracle {name:?}"), "read the vocabulary", e.to_string()))?;
        let side = config.resolution;
        let wanted = Wanted { input: [3, side, side], mean: MEAN.to_vec(), std: STD.to_vec(), filter: Filter::Bicubic };
        Ok(Self {
            name,
            clip,
            tokenizer: Tokenizer::from_merges(&merges, config.text.vocabulary),
            preparation: Preparation::new(wanted),
            config,
            texts: None,
            device,
        })
    }

    fn component(&self) -> String {
        format!("oracle {:?}", self.name)
    }

    /// Unit embedding of a class: the mean of its templates' unit embeddings, normalised again.
    fn embed(&self, class: &str, templates: &[String]) -> Result<Tensor<2>, ComponentError> {
        let mut sum: Option<Tensor<2>> = None;
        for template in templates {
            let text = template.replace("{class}", class);
            let ids = self.tokenizer.encode(&text);
            if ids.len() > self.config.text.context {
                let problem =
                    format!("{text:?} has {} tokens, and the model reads {}", ids.len(), self.config.text.context);
                return Err(ComponentError::new(self.component(), "embed a prompt", problem));
            }
            let end = ids.len() - 1;
            let ids: Vec<i64> = ids.into_iter().map(i64::from).collect();
            let tokens = Tensor::<2, Int>::from_data(TensorData::new(ids, [1, end + 1]), &self.device);
            let embedding = self.clip.text(tokens, &[end]);
            sum = Some(match sum {
                Some(sum) => sum + embedding,
                None => embedding,
            });
        }
        let sum = sum.ok_or_else(|| {
            ComponentError::new(
                self.component(),
                "embed prompts",
                "there is no template; the paper's is \"an image of {class}\"",
            )
        })?;
        let norm = (sum.clone() * sum.clone()).sum_dim(1).sqrt();
        Ok(sum / norm)
    }
}

impl Oracle for ClipOracle {
    fn name(&self) -> &str {
        &self.name
    }

    fn set_classes(&mut self, names: &[String], templates: &[String]) -> Result<(), ComponentError> {
        if let Some(template) = templates.iter().find(|t| !t.contains("{class}")) {
            let problem = format!("the template {template:?} has no {{class}} in it");
            return Err(ComponentError::new(self.component(), "set the classes", problem));
        }
        let component = self.component();
        let texts = guarded(&component, "embed prompts", || {
            let rows = names.iter().map(|name| self.embed(name, templates)).collect::<Result<Vec<_>, _>>()?;
            Ok(Tensor::cat(rows, 0).transpose() * self.clip.logit_scale().exp().unsqueeze())
        })?;
        self.texts = Some(texts);
        Ok(())
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let component = self.component();
        let texts = self
            .texts
            .as_ref()
            .ok_or_else(|| ComponentError::new(&component, "judge images", "its classes were not set"))?;
        guarded(&component, "judge images", || {
            let (n, c, h, w) = images.dim();
            let pipeline = self.preparation.pipeline(&component, [c, h, w])?;
            let x = self.clip.image(to_tensor(pipeline.forward(images).view(), &self.device));
            let [_, classes] = texts.dims();
            let logits = fmr_nn::functional::linear(x, texts.clone(), None);
            Ok(softmax(to_array(logits, (n, classes))))
        })
    }
}

/// Rows to probabilities.
fn softmax(mut logits: Array2<f32>) -> Array2<f32> {
    for mut row in logits.outer_iter_mut() {
        let most = row.fold(f32::NEG_INFINITY, |m, v| m.max(*v));
        row.mapv_inplace(|v| (v - most).exp());
        let sum: f32 = row.iter().sum();
        row.mapv_inplace(|v| v / sum);
    }
    logits
}
