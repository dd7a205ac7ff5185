//! Published files: which sizes they have and where their parameters stand.

use std::path::{Path, PathBuf};

use fmr_checkpoint::rename::tables;
use fmr_checkpoint::{Selection, read_text, shown};
use fmr_nn::opening::OpenError;
use fmr_nn::weights::{self, Builder, Chosen, Loaded, WeightsError};
use serde::Deserialize;
use serde_json::Value;

use crate::autoencoder::Autoencoder;
use crate::config::{DdConfig, Quantizer, Sizes, VqganConfig};
use crate::published::Published;
use crate::{diffusers, shapes, yaml};

/// A model with its weights, and what it is.
#[derive(Debug)]
pub struct Opened {
    /// The network.
    pub net: Autoencoder,
    /// Its sizes.
    pub sizes: Sizes,
    /// Every file that was read.
    pub files: Vec<PathBuf>,
    /// Which weights were taken, where the file keeps averaged and raw ones.
    pub taken: Option<String>,
}

/// Where the sizes of a model come from.
#[derive(Debug, Clone, Copy, Default)]
pub enum SizesFrom<'a> {
    /// The file itself, a file that usually stands beside it, or the shapes of the parameters.
    #[default]
    Checkpoint,
    /// The yaml of the training, diffusers' `config.json`, or JSON in the names of [`VqganConfig`].
    File(&'a Path),
    /// A published model, which the checkpoint must be.
    Model(&'a Published),
}

/// Opens a VQGAN: a Lightning `.ckpt` of taming-transformers or latent-diffusion, a diffusers folder's weights, or a
/// file of this project's.
///
/// # Errors
/// [`OpenError`].
pub fn open(weights: &Path, from: SizesFrom<'_>, device: &burn::tensor::Device) -> Result<Opened, OpenError> {
    open_chosen(weights, Chosen::default(), from, device)
}

/// As [`open`], of the tensors that are chosen.
///
/// # Errors
/// [`OpenError`].
pub fn open_chosen(
    weights: &Path,
    chosen: Chosen<'_>,
    from: SizesFrom<'_>,
    device: &burn::tensor::Device,
) -> Result<Opened, OpenError> {
    let keys = ["encoder.conv_in.weight", "decoder.conv_out.weight", "quant_conv.weight"];
    let selection = chosen.of(Selection::by_keys(keys));
    let mut file = weights::read_selected(weights, &selection, |key| !is_training(key))?;
    // Of a folder, the file that was found in it: what accompanies the weights stands beside that.
    let found_path = file.path.clone();
    let weights = found_path.as_path();
    if diffusers::is_layout(&file.tensors) {
        let rules = tables::vqgan_from_diffusers(file.tensors.keys().map(String::as_str));
        file.tensors = rules.apply(file.tensors).tensors;
    }
    let (sizes, said_by) = match from {
        SizesFrom::File(path) => {
            let sizes = read_sizes(path)?.ok_or_else(|| {
                let problem = "it holds no sizes of a VQGAN: neither model.params.ddconfig nor block_out_channels";
                OpenError::File { path: path.to_owned(), problem: problem.to_owned() }
            })?;
            (sizes, path.to_owned())
        }
        SizesFrom::Checkpoint => usual_sizes(weights, &file)?,
        SizesFrom::Model(model) => ((&model.config()).into(), weights.to_owned()),
    };
    sizes.check().map_err(|e| OpenError::File { path: said_by.clone(), problem: e.to_string() })?;
    let mut b = Builder::stored(std::mem::take(&mut file.tensors), device);
    let net = Autoencoder::with_sizes(&mut b, &sizes);
    b.finish(|key| key == "quantize.used").map_err(|e| {
        let mut wanted = format!("a VQGAN f{} with {} codes", sizes.factor(), sizes.n_embed);
        if let SizesFrom::Model(model) = from {
            wanted = model.name.to_owned();
        } else if said_by != weights {
            wanted += &format!(", as {} says,", shown::path(&said_by));
        }
        file.misfit(e, wanted)
    })?;
    let taken = file.taken();
    let mut files = file.files;
    if !files.contains(&said_by) {
        files.push(said_by);
    }
    Ok(Opened { net, sizes, files, taken })
}

/// Parameters that only training needs, whatever their shape.
fn is_training(key: &str) -> bool {
    ["loss.", "model_ema.", "colorize"].iter().any(|prefix| key.starts_with(prefix))
}

/// Sizes without a file that the settings name, and the file that they come from.
fn usual_sizes(weights: &Path, file: &Loaded) -> Result<(Sizes, PathBuf), OpenError> {
    if let Some(text) = file.metadata.get("fmr-vqgan-config") {
        let problem = |e: serde_json::Error| OpenError::File {
            path: weights.to_owned(),
            problem: format!("its entry fmr-vqgan-config: {}", yaml::message(&e)),
        };
        let config: VqganConfig = serde_json::from_str(text).map_err(problem)?;
        return Ok(((&config).into(), weights.to_owned()));
    }
    for path in beside(weights) {
        if let Some(sizes) = read_sizes(&path)? {
            return Ok((sizes, path));
        }
    }
    let sizes = shapes::sizes(&file.tensors).map_err(|missing| {
        let unexpected = file.tensors.keys().filter(|key| !is_known(key)).cloned().collect();
        file.misfit(WeightsError { missing, unexpected, misshapen: Vec::new() }, "a VQGAN".to_owned())
    })?;
    Ok((sizes, weights.to_owned()))
}

fn is_known(key: &str) -> bool {
    ["encoder.", "decoder.", "quantize.", "quant_conv.", "post_quant_conv."].iter().any(|p| key.starts_with(p))
}

/// Files of sizes that usually accompany a checkpoint: in its folder, or in `configs` beside its folder.
fn beside(weights: &Path) -> Vec<PathBuf> {
    let folder = weights.parent().map(Path::to_owned).unwrap_or_default();
    let stem = weights.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let names = [&format!("{stem}.yaml"), "model.yaml", "config.yaml", "project.yaml", "config.json"];
    let folders = [folder.clone(), folder.join("../configs")];
    let paths = folders.iter().flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    paths.filter(|path| path.is_file()).collect()
}

/// The sizes in a file, if it is one of a VQGAN.
fn read_sizes(path: &Path) -> Result<Option<Sizes>, OpenError> {
    let problem = |problem: String| OpenError::File { path: path.to_owned(), problem };
    let text = read_text(path, yaml::LONGEST)?;
    let value: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|e| problem(yaml::message(&e)))?
    } else {
        yaml::parse(&text).map_err(|e| problem(e.to_string()))?
    };
    parse(value).map_err(problem)
}

