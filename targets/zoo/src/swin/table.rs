//! Sizes, names and published files of Swin.

use fmr_checkpoint::rename::Rule;
use fmr_core::preprocess::Filter;
use serde::{Deserialize, Serialize};

use crate::family::{Architecture, Config};
use crate::labels::LabelSet;
use crate::names::Names;
use crate::preprocess::Preprocess;
use crate::registry::{Entry, Row};

/// Hyper-parameters of a Swin transformer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SwinConfig {
    /// `[height, width]` of the images.
    pub image: [usize; 2],
    /// Side of the patches that the network begins with.
    #[serde(default = "four")]
    pub patch: usize,
    /// Values of a token in the first stage, twice as many in each further one.
    pub width: usize,
    /// Blocks of each stage.
    pub depths: Vec<usize>,
    /// Attention heads of each stage.
    pub heads: Vec<usize>,
    /// Values of a head in all stages; unless named, the stage's width divided among the heads.
    #[serde(default)]
    pub head_dim: Option<usize>,
    /// Side of a window.
    pub window: usize,
    /// Values inside a block's perceptron for each value of a token.
    #[serde(default = "mlp_ratio")]
    pub mlp_ratio: f64,
    /// Number of logits.
    pub classes: usize,
    /// Added to the variance by the normalisations.
    #[serde(default = "eps")]
    pub eps: f32,
}

fn four() -> usize {
    4
}

fn mlp_ratio() -> f64 {
    4.0
}

fn eps() -> f32 {
    1e-5
}

/// Buffers that follow from the sizes; older files of timm hold them too.
const MASK: Rule = Rule::drop("layers.{i}.blocks.{j}.attn_mask");
const INDEX: Rule = Rule::drop("layers.{i}.blocks.{j}.attn.relative_position_index");

/// The authors' names: patches are merged at the end of a stage, where timm merges them at the start of the next.
const AUTHORS: &[Rule] = &[
    MASK,
    INDEX,
    Rule::new("layers.{i}.downsample.{part}.{p}", "layers.{i+1}.downsample.{part}.{p}"),
    Rule::new("head.{p}", "head.fc.{p}"),
];

/// Those of older files of timm, and of files whose merging layers are named as they are today.
const TIMM: &[Rule] = &[MASK, INDEX, Rule::new("head.{p}", "head.fc.{p}")];

impl Config for SwinConfig {
    fn classes(&mut self) -> &mut usize {
        &mut self.classes
    }

    fn set_image(&mut self, image: [usize; 2]) {
        self.image = image;
    }

    fn names(&self) -> &'static [Names] {
        &[Names { mark: "layers.0.downsample.reduction.weight", rules: AUTHORS }, Names { mark: "", rules: TIMM }]
    }
}

/// Width, depths, heads.
type Size = (usize, [usize; 4], [usize; 4]);

const TINY: Size = (96, [2, 2, 6, 2], [3, 6, 12, 24]);
const SMALL: Size = (96, [2, 2, 18, 2], [3, 6, 12, 24]);
const BASE: Size = (128, [2, 2, 18, 2], [4, 8, 16, 32]);

const FILES: &[Row<Size>] = &[
    Row::new("swin_tiny_patch4_window7_224.ms_in1k", TINY).alone().stated(81.2),
    Row::new("swin_small_patch4_window7_224.ms_in1k", SMALL).alone().stated(83.2),
    Row::new("swin_base_patch4_window7_224.ms_in1k", BASE).alone().stated(83.5),
    Row::new("swin_base_patch4_window7_224.ms_in22k_ft_in1k", BASE).stated(85.2),
];

/// Networks for CIFAR-10 that differ in their heads alone (the paper's Table 5): name, source, heads of each stage. All
/// are 60 and 120 wide, which each of these numbers divides.
const SMALL_HEADS: [(&str, &str, [usize; 2]); 4] = [
    ("cifar-swin-h2", "trained here: experiments/recipes/swin-h2.toml", [2, 4]),
    ("cifar-swin-h3", "trained here: experiments/recipes/swin-h3.toml", [3, 6]),
    ("cifar-swin-h4", "trained here: experiments/recipes/swin-h4.toml", [4, 8]),
    ("cifar-swin-h5", "trained here: experiments/recipes/swin-h5.toml", [5, 10]),
];

/// The registered members of the family.
pub(crate) fn entries() -> Vec<Entry> {
    FILES.iter().map(published).chain(SMALL_HEADS.map(small)).collect()
}

fn small((name, source, heads): (&'static str, &'static str, [usize; 2])) -> Entry {
    let network = SwinConfig {
        image: [32; 2],
        patch: 2,
        width: 60,
        depths: vec![2, 2],
        heads: heads.to_vec(),
        head_dim: None,
        window: 4,
        mlp_ratio: 2.0,
        classes: 10,
        eps: eps(),
    };
    Entry {
        name,
        alias: None,
        architecture: Architecture::Swin(network),
        preprocess: Preprocess::cifar(),
        labels: LabelSet::Cifar10,
        source,
        sha256: &[],
        download: None,
        top1: None,
    }
}

fn published(row: &Row<Size>) -> Entry {
    // Their authors evaluate after a resize to 256, timm after one to 248.
    let preprocess = Preprocess::imagenet_by(224, 256, Filter::Bicubic);
    let source = "microsoft/Swin-Transformer (.pth); timm (.safetensors), which timm evaluates at 248";
    let (width, depths, heads) = row.size;
    let network = SwinConfig {
        image: [224; 2],
        patch: four(),
        width,
        depths: depths.to_vec(),
        heads: heads.to_vec(),
        head_dim: None,
        window: 7,
        mlp_ratio: mlp_ratio(),
        classes: 1000,
        eps: eps(),
    };
    row.entry(Architecture::Swin(network), preprocess, source)
}
