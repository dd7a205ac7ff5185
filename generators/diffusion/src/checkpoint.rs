//! Published files: what model they hold and where its parameters stand.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use fmr_checkpoint::rename::tables;
use fmr_nn::opening::{OpenError, read_averaged};
use fmr_nn::weights::{Builder, Chosen, Loaded, StateDict, WeightsError};

use crate::classifier::{Classifier, ClassifierConfig};
use crate::model::{ChannelOrder, Flags, ModelConfig};
use crate::published::Published;
use crate::shapes;
use crate::unet::Unet;

/// Name of the entry with which this project's own files carry their [`ModelConfig`].
pub const CONFIG_ENTRY: &str = "fmr-diffusion-config";

/// A model with its weights, and what it is.
#[derive(Debug)]
pub struct Opened {
    /// The network.
    pub net: Unet,
    /// What it is.
    pub config: ModelConfig,
    /// Every file that was read.
    pub files: Vec<PathBuf>,
    /// Which weights were taken, where the file keeps averaged and raw ones.
    pub taken: Option<String>,
}

/// Where that comes from which the weights of a model do not tell.
#[derive(Debug, Clone, Copy, Default)]
pub enum ConfigFrom<'a> {
    /// The file itself: one of this project's.
    #[default]
    Checkpoint,
    /// The flags of the training.
    Flags(&'a Flags),
    /// A published model, which the checkpoint must be.
    Model(&'a Published),
}

/// Opens a UNet: a state dict of guided or improved diffusion, a checkpoint of MMGeneration, or a file of this project's.
///
/// # Errors
/// [`OpenError`].
pub fn open(weights: &Path, chosen: Chosen<'_>, from: ConfigFrom<'_>, device: &Device) -> Result<Opened, OpenError> {
    let keys = ["time_embed.0.weight", "input_blocks.0.0.weight", "out.2.weight"];
    let renamed = ["time_embedding.blocks.0.weight", "in_blocks.0.0.weight", "out.conv.weight"];
    let mut file = read_averaged(weights, chosen, keys.into_iter().chain(renamed))?;
    let mut order = None;
    if is_mmgeneration(&file.tensors) {
        file.tensors = tables::diffusion_from_mmgeneration().apply(std::mem::take(&mut file.tensors)).tensors;
        order = Some(ChannelOrder::Bgr);
    }
    let mut config = config(&file, from)?;
    config.channel_order = order.unwrap_or(match from {
        ConfigFrom::Checkpoint => config.channel_order,
        // The layout decides: MMGeneration's models in the names of improved-diffusion would have been converted.
        ConfigFrom::Flags(_) | ConfigFrom::Model(_) => ChannelOrder::Rgb,
    });
    let problem = |problem: String| OpenError::File { path: file.path.clone(), problem };
    config.unet.check().map_err(|e| problem(e.to_string()))?;
    config.training.alphas_cumprod().map_err(|e| problem(e.to_string()))?;
    let mut b = Builder::stored(std::mem::take(&mut file.tensors), device);
    let net = Unet::new(&mut b, &config.unet);
    b.finish(|_| false).map_err(|e| {
        let wanted = match from {
            ConfigFrom::Model(model) => model.name.to_owned(),
            _ => format!("a diffusion model of {0} × {0}", config.image_size),
        };
        file.misfit(e, wanted)
    })?;
    Ok(Opened { net, config, taken: file.taken(), files: file.files })
}

/// Opens a classifier of noisy images of guided-diffusion.
///
/// # Errors
/// [`OpenError`].
pub fn open_classifier(weights: &Path, config: &ClassifierConfig, device: &Device) -> Result<Classifier, OpenError> {
    let keys = ["time_embed.0.weight", "input_blocks.0.0.weight", "out.2.positional_embedding"];
    let mut file = read_averaged(weights, Chosen::default(), keys)?;
    config.check().map_err(|e| OpenError::File { path: file.path.clone(), problem: e.to_string() })?;
    let mut b = Builder::stored(std::mem::take(&mut file.tensors), device);
    let net = Classifier::new(&mut b, config);
    b.finish(|_| false).map_err(|e| file.misfit(e, "a classifier of noisy images".to_owned()))?;
    Ok(net)
}

/// Whether parameters carry the names of MMGeneration.
fn is_mmgeneration(tensors: &StateDict) -> bool {
    tensors.keys().any(|key| key.starts_with("in_blocks."))
}

fn config(file: &Loaded, from: ConfigFrom<'_>) -> Result<ModelConfig, OpenError> {
    let problem = |problem: String| OpenError::File { path: file.path.clone(), problem };
    match from {
        ConfigFrom::Model(model) => Ok(model.config()),
        ConfigFrom::Flags(flags) => {
            let unet = shapes::config(&file.tensors, flags).map_err(|missing| {
                let unexpected = file.tensors.keys().filter(|key| !is_known(key)).cloned().collect();
                let error = WeightsError { missing, unexpected, misshapen: Vec::new() };
                file.misfit(error, "a diffusion model".to_owned())
            })?;
            let (training, image_size) = (flags.training(), flags.image_size);
            Ok(ModelConfig { unet, training, image_size, channel_order: ChannelOrder::Rgb })
        }
        ConfigFrom::Checkpoint => match file.metadata.get(CONFIG_ENTRY) {
            Some(text) => serde_json::from_str(text).map_err(|e| problem(format!("its entry {CONFIG_ENTRY}: {e}"))),
            None => Err(problem(
                "weights alone tell neither heads nor noise schedule; say `model`, the published model that it is, or \
                 `flags`, those of its training"
                    .to_owned(),
            )),
        },
    }
}

fn is_known(key: &str) -> bool {
    ["time_embed.", "label_emb.", "input_blocks.", "middle_block.", "output_blocks.", "out."]
        .iter()
        .any(|prefix| key.starts_with(prefix))
}
