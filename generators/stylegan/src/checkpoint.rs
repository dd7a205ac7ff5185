//! Files of generators: upstream's pickles, and safetensors that carry their configuration.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use fmr_checkpoint::{Checkpoint, Selection, shown};
use fmr_nn::opening::OpenError;
use fmr_nn::weights::{self, Builder, Chosen, Key};

use crate::attributes;
use crate::config::StyleganConfig;
use crate::network::Network;

/// Entry of safetensors files that holds the configuration, as JSON in upstream's names.
pub const CONFIG_ENTRY: &str = "config";

/// A model with its weights, and what it is.
#[derive(Debug)]
pub struct Opened {
    /// The network.
    pub network: Network,
    /// Its sizes.
    pub config: StyleganConfig,
    /// Its parameters by their names in the file.
    pub keys: Vec<Key>,
    /// Every file that was read.
    pub files: Vec<PathBuf>,
    /// What a reader of the figures must know: which weights were taken, what differs from the plan.
    pub remarks: Vec<String>,
}

/// Parameters that only a published model has, to find it among others.
const KEYS: [&str; 3] = ["mapping.fc0.weight", "mapping.w_avg", "synthesis.input.weight"];

/// Opens a generator of StyleGAN-XL or StyleGAN3. Nothing that the file holds as code is run. The averaged generator
/// (`G_ema`) is taken where the file has one, unless `chosen` says otherwise.
///
/// # Errors
/// [`OpenError`].
pub fn open(weights: &Path, chosen: Chosen<'_>, device: &Device) -> Result<Opened, OpenError> {
    open_with(weights, chosen, |tensors| Builder::stored(tensors, device))
}

/// As [`open`], with parameters that have gradients, on a device with tapes.
///
/// # Errors
/// [`OpenError`].
pub fn open_trainable(weights: &Path, chosen: Chosen<'_>, device: &Device) -> Result<Opened, OpenError> {
    open_with(weights, chosen, |tensors| Builder::stored_trainable(tensors, device))
}

fn open_with(
    weights: &Path,
    chosen: Chosen<'_>,
    builder: impl FnOnce(weights::StateDict) -> Builder,
) -> Result<Opened, OpenError> {
    let file = Checkpoint::open(weights)?;
    let (key, taken) = part(&file, chosen);
    let selection = Chosen { weights_key: key.as_deref(), ema: None, ..chosen }.of(Selection::by_keys(KEYS));
    let mut loaded = weights::read_selected(weights, &selection, |_| true)?;
    let problem = |problem: String| OpenError::File { path: loaded.path.clone(), problem };

    let found = attributes::config(&file, &loaded.place.prefix).map_err(problem)?;
    let mut config = match (found, loaded.metadata.get(CONFIG_ENTRY)) {
        (Some(config), _) => config,
        (None, Some(text)) => {
            let message = |e: serde_json::Error| shown::escaped(&e.to_string(), shown::MESSAGE).to_string();
            serde_json::from_str(text).map_err(|e| problem(format!("its entry {CONFIG_ENTRY}: {}", message(e))))?
        }
        (None, None) => {
            let why = "it holds no attributes of a StyleGAN3 generator, which state its sizes";
            return Err(problem(why.to_owned()));
        }
    };
    if config.c_dim > 0 && config.embedding.is_none() {
        config.embedding = attributes::embedding(|key| Some(loaded.tensors.get(key)?.shape.clone()));
        if config.embedding.is_none() {
            return Err(problem(format!("it has {} classes and no mapping.embed.weight", config.c_dim)));
        }
    }
    config.check().map_err(|e| problem(e.to_string()))?;
    let mut b = builder(std::mem::take(&mut loaded.tensors));
    let network = Network::new(&mut b, &config);
    // Upstream stores a table of classes with unconditional generators too.
    let unused = |key: &str| config.c_dim == 0 && key.starts_with("mapping.embed");
    let keys =
        b.finish(unused).map_err(|e| loaded.misfit(e, format!("a {}, as its attributes say,", config.name())))?;

    let mut remarks: Vec<String> = taken.into_iter().collect();
    let unplanned = network.synthesis.unplanned();
    if let Some(first) = unplanned.first() {
        remarks.push(format!(
            "filters or padding of {} of its layers ({}, …) are not those that its cut-offs lead to; the file's are used",
            unplanned.len(),
            shown::escaped(first, shown::KEY)
        ));
    }
    Ok(Opened { network, config, keys, files: loaded.files, remarks })
}

/// The part of the file that is the generator, and which it is where there is a choice.
fn part(file: &Checkpoint, chosen: Chosen<'_>) -> (Option<String>, Option<String>) {
    if let Some(key) = chosen.weights_key {
        return (Some(key.to_owned()), None);
    }
    let holds = |key: &str| file.get(&format!("{key}.{}", KEYS[0])).is_some();
    let (wanted, other) = if chosen.ema == Some(false) { ("G", "G_ema") } else { ("G_ema", "G") };
    match (holds(wanted), holds(other)) {
        (true, true) => {
            let choice = if wanted == "G" { "true" } else { "false" };
            let taken = format!("the generator {wanted} of the file is used; `ema = {choice}` takes {other}");
            (Some(wanted.to_owned()), Some(taken))
        }
        (true, false) => (Some(wanted.to_owned()), None),
        (false, true) if chosen.ema.is_none() => (Some(other.to_owned()), None),
        _ => (None, None),
    }
}
