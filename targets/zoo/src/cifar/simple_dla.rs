//! Deep layer aggregation (Yu et al., 2018) as pytorch-cifar simplifies it: trees of residual blocks.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::layers::{ConvNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;
use serde::{Deserialize, Serialize};

use super::{eps, pooled, unit};
use crate::family::{Classify, Config};
use crate::resnet::{Block, ResNetLayout, Residual, ResidualKind};

/// Hyper-parameters of a SimpleDLA.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SimpleDlaConfig {
    /// Channels of the convolutions before the trees.
    pub stem: Vec<usize>,
    /// The trees one after the other.
    pub trees: Vec<TreeConfig>,
    /// Number of logits.
    pub classes: usize,
    /// Added to the variance by the normalisations.
    #[serde(default = "eps")]
    pub eps: f32,
}

/// A tree: two trees of one level less, or two residual blocks, and a root that puts them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TreeConfig {
    /// Channels that go out.
    pub width: usize,
    /// Levels.
    pub levels: usize,
    /// Stride of the first block.
    pub stride: usize,
}

impl SimpleDlaConfig {
    /// The published network.
    pub(super) fn published() -> Self {
        let tree = |width, levels, stride| TreeConfig { width, levels, stride };
        let trees = vec![tree(64, 1, 1), tree(128, 2, 2), tree(256, 2, 2), tree(512, 1, 2)];
        Self { stem: vec![16, 16, 32], trees, classes: 10, eps: eps() }
    }
}

impl Config for SimpleDlaConfig {
    fn classes(&mut self) -> &mut usize {
        &mut self.classes
    }
}

/// Two parts, of which the second sees what the first gives, and a root that sees both.
#[derive(Module, Debug)]
struct Tree {
    /// The parts of a tree of one level.
    blocks: Vec<Residual>,
    /// Those of a higher one.
    trees: Vec<Tree>,
    root: ConvNorm,
    #[module(skip)]
    name: String,
}

impl Tree {
    fn new(b: &mut Builder, name: String, input: usize, c: &TreeConfig, eps: f32) -> Self {
        let parts = [("left", input, c.stride), ("right", c.width, 1)];
        let (mut blocks, mut trees) = (Vec::new(), Vec::new());
        for (side, input, stride) in parts {
            let name = format!("{name}.{side}_tree");
            if c.levels > 1 {
                let below = TreeConfig { levels: c.levels - 1, stride, ..*c };
                trees.push(Self::new(b, name, input, &below, eps));
            } else {
                let kind = ResidualKind { block: Block::Basic, layout: ResNetLayout::PytorchCifar, eps };
                blocks.push(Residual::new(b, name, &kind, [input, c.width], stride));
            }
        }
        let [conv, norm] = ["conv", "bn"].map(|part| format!("{name}.root.{part}"));
        let root = unit(b, [&conv, &norm], [2 * c.width, c.width], 1, 1, false, eps);
        Self { blocks, trees, root, name }
    }

    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let (mut x, mut results) = (x, Vec::new());
        for block in &self.blocks {
            x = block.forward(x, probe);
            results.push(x.clone());
        }
        for tree in &self.trees {
            x = tree.forward(x, probe);
            results.push(x.clone());
        }
        let x = self.root.probed(Tensor::cat(results, 1), true, probe);
        probe.see(&self.name, &x);
        x
    }

    fn folded(self) -> Self {
        Self {
            blocks: self.blocks.into_iter().map(Residual::folded).collect(),
            trees: self.trees.into_iter().map(Self::folded).collect(),
            root: self.root.folded(),
            ..self
        }
    }
}

/// A SimpleDLA.
#[derive(Module, Debug)]
pub struct SimpleDla {
    stem: Vec<ConvNorm>,
    trees: Vec<Tree>,
    linear: Linear,
}

/// Upstream's name of the convolutions and trees one after the other.
fn level(place: usize) -> String {
    if place == 0 { "base".to_owned() } else { format!("layer{place}") }
}

impl SimpleDla {
    /// A network of that configuration.
    pub(crate) fn new(b: &mut Builder, c: &SimpleDlaConfig) -> Self {
        let mut channels = 3;
        let mut stem = Vec::new();
        for (i, width) in c.stem.iter().enumerate() {
            let [conv, norm] = [0, 1].map(|part| format!("{}.{part}", level(i)));
            stem.push(unit(b, [&conv, &norm], [channels, *width], 3, 1, false, c.eps));
            channels = *width;
        }
        let mut trees = Vec::new();
        for (i, tree) in c.trees.iter().enumerate() {
            trees.push(Tree::new(b, level(stem.len() + i), channels, tree, c.eps));
            channels = tree.width;
        }
        Self { stem, trees, linear: Linear::new(b, "linear", [channels, c.classes], true) }
    }
}

impl Classify for SimpleDla {
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let mut x = x;
        for (i, unit) in self.stem.iter().enumerate() {
            x = unit.probed(x, true, probe);
            probe.see(level(i), &x);
        }
        let x = self.trees.iter().fold(x, |x, tree| tree.forward(x, probe));
        self.linear.forward(pooled(x))
    }

    fn folded(self) -> Self {
        Self {
            stem: self.stem.into_iter().map(ConvNorm::folded).collect(),
            trees: self.trees.into_iter().map(Tree::folded).collect(),
            ..self
        }
    }
}
