//! CLIP as an oracle.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use burn::tensor::{Device, Int, Tensor, TensorData};
use fmr_core::preprocess::Picture;
use fmr_core::registry::{MakeContext, MakeError, NamedFile, Recipe, Registry};
use fmr_core::{ComponentError, Oracle, SettingError, Subject, Target};
use fmr_nn::bridge::{to_array, to_tensor};
use fmr_nn::component::{Preparation, find_published, guarded};
use fmr_nn::functional::Pointwise;
use fmr_nn::opening;
use fmr_nn::weights::{Builder, Chosen};
use ndarray::{Array2, Array4, ArrayView4};
use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, Opened, Told};
use crate::model::{Clip, ClipConfig, unit};
use crate::preprocess::Preprocess;
use crate::published::{Published, published};
use crate::target::ClipTargetSettings;
use crate::tokenizer::{Dialect, Tokenizer};

/// An oracle of kind `clip`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClipSettings {
    /// Checkpoint: OpenAI's archive or state dict, weights of open_clip or Hugging Face, or a file of this project's.
    pub weights: PathBuf,
    /// Sizes: `open_clip_config.json`, Hugging Face's `config.json`, or a JSON file in this project's names. Needed only
    /// where they do not stand in or beside the checkpoint, and cannot be told from it.
    #[serde(default)]
    pub config: Option<PathBuf>,
    /// Published model that the checkpoint must be, e.g. `ViT-B/32`.
    #[serde(default)]
    pub model: Option<String>,
    /// Activation of the transformers, for a checkpoint of which nothing tells it.
    #[serde(default)]
    pub activation: Option<Pointwise>,
    /// Part of the file that holds the model, such as `state_dict_ema`.
    #[serde(default)]
    pub weights_key: Option<String>,
    /// Start of the names of the model's parameters, where other weights stand beside them, such as `model.`.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The moving average of the weights, where a file keeps both.
    #[serde(default)]
    pub ema: Option<bool>,
    /// Device that computes; the run's unless named.
    #[serde(default)]
    pub device: Option<String>,
}

/// Registers the oracles and the targets of kind `clip`.
pub fn register(registry: &mut Registry) {
    registry.add::<dyn Oracle, ClipSettings>("clip");
    registry.add::<dyn Target, ClipTargetSettings>("clip");
}

impl Recipe<dyn Oracle> for ClipSettings {
    fn check(&self, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        let (_, model) = self.sound(context)?;
        let published = model.and_then(Published::download);
        let files = [("weights", Some(&self.weights)), ("config", self.config.as_ref())];
        let files = files.into_iter().filter_map(|(key, path)| NamedFile::of(key, path, context));
        Ok(files.map(|file| file.published_as(published.as_slice())).collect())
    }

    fn make(self, context: &MakeContext<'_>) -> Result<Box<dyn Oracle>, MakeError> {
        Ok(Box::new(ClipOracle::from_settings(&self, context)?))
    }
}

impl ClipSettings {
    /// The device and the published model.
    fn sound(&self, context: &MakeContext<'_>) -> Result<(Device, Option<&'static Published>), SettingError> {
        let model = find_published(self.model.as_deref(), published(), |p| p.name)?;
        let device = opening::device(self.device.as_ref(), context)?;
        Ok((device, model))
    }
}

/// Prompts that are embedded together.
const PROMPTS: usize = 32;

/// A CLIP model that has been told its classes.
#[derive(Debug)]
pub struct ClipOracle {
    name: String,
    clip: Clip,
    config: ClipConfig,
    tokenizer: Tokenizer,
    pub(crate) preparation: Preparation,
    /// Unit text embeddings `[embed, classes]`, times the scale from cosines to logits.
    texts: Option<Tensor<2>>,
    pub(crate) device: Device,
}

