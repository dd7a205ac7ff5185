//! Sizes and published files of the vision transformers.

use fmr_checkpoint::rename::Rule;
use fmr_core::preprocess::Filter;
use fmr_core::registry::RemoteFile;
use serde::{Deserialize, Serialize};

use crate::family::{Architecture, Config};
use crate::names::Names;
use crate::preprocess::Preprocess;
use crate::registry::{Entry, Row};

/// Hyper-parameters of a vision transformer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VitConfig {
    /// `[height, width]` of the images.
    pub image: [usize; 2],
    /// Side of a patch.
    pub patch: usize,
    /// Values of a token.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Values inside a block's perceptron for each value of a token.
    #[serde(default = "four")]
    pub mlp_ratio: f64,
    /// Whether there is a distillation token with a head of its own; logits are then the mean of both heads.
    #[serde(default)]
    pub distilled: bool,
    /// Number of logits.
    pub classes: usize,
    /// Added to the variance by the normalisations.
    #[serde(default = "eps")]
    pub eps: f32,
}

fn four() -> f64 {
    4.0
}

fn eps() -> f32 {
    1e-6
}

impl VitConfig {
    /// Values between the two matrices of a block's perceptron.
    pub(super) fn hidden(&self) -> usize {
        (self.width as f64 * self.mlp_ratio) as usize
    }
}

impl Config for VitConfig {
    fn classes(&mut self) -> &mut usize {
        &mut self.classes
    }

    fn set_image(&mut self, image: [usize; 2]) {
        self.image = image;
    }

    fn names(&self) -> &'static [Names] {
        &[Names { mark: "", rules: UNUSED }]
    }
}

/// A layer of older files for 21,000 classes that nothing reads.
const UNUSED: &[Rule] = &[Rule::drop("pre_logits.fc.{p}")];

/// Width and heads.
const TINY: [usize; 2] = [192, 3];
const SMALL: [usize; 2] = [384, 6];
const BASE: [usize; 2] = [768, 12];

/// timm's ViTs.
const VIT: &[Row<[usize; 2]>] = &[
    Row::new("vit_base_patch16_224.augreg2_in21k_ft_in1k", BASE).alone().stated(85.1),
    Row::new("vit_base_patch16_224.augreg_in21k_ft_in1k", BASE).stated(84.5),
    Row::new("vit_base_patch16_224.augreg_in1k", BASE).stated(79.2),
    Row::new("vit_base_patch16_224.orig_in21k_ft_in1k", BASE).stated(81.8),
    Row::new("vit_base_patch16_224.sam_in1k", BASE).stated(80.2),
    Row::new("vit_small_patch16_224.augreg_in21k_ft_in1k", SMALL).alone(),
];

/// The DeiTs, and whether they are distilled; known by the authors' files.
const DEIT: &[Row<([usize; 2], bool)>] = &[
    Row::new("deit_tiny_patch16_224.fb_in1k", (TINY, false)).alone().stated(72.2).known(&["a1311bcf"]),
    Row::new("deit_small_patch16_224.fb_in1k", (SMALL, false)).alone().stated(79.9).known(&["cd65a155"]),
    Row::new("deit_base_patch16_224.fb_in1k", (BASE, false)).alone().stated(81.8).known(&["b5f2ef4d"]),
    Row::new("deit_tiny_distilled_patch16_224.fb_in1k", (TINY, true)).alone().stated(74.5).known(&["b40b3cf7"]),
    Row::new("deit_small_distilled_patch16_224.fb_in1k", (SMALL, true)).alone().stated(81.2).known(&["649709d9"]),
    Row::new("deit_base_distilled_patch16_224.fb_in1k", (BASE, true)).alone().stated(83.4).known(&["df68dfff"]),
];

fn network([width, heads]: [usize; 2], distilled: bool) -> Architecture {
    let (image, patch, mlp_ratio, classes) = ([224; 2], 16, four(), 1000);
    Architecture::Vit(VitConfig { image, patch, width, depth: 12, heads, mlp_ratio, distilled, classes, eps: eps() })
}

/// The registered members of the family.
pub(crate) fn entries() -> Vec<Entry> {
    let cropped = |shorter| Preprocess::imagenet_by(224, shorter, Filter::Bicubic);
    let google = Preprocess { mean: [0.5; 3], std: [0.5; 3], ..cropped(248) };
    let from = "timm (.safetensors), converted from Google's files";
    let vit = VIT.iter().map(|row| row.entry(network(row.size, false), google, from));
    // Their authors evaluate after a resize to 256, timm after one to 248.
    let from = "facebookresearch/deit (.pth); timm fb_in1k (.safetensors), which timm evaluates at 248";
    let deit = DEIT.iter().map(|row| {
        let (size, distilled) = row.size;
        let entry = row.entry(network(size, distilled), cropped(256), from);
        // The first digits of the hash are part of the name.
        let file = entry.alias.zip(entry.sha256.first()).map(|(network, digits)| {
            RemoteFile::new("weights", format!("https://dl.fbaipublicfiles.com/deit/{network}-{digits}.pth"))
                .with_sha256(digits)
                .with_licence("Apache-2.0 (facebookresearch/deit); trained on ImageNet")
        });
        Entry { download: file, ..entry }
    });
    vit.chain(deit).collect()
}