/// The sizes in a document, if it is one of a VQGAN.
pub(crate) fn parse(value: Value) -> Result<Option<Sizes>, String> {
    if value.get("block_out_channels").is_some() {
        let config: diffusers::Config = serde_json::from_value(value).map_err(|e| yaml::message(&e))?;
        return config.sizes().map(Some);
    }
    if value.get("ddconfig").is_some() && value.get("model").is_none() {
        let config: VqganConfig = serde_json::from_value(value).map_err(|e| yaml::message(&e))?;
        return Ok(Some((&config).into()));
    }
    // A transformer's or a diffusion model's yaml holds that of its first stage.
    let model = value.get("model");
    let first_stage = model.and_then(|model| model.get("params")?.get("first_stage_config"));
    let Some(model) = first_stage.or(model) else { return Ok(None) };
    let Some(params) = model.get("params").filter(|params| params.get("ddconfig").is_some()) else { return Ok(None) };
    let target = model.get("target").and_then(Value::as_str).unwrap_or_default();
    let params: Params =
        serde_json::from_value(params.clone()).map_err(|e| format!("model.params: {}", yaml::message(&e)))?;
    params.sizes(target.ends_with("GumbelVQ")).map(Some)
}

/// `model.params` of a training's yaml, as far as the network depends on it.
#[derive(Debug, Deserialize)]
struct Params {
    embed_dim: usize,
    n_embed: usize,
    ddconfig: YamlSizes,
}

/// `ddconfig` of a training's yaml. Upstream passes over keys that it does not know; so does this.
#[derive(Debug, Deserialize)]
struct YamlSizes {
    ch: usize,
    ch_mult: Vec<usize>,
    num_res_blocks: usize,
    attn_resolutions: Vec<usize>,
    resolution: usize,
    in_channels: usize,
    out_ch: usize,
    z_channels: usize,
    #[serde(default)]
    double_z: bool,
    #[serde(default)]
    resamp_with_conv: Option<bool>,
    #[serde(default)]
    attn_type: Option<String>,
}

impl Params {
    fn sizes(self, gumbel: bool) -> Result<Sizes, String> {
        let dd = self.ddconfig;
        if dd.double_z {
            return Err("double_z is true: it is the autoencoder with a Gaussian latent, not a VQGAN".to_owned());
        }
        let attends = match dd.attn_type.as_deref() {
            None | Some("vanilla") => true,
            Some("none") => false,
            Some(other) => {
                let other = shown::quoted(other, shown::TEXT);
                return Err(format!("attn_type is {other}; \"vanilla\" and \"none\" are understood"));
            }
        };
        let config = VqganConfig {
            embed_dim: self.embed_dim,
            n_embed: self.n_embed,
            ddconfig: DdConfig {
                ch: dd.ch,
                ch_mult: dd.ch_mult,
                num_res_blocks: dd.num_res_blocks,
                attn_resolutions: if attends { dd.attn_resolutions } else { Vec::new() },
                resolution: dd.resolution,
                in_channels: dd.in_channels,
                out_ch: dd.out_ch,
                z_channels: dd.z_channels,
            },
            quantizer: if gumbel { Quantizer::Gumbel } else { Quantizer::Nearest },
        };
        Ok(Sizes {
            middle_attention: attends,
            resample_with_conv: dd.resamp_with_conv.unwrap_or(true),
            ..Sizes::from(&config)
        })
    }
}