impl ClipOracle {
    /// Loads a model for a run.
    ///
    /// # Errors
    /// Weights or sizes that cannot be read, or weights of a different model.
    pub fn from_settings(settings: &ClipSettings, context: &MakeContext<'_>) -> Result<Self, MakeError> {
        let (device, model) = settings.sound(context)?;
        let weights = context.path(&settings.weights);
        let config = settings.config.as_ref().map(|config| context.path(config));
        let told = Told {
            model,
            config: config.as_deref(),
            activation: settings.activation,
            chosen: Chosen {
                weights_key: settings.weights_key.as_deref(),
                prefix: settings.prefix.as_deref(),
                ema: settings.ema,
            },
        };
        let opened = checkpoint::open(&weights, told, &device).map_err(|e| e.of("oracle \"clip\""))?;
        opened.files.iter().for_each(|file| context.note_file(file));
        opened.taken.iter().for_each(|taken| context.note_remark(format!("oracle \"clip\": {taken}")));
        let stem = weights.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self::new(stem, opened, device))
    }

    /// A model with seeded random weights, for measurements of speed and memory.
    ///
    /// # Errors
    /// A vocabulary that the list of merges does not fit.
    pub fn random(name: &str, config: ClipConfig, seed: u64, device: Device) -> Result<Self, ComponentError> {
        let mut b = Builder::random_frozen(seed, &device);
        let clip = Clip::new(&mut b, &config).folded();
        let tokenizer = Tokenizer::standard(config.text.vocabulary, Dialect::OpenAi)
            .map_err(|e| ComponentError::new(format!("oracle {name:?}"), "make the tokenizer", e.to_string()))?;
        let preprocess = Preprocess::of_side(config.resolution);
        let opened = Opened { clip, config, tokenizer, preprocess, files: Vec::new(), taken: None };
        Ok(Self::new(name.to_owned(), opened, device))
    }

    fn new(name: String, opened: Opened, device: Device) -> Self {
        let Opened { clip, config, tokenizer, preprocess, .. } = opened;
        let preparation = Preparation::new(preprocess.wanted());
        Self { name, clip, tokenizer, preparation, config, texts: None, device }
    }

    fn component(&self) -> String {
        format!("oracle {:?}", self.name)
    }

    /// Token ids of a prompt up to its end token: nothing after that matters, the mask is causal.
    fn tokens(&self, text: &str) -> Result<Vec<i64>, ComponentError> {
        let context = self.config.text.context;
        let mut ids = self.tokenizer.encode(text);
        if ids.len() > context && self.tokenizer.cuts() {
            ids = self.tokenizer.encode_cut(text, context);
        }
        if ids.len() > context {
            let problem = format!("{text:?} has {} tokens, and the model reads {context}", ids.len());
            return Err(ComponentError::new(self.component(), "embed a prompt", problem).about(Subject::Classes));
        }
        let end = self.tokenizer.end_of(&ids);
        Ok(ids[..=end].iter().map(|id| i64::from(*id)).collect())
    }

    /// Unit embeddings `[n, embed]` of prompts. Those of one length go through the text tower together.
    fn prompts(&self, prompts: &[Vec<i64>]) -> Array2<f32> {
        let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (i, ids) in prompts.iter().enumerate() {
            by_length.entry(ids.len()).or_default().push(i);
        }
        let mut embeddings = Array2::zeros((prompts.len(), self.config.embed));
        for (length, together) in by_length {
            for some in together.chunks(PROMPTS) {
                let ids: Vec<i64> = some.iter().flat_map(|i| prompts[*i].iter().copied()).collect();
                let tokens = Tensor::<2, Int>::from_data(TensorData::new(ids, [some.len(), length]), &self.device);
                let rows = self.clip.text(tokens, &vec![length - 1; some.len()]);
                let rows: Array2<f32> = to_array(rows, (some.len(), self.config.embed));
                some.iter().zip(rows.outer_iter()).for_each(|(i, row)| embeddings.row_mut(*i).assign(&row));
            }
        }
        embeddings
    }

    /// Unit embeddings `[k, embed]` of classes: the mean of a class's unit embeddings over the templates, normalised
    /// again. `{class}` or `{}` of a template stands for the name.
    ///
    /// # Errors
    /// No template, or a prompt that is too long.
    pub fn embed(&self, names: &[String], templates: &[String]) -> Result<Tensor<2>, ComponentError> {
        if templates.is_empty() {
            let missing = "there is no template; the paper's is \"an image of {class}\"";
            return Err(ComponentError::new(self.component(), "embed prompts", missing).about(Subject::Templates));
        }
        // Classes of one name share their prompts.
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut prompts = Vec::new();
        let mut classes = Vec::with_capacity(names.len());
        for name in names {
            let class = known.len();
            let class = *known.entry(name).or_insert(class);
            classes.push(class);
            if class * templates.len() == prompts.len() {
                for template in templates {
                    prompts.push(self.tokens(&template.replace("{class}", name).replace("{}", name))?);
                }
            }
        }
        let embeddings = self.prompts(&prompts);
        let mut sums = Array2::zeros((names.len(), self.config.embed));
        for (mut sum, class) in sums.outer_iter_mut().zip(classes) {
            for t in 0..templates.len() {
                sum += &embeddings.row(class * templates.len() + t);
            }
        }
        Ok(unit(to_tensor(sums.view(), &self.device)))
    }
}

