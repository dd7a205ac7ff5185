//! Sizes, names and published files of Visformer.

use fmr_checkpoint::rename::Rule;
use fmr_core::preprocess::Filter;
use serde::{Deserialize, Serialize};

use crate::family::{Architecture, Config};
use crate::names::Names;
use crate::preprocess::Preprocess;
use crate::registry::{Entry, Row};

/// Hyper-parameters of a Visformer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VisformerConfig {
    /// `[height, width]` of the images.
    pub image: [usize; 2],
    /// Channels of the first convolution.
    pub stem: usize,
    /// Channels of the second stage; the first has half as many, the third twice as many.
    pub width: usize,
    /// Blocks of each stage.
    pub depths: [usize; 3],
    /// Attention heads of the second and third stage.
    pub heads: usize,
    /// Channels inside a perceptron of the second and third stage for each channel of the map; in the first there are two.
    #[serde(default = "four")]
    pub mlp_ratio: f64,
    /// Groups of the convolutions inside the perceptrons of the first stage.
    #[serde(default = "eight")]
    pub groups: usize,
    /// Number of logits.
    pub classes: usize,
    /// Added to the variance by the normalisations.
    #[serde(default = "eps")]
    pub eps: f32,
}

fn four() -> f64 {
    4.0
}

fn eight() -> usize {
    8
}

fn eps() -> f32 {
    1e-5
}

impl VisformerConfig {
    /// Channels of a stage, which are counted from 1.
    pub(super) fn width(&self, stage: usize) -> usize {
        (self.width << stage) / 4
    }
}

/// The authors' names have one more level in every normalisation.
const AUTHORS: &[Rule] = &[Rule::new("{rest..}.bn.{p}", "{rest..}.{p}")];

impl Config for VisformerConfig {
    fn classes(&mut self) -> &mut usize {
        &mut self.classes
    }

    fn set_image(&mut self, image: [usize; 2]) {
        self.image = image;
    }

    fn names(&self) -> &'static [Names] {
        &[Names { mark: "stem.1.bn.weight", rules: AUTHORS }]
    }
}

/// Channels of the stem, width, heads.
const FILES: &[Row<[usize; 3]>] = &[
    Row::new("visformer_small.in1k", [32, 384, 6]).alone().stated(82.2),
    Row::new("visformer_tiny.in1k", [16, 192, 3]).alone().stated(78.6),
];

/// The registered members of the family.
pub(crate) fn entries() -> Vec<Entry> {
    // Their authors evaluate after a resize to 256, timm after one to 248.
    let preprocess = Preprocess::imagenet_by(224, 256, Filter::Bicubic);
    let source = "danczs/Visformer (.pth); timm in1k (.safetensors), which timm evaluates at 248";
    let entry = |row: &Row<[usize; 3]>| {
        let [stem, width, heads] = row.size;
        let (image, depths, mlp_ratio, groups) = ([224; 2], [7, 4, 4], four(), eight());
        let network =
            VisformerConfig { image, stem, width, depths, heads, mlp_ratio, groups, classes: 1000, eps: eps() };
        row.entry(Architecture::Visformer(network), preprocess, source)
    };
    FILES.iter().map(entry).collect()
}
