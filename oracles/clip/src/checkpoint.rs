//! Published files: OpenAI's archives and state dicts, open_clip, Hugging Face, and this project's own.

use std::path::{Path, PathBuf};

use fmr_checkpoint::rename::tables;
use fmr_checkpoint::{Selection, read_text, shown};
use fmr_nn::functional::Pointwise;
use fmr_nn::opening::OpenError;
use fmr_nn::weights::{self, Builder, Chosen, Loaded, WeightsError};
use serde_json::Value;

use crate::hugging_face;
use crate::layout::{self, Activations};
use crate::model::{Clip, ClipConfig};
use crate::open_clip;
use crate::preprocess::Preprocess;
use crate::published::Published;
use crate::tokenizer::{Dialect, Tokenizer};

/// A model with its weights and everything that belongs to it.
#[derive(Debug)]
pub struct Opened {
    /// The network in evaluation mode.
    pub clip: Clip,
    /// Its sizes.
    pub config: ClipConfig,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// What its images go through.
    pub preprocess: Preprocess,
    /// Every file that was read.
    pub files: Vec<PathBuf>,
    /// Which weights were taken, where the file keeps averaged and raw ones.
    pub taken: Option<String>,
}

/// Names that only CLIP models have; they tell where in a file the model stands.
const TYPICAL: &[&str] = &[
    "logit_scale",
    "visual.conv1.weight",
    "visual.proj",
    "token_embedding.weight",
    "text.token_embedding.weight",
    "vision_model.embeddings.patch_embedding.weight",
    "text_model.embeddings.token_embedding.weight",
];

/// What is known of a model beyond its weights. Sizes come from `model` or `config`, or from a file that usually stands
/// beside the weights, or from the shapes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told<'a> {
    /// A published model, which the checkpoint must be.
    pub model: Option<&'a Published>,
    /// A file of sizes.
    pub config: Option<&'a Path>,
    /// Activation of the transformers, for files of which nothing else tells it.
    pub activation: Option<Pointwise>,
    /// Which tensors of the file are the model's.
    pub chosen: Chosen<'a>,
}

/// Opens a CLIP model; the layout is told from the file.
///
/// # Errors
/// [`OpenError`].
pub fn open(weights: &Path, told: Told<'_>, device: &burn::tensor::Device) -> Result<Opened, OpenError> {
    let selection = told.chosen.of(Selection::by_keys(TYPICAL.iter().copied()));
    let mut file = weights::read_selected(weights, &selection, |key| !key.ends_with("position_ids"))?;
    // Of a folder, the file that was found in it: what accompanies the weights stands beside that.
    let found_path = file.path.clone();
    let weights = found_path.as_path();
    let is_hugging_face = hugging_face::is_layout(&file.tensors);
    if is_hugging_face {
        file.tensors = tables::clip_from_hugging_face().apply(file.tensors).tensors;
    } else if file.tensors.contains_key("text.token_embedding.weight") {
        file.tensors = tables::clip_from_open_clip().apply(file.tensors).tensors;
    }
    if file.tensors.contains_key("logit_bias") {
        let problem = "it has a logit_bias, as models of the SigLIP kind do; they are not supported".to_owned();
        return Err(OpenError::File { path: weights.to_owned(), problem });
    }
    let taken = file.taken();
    let mut files = file.files.clone();
    let found = find_config(weights, told.config, &file, is_hugging_face)?;
    files.extend(found.iter().map(|(path, _)| path.clone()).filter(|path| path != weights));
    let problem = |problem: String| OpenError::File {
        path: found.as_ref().map_or_else(|| weights.to_owned(), |(path, _)| path.clone()),
        problem,
    };
    let mut dialect = if is_hugging_face { Dialect::HuggingFace } else { Dialect::OpenAi };
    let found_sizes = match (&found, told.model) {
        (None, Some(model)) => model.config(),
        (None, None) => {
            let open_ai = file.looks_like.as_ref().is_some_and(|f| f.starts_with("an OpenAI"));
            let mut sizes =
                layout::config(&file.tensors, Activations::default()).map_err(|missing| misfit(&file, missing))?;
            sizes.activation = told.activation.or(open_ai.then_some(Pointwise::QuickGelu)).ok_or_else(|| {
                problem(
                    "nothing tells its activation: put its open_clip_config.json or config.json beside it, name its \
                     model, or set activation to \"quick-gelu\" or \"gelu\""
                        .to_owned(),
                )
            })?;
            sizes
        }
        (Some((_, value)), _) if value.get("model_cfg").is_some() => {
            dialect = Dialect::OpenClip;
            open_clip::config(value).map_err(problem)?
        }
        (Some((_, value)), _) if value.get("vision_config").is_some() => {
            hugging_face::config(value).map_err(problem)?
        }
        (Some((_, value)), _) => serde_json::from_value(value.clone()).map_err(|e| problem(message(&e)))?,
    };
    let sizes = told.model.map_or_else(|| found_sizes.clone(), Published::config);
    if sizes.activation != found_sizes.activation {
        let name = |a: Pointwise| serde_json::to_value(a).unwrap_or_default();
        let (here, there) = (name(found_sizes.activation), name(sizes.activation));
        return Err(problem(format!("its activation is {here}; the model that is asked for has {there}")));
    }
    if layout::eps(&sizes) != layout::eps(&found_sizes) {
        let [(image, text), (wanted_image, wanted_text)] = [&found_sizes, &sizes].map(layout::eps);
        return Err(problem(format!(
            "its layer_norm_eps are {image} and {text}; the model that is asked for has {wanted_image} and {wanted_text}"
        )));
    }
    layout::check(&sizes).map_err(problem)?;
    let mut preprocess = match &found {
        Some((_, value)) if value.get("model_cfg").is_some() => {
            open_clip::preprocess(value, sizes.resolution).map_err(problem)?
        }
        _ => Preprocess::of_side(sizes.resolution),
    };
    if is_hugging_face && let Some((path, value)) = beside(weights, &["preprocessor_config.json"])? {
        files.push(path.clone());
        preprocess =
            hugging_face::preprocess(&value, sizes.resolution).map_err(|problem| OpenError::File { path, problem })?;
    }
    let tokenizer = tokenizer(weights, sizes.text.vocabulary, dialect, &mut files)?;
    let mut b = Builder::stored(std::mem::take(&mut file.tensors), device);
    let clip = Clip::new(&mut b, &sizes);
    b.finish(|_| false).map_err(|e| {
        let wanted = match told.model {
            Some(model) => model.name.to_owned(),
            None => format!("a CLIP model with {}", layout::name(&sizes)),
        };
        file.misfit(e, wanted)
    })?;
    Ok(Opened { clip: clip.folded(), config: sizes, tokenizer, preprocess, files, taken })
}

