//! Sizes, names and published files of ConvNeXt.

use fmr_checkpoint::rename::Rule;
use fmr_core::preprocess::Filter;
use serde::{Deserialize, Serialize};

use crate::family::{Architecture, Config};
use crate::names::Names;
use crate::preprocess::Preprocess;
use crate::registry::Entry;

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

/// Name, the name it also has, size, shorter side after the resize, accuracy, source.
const FILES: &[(&str, Option<&str>, Size, usize, Option<f64>, &str)] = &[
    ("convnext_tiny.fb_in1k", Some("convnext_tiny"), TINY, 256, Some(82.1), FACEBOOK),
    ("convnext_tiny.fb_in22k_ft_in1k", None, TINY, 256, Some(82.9), FACEBOOK),
    ("convnext_tiny.in12k_ft_in1k", None, TINY, 235, Some(84.2), TIMM),
    ("convnext_small.fb_in1k", Some("convnext_small"), SMALL, 256, Some(83.1), FACEBOOK),
    ("convnext_base.fb_in1k", Some("convnext_base"), BASE, 256, Some(83.8), FACEBOOK),
];

/// The registered members of the family.
pub(crate) fn entries() -> Vec<Entry> {
    let entry = |&(name, alias, (widths, depths), shorter, top1, source): &(_, _, Size, _, _, _)| {
        let (widths, depths) = (widths.to_vec(), depths.to_vec());
        let network = ConvNeXtConfig { patch: four(), widths, depths, classes: 1000, eps: eps() };
        let preprocess = Preprocess::imagenet_by(224, shorter, Filter::Bicubic);
        Entry { alias, top1, ..Entry::imagenet(name, Architecture::ConvNeXt(network), preprocess, source) }
    };
    FILES.iter().map(entry).collect()
}
