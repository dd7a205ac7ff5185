//! Where in a container the weights are.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::places::{is_averaged, nothing_under};
use super::{Weights, average};
use crate::checkpoint::Checkpoint;
use crate::error::CheckpointError;
use crate::limits;

/// Top-level entries under which projects keep their weights, most telling first.
const CONTAINERS: &[&str] =
    &["state_dict", "model_state_dict", "model", "net", "network", "generator", "params", "weights"];

/// Top-level entries under which projects keep a moving average of their weights.
const EMA_CONTAINERS: &[&str] = &[
    "state_dict_ema",
    "ema_state_dict",
    "ema_model_state_dict",
    "model_ema_state_dict",
    "swa_state_dict",
    "model_ema",
    "ema_model",
    "ema",
    "params_ema",
];

/// Top-level entries that accompany weights.
const COMPANIONS: &[&str] = &[
    "epoch",
    "iter",
    "step",
    "global_step",
    "arch",
    "args",
    "acc",
    "metric",
    "meta",
    "version",
    "optimizer",
    "optimizers",
    "optimizer_states",
    "optimizer_state_dict",
    "scheduler",
    "lr_schedulers",
    "scheduler_state_dict",
    "scaler",
    "config",
    "callbacks",
    "best_acc",
    "best_acc1",
    "best_prec1",
    "schedule",
    "hyper_parameters",
];

/// Levels that wrappers (parallel training, normalising layers, attackers) put before a model's own names.
const WRAPPERS: &[&str] = &["module.", "model.", "1.", "_orig_mod.", "net."];

/// First parts of keys that stand beside a wrapped model without being part of it.
const BESIDE: &[&str] =
    &["mean", "std", "mu", "sigma", "0", "normalize", "normalizer", "normalise", "attacker", "n_averaged"];

/// Most elements that a buffer of a normalising layer has: one per channel.
pub(crate) const NORMALISER_ELEMENTS: usize = 4;

/// How to find the weights of one model inside a checkpoint.
///
/// With the model's own parameter names ([`Selection::by_keys`]), the place is where most of them are found, whatever
/// containers and prefixes surround it. Without ([`Selection::default`]), the containers and prefixes that projects
/// commonly use are followed. A prefix ([`Selection::prefix`]) says the place exactly.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use fmr_checkpoint::{Checkpoint, FloatType, Selection, write_safetensors};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("trained.safetensors");
/// let one: &[f32] = &[1.0];
/// let keys = ["state_dict.fc.bias", "state_dict_ema.fc.bias", "loss.vgg.bias"];
/// let tensors = keys.map(|key| (key, [1].as_slice(), one));
/// write_safetensors(&path, tensors, &BTreeMap::new(), FloatType::F32)?;
///
/// let checkpoint = Checkpoint::open(&path)?;
/// let prefix = |selection: Selection| checkpoint.weights(&selection).map(|weights| weights.prefix().to_owned());
/// assert_eq!(prefix(Selection::by_keys(["fc.bias"]))?, "state_dict.");
/// assert_eq!(prefix(Selection::by_keys(["fc.bias"]).ema(true))?, "state_dict_ema.");
/// assert_eq!(prefix(Selection::default().prefix("loss."))?, "loss.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Selection {
    keys: HashSet<String>,
    under: Option<String>,
    prefix: Option<String>,
    ema: Option<bool>,
}

impl Selection {
    /// Looks for the place that holds these parameter names. A few characteristic ones suffice.
    pub fn by_keys(keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { keys: keys.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Looks only below this full key, such as `G_ema` or `model.teacher`.
    #[must_use]
    pub fn under(mut self, key: impl Into<String>) -> Self {
        self.under = Some(key.into());
        self
    }

    /// Takes exactly the tensors whose names start with `prefix`, such as `model.`, under the rest of their names. The
    /// names are those in the usual container (`state_dict`), or else the full keys of the file. A dot at the end may
    /// be left out.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Requires a moving average of the weights (`true`), or prefers raw weights where both are kept (`false`, the
    /// default).
    #[must_use]
    pub fn ema(mut self, ema: bool) -> Self {
        self.ema = Some(ema);
        self
    }

    fn wants_average(&self) -> bool {
        self.ema == Some(true)
    }

    pub(crate) fn apply<'c>(&self, checkpoint: &'c Checkpoint) -> Result<Weights<'c>, CheckpointError> {
        let root = match self.under.as_deref() {
            None | Some("") => String::new(),
            Some(key) => format!("{}.", key.trim_end_matches('.')),
        };
        let keys = || checkpoint.tensors().iter().filter_map(|tensor| tensor.key().strip_prefix(root.as_str()));
        if keys().next().is_none() {
            return Err(nothing_under(checkpoint, self.under.as_deref().unwrap_or_default()));
        }
        let found = match &self.prefix {
            Some(prefix) => self.exact_place(checkpoint, &root, prefix)?,
            None => match self.most_matches(keys()) {
                Some(place) => place,
                None => {
                    let place = self.container(checkpoint, &root);
                    inside_wrappers(checkpoint, &root, place)
                }
            },
        };
        let weights = Weights::new(checkpoint, format!("{root}{found}"));
        if self.wants_average() && !weights.averaged() {
            let path = checkpoint.path().to_owned();
            return average::of(&weights).ok_or(CheckpointError::NoAverage { path });
        }
        Ok(weights)
    }

