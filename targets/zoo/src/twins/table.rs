//! Sizes and published files of Twins. Files of the authors and of timm name parameters alike.

use fmr_core::preprocess::Filter;
use serde::{Deserialize, Serialize};

use crate::family::{Architecture, Config};
use crate::preprocess::Preprocess;
use crate::registry::{Entry, Row};

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
    /// Side of the windows in which every second block attends, the first one included; without it, or where it is 1, all
    /// blocks attend to the whole map.
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

const SVT_SMALL: Size = [[64, 128, 256, 512], [2, 2, 10, 4], [2, 4, 8, 16]];
const SVT_BASE: Size = [[96, 192, 384, 768], [2, 2, 18, 2], [3, 6, 12, 24]];
const SVT_LARGE: Size = [[128, 256, 512, 1024], [2, 2, 18, 2], [4, 8, 16, 32]];

/// Size, and whether every second block attends inside windows.
const FILES: &[Row<(Size, bool)>] = &[
    Row::new("twins_pcpvt_small.in1k", ([PCPVT_WIDTHS, [3, 4, 6, 3], PCPVT_HEADS], false)).alone().stated(81.2),
    Row::new("twins_pcpvt_base.in1k", ([PCPVT_WIDTHS, [3, 4, 18, 3], PCPVT_HEADS], false)).alone().stated(82.7),
    Row::new("twins_pcpvt_large.in1k", ([PCPVT_WIDTHS, [3, 8, 27, 3], PCPVT_HEADS], false)).alone(),
    Row::new("twins_svt_small.in1k", (SVT_SMALL, true)).alone().stated(81.7),
    Row::new("twins_svt_base.in1k", (SVT_BASE, true)).alone().stated(83.2),
    Row::new("twins_svt_large.in1k", (SVT_LARGE, true)).alone().stated(83.7),
];

/// The registered members of the family.
pub(crate) fn entries() -> Vec<Entry> {
    // Their authors evaluate after a resize to 256, timm after one to 248.
    let preprocess = Preprocess::imagenet_by(224, 256, Filter::Bicubic);
    let source = "Meituan-AutoML/Twins (.pth); timm in1k (.safetensors), which timm evaluates at 248";
    let entry = |row: &Row<(Size, bool)>| {
        let ([widths, depths, heads], local) = row.size;
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
        row.entry(Architecture::Twins(network), preprocess, source)
    };
    FILES.iter().map(entry).collect()
}
