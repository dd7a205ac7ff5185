//! Where in a container the weights are.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::StateDict;
use crate::checkpoint::Checkpoint;
use crate::error::CheckpointError;

/// Top-level entries under which projects keep their weights, most telling first.
const CONTAINERS: &[&str] =
    &["state_dict", "model_state_dict", "model", "net", "network", "generator", "params", "weights"];

/// Top-level entries under which projects keep a moving average of their weights.
const EMA_CONTAINERS: &[&str] =
    &["state_dict_ema", "ema_state_dict", "ema_model_state_dict", "model_ema", "ema", "params_ema"];

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
/// commonly use are followed.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    keys: HashSet<String>,
    under: Option<String>,
    ema: bool,
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

    /// Prefers (`true`) or avoids (`false`, the default) the moving average of the weights where both are kept.
    #[must_use]
    pub fn ema(mut self, ema: bool) -> Self {
        self.ema = ema;
        self
    }

    pub(crate) fn apply<'c>(&self, checkpoint: &'c Checkpoint) -> Result<StateDict<'c>, CheckpointError> {
        let root = self.under.as_ref().map_or(String::new(), |key| format!("{key}."));
        let mut tensors = checkpoint.tensors().iter();
        if !tensors.any(|tensor| tensor.key().starts_with(&root)) {
            let key = self.under.clone().unwrap_or_default();
            return Err(CheckpointError::NoTensor {
                path: checkpoint.path().to_owned(),
                hint: checkpoint.nearest(&key),
                key,
            });
        }
        let keys = || {
            let keys = checkpoint.tensors().iter().map(|tensor| tensor.key());
            keys.filter_map(|key| key.strip_prefix(root.as_str()))
        };
        let found = self.most_matches(keys());
        let prefix = found.unwrap_or_else(|| self.usual_place(checkpoint, &root));
        Ok(StateDict::new(checkpoint, format!("{root}{prefix}")))
    }

    /// The prefix under which most of the wanted keys are found.
    fn most_matches<'k>(&self, keys: impl Iterator<Item = &'k str>) -> Option<String> {
        let mut matches: HashMap<&str, usize> = HashMap::new();
        for key in keys {
            let dots = key.match_indices('.').map(|(at, _)| at + 1);
            for start in std::iter::once(0).chain(dots) {
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
            let preference = is_ema(prefix) != self.ema;
            let parts = prefix.matches('.').count();
            (preference, most - **count, rank(prefix), parts, **prefix)
        });
        best.map(|(prefix, _)| (*prefix).to_owned())
    }

    /// Follows the usual containers and wrappers.
    fn usual_place(&self, checkpoint: &Checkpoint, root: &str) -> String {
        let tensors: Vec<_> = checkpoint
            .tensors()
            .iter()
            .filter_map(|tensor| Some((tensor.key().strip_prefix(root)?, tensor.numel())))
            .collect();
        let holds = |prefix: &str| tensors.iter().any(|(key, _)| key.starts_with(prefix));
        let orders = if self.ema { [EMA_CONTAINERS, CONTAINERS] } else { [CONTAINERS, EMA_CONTAINERS] };
        let containers = orders.into_iter().flatten().map(|name| format!("{name}."));
        // A model's own first level may be called like a container ("model."): it is one only if something else of
        // the checkpoint stands beside it.
        let mut prefix = String::new();
        if let Some(container) = { containers }.find(|name| holds(name)) {
            let first = |key: &str| key.split('.').next().unwrap_or_default().to_owned();
            let keys = tensors.iter().map(|(key, _)| first(key));
            let plain = checkpoint.metadata().iter().map(|(key, _)| first(key));
            let levels: BTreeSet<String> = keys.chain(plain).collect();
            if levels.len() == 1 || self.is_container(&container, &levels) {
                prefix = container;
            }
        }
        while let Some(wrapper) = WRAPPERS.iter().find(|wrapper| {
            let mut below =
                tensors.iter().filter_map(|(key, numel)| Some((key.strip_prefix(prefix.as_str())?, *numel)));
            holds(&format!("{prefix}{wrapper}"))
                && below.all(|(key, numel)| key.starts_with(**wrapper) || is_beside(key, numel))
        }) {
            prefix.push_str(wrapper);
        }
        prefix
    }

    fn is_container(&self, container: &str, levels: &BTreeSet<String>) -> bool {
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
        let known = |level: &String| {
            let level = level.as_str();
            COMPANIONS.contains(&level) || CONTAINERS.contains(&level) || EMA_CONTAINERS.contains(&level)
        };
        container.contains("state_dict") || levels.iter().filter(|level| known(level)).count() > 1
    }
}

/// Whether a part of this prefix names a moving average.
fn is_ema(prefix: &str) -> bool {
    let words = prefix.split(|c: char| !c.is_ascii_alphanumeric());
    words.into_iter().any(|word| word.eq_ignore_ascii_case("ema"))
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