    /// The place that a prefix names, in the usual container or as the start of full keys.
    fn exact_place(&self, checkpoint: &Checkpoint, root: &str, prefix: &str) -> Result<String, CheckpointError> {
        let container = self.container(checkpoint, root);
        let with_dot = format!("{prefix}.");
        let candidates =
            [&container, ""].into_iter().flat_map(|place| [&with_dot, prefix].map(|prefix| format!("{place}{prefix}")));
        let holds = |place: &String| {
            let mut keys = checkpoint.tensors().iter().filter_map(|tensor| tensor.key().strip_prefix(root));
            keys.any(|key| key.starts_with(place.as_str()))
        };
        { candidates }.find(holds).ok_or_else(|| nothing_under(checkpoint, prefix))
    }

    /// The prefix under which most of the wanted keys are found.
    fn most_matches<'k>(&self, keys: impl Iterator<Item = &'k str>) -> Option<String> {
        // Only ends of a key that are as long as a wanted one are looked up: a key may have thousands of levels.
        let longest = self.keys.iter().map(String::len).max()?;
        let levels = self.keys.iter().map(|key| key.matches('.').count() + 1).max()?;
        let mut matches: HashMap<&str, usize> = HashMap::new();
        for key in keys {
            let dots = key.rmatch_indices('.').map(|(at, _)| at + 1);
            let starts = dots.chain(std::iter::once(0)).take(levels);
            for start in starts.take_while(|&start| key.len() - start <= longest) {
                if self.keys.contains(&key[start..]) {
                    *matches.entry(&key[..start]).or_default() += 1;
                }
            }
        }
        let most = *matches.values().max()?;
        // A moving average may lack buffers, so that fewer keys match; a tower inside a larger model has far fewer.
        let enough = |count: usize| count * 5 >= most * 4;
        let candidates = matches.iter().filter(|(_, count)| enough(**count));
        let best = candidates.min_by_key(|(prefix, count)| {
            let preference = is_averaged(prefix) != self.wants_average();
            let parts = prefix.matches('.').count();
            (preference, most - **count, rank(prefix), parts, **prefix)
        });
        best.map(|(prefix, _)| (*prefix).to_owned())
    }

    /// The usual container that the file has, with its dot, or nothing.
    fn container(&self, checkpoint: &Checkpoint, root: &str) -> String {
        let keys = checkpoint.tensors().iter().filter_map(|tensor| tensor.key().strip_prefix(root));
        let inner: BTreeSet<&str> = keys.clone().filter_map(|key| Some(key.split_once('.')?.0)).collect();
        let orders = if self.wants_average() { [EMA_CONTAINERS, CONTAINERS] } else { [CONTAINERS, EMA_CONTAINERS] };
        let Some(container) = orders.into_iter().flatten().find(|name| inner.contains(**name)) else {
            return String::new();
        };
        // A model's own first level may be called like a container ("model."): it is one only if something else of
        // the checkpoint stands beside it.
        let all = keys.chain(checkpoint.metadata().iter().map(|(key, _)| &**key));
        let levels: BTreeSet<&str> = all.map(|key| key.split_once('.').map_or(key, |(first, _)| first)).collect();
        let known = |level: &&&str| [COMPANIONS, CONTAINERS, EMA_CONTAINERS].iter().any(|names| names.contains(level));
        let is_container =
            levels.len() == 1 || container.contains("state_dict") || levels.iter().filter(known).count() > 1;
        if is_container { format!("{container}.") } else { String::new() }
    }
}

/// A place inside the levels that wrappers put around a model.
fn inside_wrappers(checkpoint: &Checkpoint, root: &str, mut place: String) -> String {
    for _ in 0..limits::WRAPPERS {
        let outer = format!("{root}{place}");
        let below = || {
            let tensors = checkpoint.tensors().iter();
            tensors.filter_map(|tensor| Some((tensor.key().strip_prefix(outer.as_str())?, tensor.numel())))
        };
        let surrounds = |wrapper: &&&str| {
            below().any(|(key, _)| key.starts_with(**wrapper))
                && below().all(|(key, numel)| key.starts_with(**wrapper) || is_beside(key, numel))
        };
        match WRAPPERS.iter().find(surrounds) {
            Some(wrapper) => place.push_str(wrapper),
            None => break,
        }
    }
    place
}

/// Position of the prefix's first level among the usual containers.
fn rank(prefix: &str) -> usize {
    let first = prefix.split('.').next().unwrap_or_default();
    let known = CONTAINERS.iter().chain(EMA_CONTAINERS);
    known.into_iter().position(|name| *name == first).unwrap_or(usize::MAX)
}

/// Whether a tensor belongs to what surrounds a wrapped model.
fn is_beside(key: &str, numel: usize) -> bool {
    let first = key.split('.').next().unwrap_or_default();
    BESIDE.contains(&first) && (first == "attacker" || numel <= NORMALISER_ELEMENTS)
}