impl ClipOracle {
    /// Scaled similarities `[n, k]` of what the image tower takes with the classes.
    pub(crate) fn similarities(&self, prepared: Tensor<4>) -> Result<Tensor<2>, ComponentError> {
        let unset = || ComponentError::new(self.component(), "judge images", "its classes were not set");
        let texts = self.texts.as_ref().ok_or_else(unset)?;
        Ok(fmr_nn::functional::linear(self.clip.image(prepared), texts.clone(), None))
    }

    /// Class probabilities `[n, k]` of what the image tower takes.
    fn probabilities(&self, prepared: &Array4<f32>) -> Result<Array2<f32>, ComponentError> {
        let logits = self.similarities(to_tensor(prepared.view(), &self.device))?;
        let [n, classes] = logits.dims();
        Ok(softmax(to_array(logits, (n, classes))))
    }
}

impl Oracle for ClipOracle {
    fn name(&self) -> &str {
        &self.name
    }

    fn set_classes(&mut self, names: &[String], templates: &[String]) -> Result<(), ComponentError> {
        if let Some(template) = templates.iter().find(|t| !t.contains("{class}") && !t.contains("{}")) {
            let problem = format!("the template {template:?} has no {{class}} in it");
            return Err(ComponentError::new(self.component(), "set the classes", problem).about(Subject::Templates));
        }
        if names.is_empty() {
            let error = ComponentError::new(self.component(), "set the classes", "there are none");
            return Err(error.about(Subject::Classes));
        }
        let component = self.component();
        let texts = guarded(&component, "embed prompts", || {
            Ok(self.embed(names, templates)?.transpose() * self.clip.logit_scale().exp().unsqueeze())
        })?;
        self.texts = Some(texts);
        Ok(())
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let component = self.component();
        guarded(&component, "judge images", || {
            let (_, c, h, w) = images.dim();
            let pipeline = self.preparation.pipeline(&component, [c, h, w])?;
            self.probabilities(&pipeline.forward(images))
        })
    }

    fn judge_pictures(&self, pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        if let (true, Some(texts)) = (pictures.is_empty(), &self.texts) {
            let [_, classes] = texts.dims();
            return Ok(Some(Array2::zeros((0, classes))));
        }
        let component = self.component();
        guarded(&component, "judge images", || {
            Ok(Some(self.probabilities(&self.preparation.pictures(&component, pictures)?)?))
        })
    }

    fn preprocessing(&self) -> Option<String> {
        Some(self.preparation.wanted().to_string())
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
