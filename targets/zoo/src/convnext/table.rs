//! Sizes, names and published files of ConvNeXt.

use fmr_checkpoint::rename::Rule;
use fmr_core::preprocess::Filter;
use serde::{Deserialize, Serialize};

use crate::family::{Architecture, Config};
use crate::names::Names;
use crate::preprocess::Preprocess;
use crate::registry::{Entry, Row};

/// Hyper-parameters of a ConvNeXt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ConvNeXtConfig {
    /// Side of the patches that the network begins with.
    #[serde(default = "four")]
    pub patch: usize,
    /// Channels of each stage.
    pub widths: Vec<usize>,
    /// Blocks of each stage.
    pub depths: Vec<usize>,
    /// Number of logits.
    pub classes: usize,
    /// Added to the variance by the normalisations.
    #[serde(default = "eps")]
    pub eps: f32,
}

fn four() -> usize {
    4
}

fn eps() -> f32 {
    1e-6
}

/// The authors' names.
const AUTHORS: &[Rule] = &[
    Rule::new("downsample_layers.0.{part}.{p}", "stem.{part}.{p}"),
    Rule::new("downsample_layers.{i}.{part}.{p}", "stages.{i}.downsample.{part}.{p}"),
    Rule::new("stages.{i}.{j}.gamma", "stages.{i}.blocks.{j}.gamma"),
    Rule::new("stages.{i}.{j}.norm.{p}", "stages.{i}.blocks.{j}.norm.{p}"),
    Rule::new("stages.{i}.{j}.dwconv.{p}", "stages.{i}.blocks.{j}.conv_dw.{p}"),
    Rule::new("stages.{i}.{j}.pwconv{n}.{p}", "stages.{i}.blocks.{j}.mlp.fc{n}.{p}"),
    Rule::new("norm.{p}", "head.norm.{p}"),
    Rule::new("head.{p}", "head.fc.{p}"),
];

/// timm's option `conv_mlp` keeps matrices as kernels of 1×1 convolutions.
const KERNELS: &[Rule] =
    &[Rule::new("stages.{i}.blocks.{j}.mlp.{fc}.{p}", "stages.{i}.blocks.{j}.mlp.{fc}.{p}").matrix()];

impl Config for ConvNeXtConfig {
    fn classes(&mut self) -> &mut usize {
        &mut self.classes
    }

    fn names(&self) -> &'static [Names] {
        &[Names { mark: "downsample_layers.0.0.weight", rules: AUTHORS }, Names { mark: "", rules: KERNELS }]
    }
}

/// Widths and depths.
type Size = ([usize; 4], [usize; 4]);

const TINY: Size = ([96, 192, 384, 768], [3, 3, 9, 3]);
const SMALL: Size = ([96, 192, 384, 768], [3, 3, 27, 3]);
const BASE: Size = ([128, 256, 512, 1024], [3, 3, 27, 3]);

const FACEBOOK: &str = "facebookresearch/ConvNeXt (.pth), timm (.safetensors)";
const TIMM: &str = "timm (.safetensors)";

/// Size, length of the shorter side after the resize, source.
const FILES: &[Row<(Size, usize, &str)>] = &[
    Row::new("convnext_tiny.fb_in1k", (TINY, 256, FACEBOOK)).alone().stated(82.1),
    Row::new("convnext_tiny.fb_in22k_ft_in1k", (TINY, 256, FACEBOOK)).stated(82.9),
    Row::new("convnext_tiny.in12k_ft_in1k", (TINY, 235, TIMM)).stated(84.2),
    Row::new("convnext_small.fb_in1k", (SMALL, 256, FACEBOOK)).alone().stated(83.1),
    Row::new("convnext_base.fb_in1k", (BASE, 256, FACEBOOK)).alone().stated(83.8),
];

/// The registered members of the family.
pub(crate) fn entries() -> Vec<Entry> {
    let entry = |row: &Row<(Size, usize, &'static str)>| {
        let ((widths, depths), shorter, source) = row.size;
        let (widths, depths) = (widths.to_vec(), depths.to_vec());
        let network = ConvNeXtConfig { patch: four(), widths, depths, classes: 1000, eps: eps() };
        row.entry(Architecture::ConvNeXt(network), Preprocess::imagenet_by(224, shorter, Filter::Bicubic), source)
    };
    FILES.iter().map(entry).collect()
}
