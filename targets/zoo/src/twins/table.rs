//! Sizes and published files of Twins. Files of the authors and of timm name parameters alike.

use fmr_core::preprocess::Filter;
use serde::{Deserialize, Serialize};

use crate::family::{Architecture, Config};
use crate::preprocess::Preprocess;
use crate::registry::Entry;

/// Hyper-parameters of a Twins transformer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TwinsConfig {
    /// Side of the patches that the network begins with.
    #[serde(default = "four")]
    pub patch: usize,
    /// The resolutions, each half of the one before.
    pub stages: Vec<TwinsStage>,
    /// Number of logits.
    pub classes: usize,
    /// Added to the variance by the normalisations in blocks and at the end; by those of patches and smaller maps: 1e-5.
    #[serde(default = "eps")]
    pub eps: f32,
}

/// One resolution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TwinsStage {
    /// Values of a token.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Values inside a block's perceptron for each value of a token.
    pub mlp_ratio: f64,
    /// How many times smaller the map is to which blocks attend as a whole.
    pub reduction: usize,
    /// Side of the windows in which every second block attends, the first one included; without it, all blocks attend to
    /// the whole map.
    #[serde(default)]
    pub window: Option<usize>,
}

fn four() -> usize {
    4
}

fn eps() -> f32 {
    1e-6
}

impl Config for TwinsConfig {
    fn classes(&mut self) -> &mut usize {
        &mut self.classes
    }
}

/// Widths, depths, heads.
type Size = [[usize; 4]; 3];

const PCPVT_HEADS: [usize; 4] = [1, 2, 5, 8];
const PCPVT_WIDTHS: [usize; 4] = [64, 128, 320, 512];

/// Name, the name it also has, size, whether every second block attends inside windows, accuracy.
const FILES: &[(&str, &str, Size, bool, Option<f64>)] = &[
    ("twins_pcpvt_small.in1k", "twins_pcpvt_small", [PCPVT_WIDTHS, [3, 4, 6, 3], PCPVT_HEADS], false, Some(81.2)),
    ("twins_pcpvt_base.in1k", "twins_pcpvt_base", [PCPVT_WIDTHS, [3, 4, 18, 3], PCPVT_HEADS], false, Some(82.7)),
    ("twins_pcpvt_large.in1k", "twins_pcpvt_large", [PCPVT_WIDTHS, [3, 8, 27, 3], PCPVT_HEADS], false, None),
    ("twins_svt_small.in1k", "twins_svt_small", [[64, 128, 256, 512], [2, 2, 10, 4], [2, 4, 8, 16]], true, Some(81.7)),
    ("twins_svt_base.in1k", "twins_svt_base", [[96, 192, 384, 768], [2, 2, 18, 2], [3, 6, 12, 24]], true, Some(83.2)),
    (
        "twins_svt_large.in1k",
        "twins_svt_large",
        [[128, 256, 512, 1024], [2, 2, 18, 2], [4, 8, 16, 32]],
        true,
        Some(83.7),
    ),
];

/// The registered members of the family.
pub(crate) fn entries() -> Vec<Entry> {
    // Their authors evaluate after a resize to 256, timm after one to 248.
    let preprocess = Preprocess::imagenet_by(224, 256, Filter::Bicubic);
    let source = "Meituan-AutoML/Twins (.pth); timm in1k (.safetensors), which timm evaluates at 248";
    let entry = |&(name, alias, [widths, depths, heads], local, top1): &(_, _, Size, _, _)| {
        let stage = |i: usize| TwinsStage {
            width: widths[i],
            depth: depths[i],
            heads: heads[i],
            mlp_ratio: if local || i > 1 { 4.0 } else { 8.0 },
            reduction: [8, 4, 2, 1][i],
            window: local.then_some(7),
        };
        let stages = (0..4).map(stage).collect();
        let network = TwinsConfig { patch: four(), stages, classes: 1000, eps: eps() };
        Entry { alias: Some(alias), top1, ..Entry::imagenet(name, Architecture::Twins(network), preprocess, source) }
    };
    FILES.iter().map(entry).collect()
}