fn misfit(file: &Loaded, missing: Vec<String>) -> OpenError {
    let unexpected = file.tensors.keys().filter(|key| !layout::is_known(key)).cloned().collect();
    file.misfit(WeightsError { missing, unexpected, misshapen: Vec::new() }, "a CLIP model".to_owned()).into()
}

/// The description of the model: named, in the file, or beside it.
fn find_config(
    weights: &Path,
    named: Option<&Path>,
    file: &Loaded,
    is_hugging_face: bool,
) -> Result<Option<(PathBuf, Value)>, OpenError> {
    if let Some(path) = named {
        return Ok(Some((path.to_owned(), read_json(path)?)));
    }
    if let Some(text) = file.metadata.get("fmr-clip-config") {
        let value = serde_json::from_str(text).map_err(|e| OpenError::File {
            path: weights.to_owned(),
            problem: format!("fmr-clip-config: {}", message(&e)),
        })?;
        return Ok(Some((weights.to_owned(), value)));
    }
    if file.looks_like.as_ref().is_some_and(|f| f.starts_with("an OpenAI")) {
        return Ok(None);
    }
    let (name, section) =
        if is_hugging_face { ("config.json", "vision_config") } else { ("open_clip_config.json", "model_cfg") };
    Ok(beside(weights, &[name])?.filter(|(_, value)| value.get(section).is_some()))
}

/// The first of these files that stands in the weights' folder.
fn beside(weights: &Path, names: &[&str]) -> Result<Option<(PathBuf, Value)>, OpenError> {
    let mut paths = names.iter().map(|name| weights.with_file_name(name));
    match paths.find(|path| path.is_file()) {
        Some(path) => {
            let value = read_json(&path)?;
            Ok(Some((path, value)))
        }
        None => Ok(None),
    }
}

fn read_json(path: &Path) -> Result<Value, OpenError> {
    let problem = |problem: String| OpenError::File { path: path.to_owned(), problem };
    let text = read_text(path, LONGEST)?;
    serde_json::from_str(&text).map_err(|e| problem(message(&e)))
}

/// Bytes that a file beside the weights may have. Lists of tokens are the longest, at about one megabyte.
const LONGEST: u64 = 16 << 20;

/// What the parser says, which may repeat text of the file.
fn message(error: &serde_json::Error) -> String {
    shown::escaped(&error.to_string(), shown::MESSAGE).to_string()
}

/// The tokenizer of the files beside a Hugging Face model, or the one of CLIP's list.
fn tokenizer(
    weights: &Path,
    vocabulary: usize,
    dialect: Dialect,
    files: &mut Vec<PathBuf>,
) -> Result<Tokenizer, OpenError> {
    let path = weights.with_file_name("merges.txt");
    let problem = |path: &Path, problem: String| OpenError::File { path: path.to_owned(), problem };
    if dialect != Dialect::HuggingFace || !path.is_file() {
        return Tokenizer::standard(vocabulary, dialect).map_err(|e| problem(weights, e.to_string()));
    }
    let merges = read_text(&path, LONGEST)?;
    let tokenizer = Tokenizer::new(&merges, vocabulary, dialect).map_err(|e| problem(&path, e.to_string()))?;
    files.push(path);
    if let Some((path, value)) = beside(weights, &["vocab.json"])? {
        tokenizer.agrees_with(&value).map_err(|e| problem(&path, e.to_string()))?;
        files.push(path);
    }
    Ok(tokenizer)
}
