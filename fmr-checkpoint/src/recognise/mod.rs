//! Tells from keys and shapes what the weights of a checkpoint are.
//!
//! Each family has a rule; the first that answers decides. A new family is a new function in [`RULES`].

mod classifiers;
mod clip;
mod generators;

use crate::checkpoint::{Checkpoint, Container};
use crate::state_dict::{Selection, StateDict};

/// Recognises one family, or passes.
type Rule = fn(&View<'_>) -> Option<String>;

const RULES: &[Rule] = &[
    clip::hugging_face,
    clip::open_ai_layout,
    generators::taming,
    generators::diffusers_vq,
    generators::stylegan,
    generators::vdvae,
    generators::diffusion,
    classifiers::efficientnet,
    classifiers::resnet,
    classifiers::swin,
    classifiers::twins,
    classifiers::xcit,
    classifiers::convnext,
    classifiers::visformer,
    classifiers::vision_transformer,
    classifiers::cifar_zoo,
    classifiers::lenet,
];

/// What the checkpoint is, with its article.
pub(crate) fn looks_like(checkpoint: &Checkpoint) -> Option<String> {
    let selection = Selection::default();
    let weights = checkpoint.state_dict(&selection).ok()?;
    let view = View { container: checkpoint.container(), weights };
    RULES.iter().find_map(|rule| rule(&view))
}

/// The weights, with the questions that rules ask.
struct View<'c> {
    container: Container,
    weights: StateDict<'c>,
}

impl<'c> View<'c> {
    fn has(&self, key: &str) -> bool {
        self.weights.contains(key)
    }

    fn any(&self, holds: impl Fn(&str) -> bool) -> bool {
        self.weights.keys().any(holds)
    }

    /// Size of one dimension of a tensor.
    fn dim(&self, key: &str, axis: usize) -> Option<usize> {
        self.weights.shape(key)?.get(axis).copied()
    }

    /// Last dimension of a tensor.
    fn last_dim(&self, key: &str) -> Option<usize> {
        self.weights.shape(key)?.last().copied()
    }

    fn shape(&self, key: &str) -> Option<&'c [usize]> {
        self.weights.shape(key)
    }

    /// How many consecutive numbers from 0 occur after `prefix` in some key: the number of blocks.
    fn count(&self, prefix: &str) -> usize {
        let occurs = |n: usize| {
            let level = format!("{prefix}{n}.");
            self.any(|key| key.starts_with(&level))
        };
        (0..).take_while(|&n| occurs(n)).count()
    }
}
