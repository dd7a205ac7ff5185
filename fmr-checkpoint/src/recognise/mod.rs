//! Tells from keys and shapes what the weights of a checkpoint are.
//!
//! Each family has a rule; the first that answers decides. A new family is a new function in [`RULES`].

mod classifiers;
mod clip;
mod generators;

use crate::checkpoint::Container;
use crate::shown;
use crate::weights::Weights;

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

/// What the weights are, with its article.
pub(crate) fn looks_like(weights: &Weights<'_>) -> Option<String> {
    let mut sorted: Vec<&str> = weights.keys().collect();
    sorted.sort_unstable();
    let view = View { container: weights.checkpoint().container(), weights, sorted };
    RULES.iter().find_map(|rule| rule(&view))
}

/// The weights, with the questions that rules ask.
struct View<'w> {
    container: Container,
    weights: &'w Weights<'w>,
    /// All names in the order of the alphabet: those with a common start stand together.
    sorted: Vec<&'w str>,
}

impl<'w> View<'w> {
    fn has(&self, key: &str) -> bool {
        self.weights.contains(key)
    }

    fn any(&self, holds: impl Fn(&str) -> bool) -> bool {
        self.sorted.iter().any(|key| holds(key))
    }

    /// Whether some key starts with `prefix`.
    fn below(&self, prefix: &str) -> bool {
        let at = self.sorted.partition_point(|key| *key < prefix);
        self.sorted.get(at).is_some_and(|key| key.starts_with(prefix))
    }

    /// Size of one dimension of a tensor.
    fn dim(&self, key: &str, axis: usize) -> Option<usize> {
        self.weights.shape(key)?.get(axis).copied()
    }

    /// Last dimension of a tensor.
    fn last_dim(&self, key: &str) -> Option<usize> {
        self.weights.shape(key)?.last().copied()
    }

    fn shape(&self, key: &str) -> Option<&'w [usize]> {
        self.weights.shape(key)
    }

    /// How many consecutive numbers from 0 occur after `prefix` in some key: the number of blocks.
    fn count(&self, prefix: &str) -> usize {
        (0..).take_while(|n| self.below(&format!("{prefix}{n}."))).count()
    }

    /// As [`View::count`] for each of the first levels that `prefix` counts: the depths of the stages.
    fn depths(&self, prefix: &str, inner: &str) -> Vec<usize> {
        (0..self.count(prefix)).map(|stage| self.count(&format!("{prefix}{stage}.{inner}"))).collect()
    }
}

/// The depths of stages as text: a file may claim any number of them.
fn listed(depths: &[usize]) -> String {
    const SHOWN: usize = 8;
    format!("[{}]", shown::first_few(depths, SHOWN, usize::to_string))
}
