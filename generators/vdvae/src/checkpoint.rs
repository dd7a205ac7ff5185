//! Published files: what configuration they have and where their parameters stand.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use fmr_checkpoint::{read_text, shown};
use fmr_nn::opening::{OpenError, read_averaged};
use fmr_nn::weights::{Builder, Chosen, Loaded};

use crate::config::VdvaeConfig;
use crate::hparams;
use crate::network::Network;
use crate::published::Published;
use crate::settings::BinaryInput;

/// Entry of this project's own files that holds the configuration, as JSON.
pub const CONFIG_ENTRY: &str = "fmr-vdvae-config";

/// Entry of this project's own files that says what a Bernoulli model was trained with: `grey` or `threshold`.
pub const INPUT_ENTRY: &str = "fmr-vdvae-input";

/// A model with its weights, and what it is.
#[derive(Debug)]
pub struct Opened {
    /// The network.
    pub network: Network,
    /// Its hyper-parameters.
    pub config: VdvaeConfig,
    /// What it was trained with, if it is a Bernoulli model.
    pub input: BinaryInput,
    /// Every file that was read.
    pub files: Vec<PathBuf>,
    /// Which weights were taken, where the file keeps averaged and raw ones.
    pub taken: Option<String>,
}

/// Where the hyper-parameters of a model come from.
#[derive(Debug, Clone, Copy, Default)]
pub enum ConfigFrom<'a> {
    /// The file itself, or the file that upstream archives beside it.
    #[default]
    Checkpoint,
    /// A configuration of upstream's, or JSON in the names of [`VdvaeConfig`].
    File(&'a Path),
    /// A published model's example, which the checkpoint must fit.
    Model(&'a Published),
}

/// Opens an Efficient-VDVAE: the checkpoint of a run of upstream's, or a file of this project's. The averaged weights are
/// taken where the file has them, as upstream does, unless `chosen` says otherwise.
///
/// # Errors
/// [`OpenError`].
pub fn open(weights: &Path, from: ConfigFrom<'_>, chosen: Chosen<'_>, device: &Device) -> Result<Opened, OpenError> {
    let keys = ["bottom_up.input_conv.weight", "top_down.trainable_h", "top_down.output_conv.weight"];
    let mut file = read_averaged(weights, chosen, keys)?;
    let (config, said_by) = match from {
        ConfigFrom::File(path) => (read_config(path)?, path.to_owned()),
        ConfigFrom::Checkpoint => usual_config(&file)?,
        ConfigFrom::Model(model) => (model.config(), file.path.clone()),
    };
    config.check().map_err(|e| OpenError::File { path: said_by.clone(), problem: e.to_string() })?;
    let mut b = Builder::stored(std::mem::take(&mut file.tensors), device);
    let network = Network::new(&mut b, &config);
    b.finish(|_| false).map_err(|e| {
        let layers = config.latent_layers();
        let mut wanted = format!("an Efficient-VDVAE of {layers} latent layers");
        if let ConfigFrom::Model(model) = from {
            wanted = model.name.to_owned();
        } else if said_by != file.path {
            wanted += &format!(", as {} says,", shown::path(&said_by));
        }
        file.misfit(e, wanted)
    })?;
    let taken = file.taken();
    let is_grey = file.metadata.get(INPUT_ENTRY).is_some_and(|input| input == "grey");
    let input = if is_grey { BinaryInput::Grey } else { BinaryInput::Threshold };
    let mut files = file.files;
    if !files.contains(&said_by) {
        files.push(said_by);
    }
    Ok(Opened { network, config, input, files, taken })
}

/// The configuration that the file carries, or that stands where upstream archives it.
fn usual_config(file: &Loaded) -> Result<(VdvaeConfig, PathBuf), OpenError> {
    let weights = &file.path;
    let problem = |problem: String| OpenError::File { path: weights.clone(), problem };
    if let Some(text) = file.metadata.get(CONFIG_ENTRY) {
        let message = |e: serde_json::Error| shown::escaped(&e.to_string(), shown::MESSAGE).to_string();
        let config =
            serde_json::from_str(text).map_err(|e| problem(format!("its entry {CONFIG_ENTRY}: {}", message(e))))?;
        return Ok((config, weights.clone()));
    }
    let beside = beside(weights);
    match beside.iter().find(|path| path.is_file()) {
        Some(path) => Ok((read_config(path)?, path.clone())),
        None => {
            let looked: Vec<String> = beside.iter().map(|path| shown::path(path)).collect();
            let looked = looked.join(", ");
            Err(problem(format!("its hyper-parameters are not beside it ({looked}); name their file in `config`")))
        }
    }
}

/// Where a run keeps its configuration: weights are called `checkpoints-RUN`.
fn beside(weights: &Path) -> Vec<PathBuf> {
    let folder = weights.parent().map(Path::to_owned).unwrap_or_default();
    let name = weights.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut paths = Vec::new();
    if let Some(run) = name.strip_prefix("checkpoints-") {
        paths.push(folder.join(format!("logs-{run}")).join(format!("hparams-{run}.cfg")));
        paths.push(folder.join(format!("hparams-{run}.cfg")));
    }
    paths.push(folder.join("hparams.cfg"));
    paths
}

/// A configuration of upstream's, or JSON in the names of [`VdvaeConfig`].
fn read_config(path: &Path) -> Result<VdvaeConfig, OpenError> {
    let text = read_text(path, hparams::LONGEST)?;
    let config = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|e| shown::escaped(&e.to_string(), shown::MESSAGE).to_string())
    } else {
        hparams::parse(&text)
    };
    config.map_err(|problem| OpenError::File { path: path.to_owned(), problem })
}
