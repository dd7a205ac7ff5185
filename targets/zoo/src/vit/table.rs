//! Sizes and published files of the vision transformers.

use fmr_checkpoint::rename::Rule;
use fmr_core::preprocess::Filter;
use fmr_core::registry::RemoteFile;
use serde::{Deserialize, Serialize};

use crate::family::{Architecture, Config};
use crate::names::Names;
use crate::preprocess::Preprocess;
use crate::registry::Entry;

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

/// timm's ViTs: name, the name it also has, size, accuracy.
const VIT: &[(&str, Option<&str>, [usize; 2], Option<f64>)] = &[
    ("vit_base_patch16_224.augreg2_in21k_ft_in1k", Some("vit_base_patch16_224"), BASE, Some(85.1)),
    ("vit_base_patch16_224.augreg_in21k_ft_in1k", None, BASE, Some(84.5)),
    ("vit_base_patch16_224.augreg_in1k", None, BASE, Some(79.2)),
    ("vit_base_patch16_224.orig_in21k_ft_in1k", None, BASE, Some(81.8)),
    ("vit_base_patch16_224.sam_in1k", None, BASE, Some(80.2)),
    ("vit_small_patch16_224.augreg_in21k_ft_in1k", Some("vit_small_patch16_224"), SMALL, None),
];

/// The DeiTs: name, the name it also has, size, whether distilled, first digits of the authors' file, accuracy.
const DEIT: &[(&str, &str, [usize; 2], bool, &[&str], f64)] = &[
    ("deit_tiny_patch16_224.fb_in1k", "deit_tiny_patch16_224", TINY, false, &["a1311bcf"], 72.2),
    ("deit_small_patch16_224.fb_in1k", "deit_small_patch16_224", SMALL, false, &["cd65a155"], 79.9),
    ("deit_base_patch16_224.fb_in1k", "deit_base_patch16_224", BASE, false, &["b5f2ef4d"], 81.8),
    ("deit_tiny_distilled_patch16_224.fb_in1k", "deit_tiny_distilled_patch16_224", TINY, true, &["b40b3cf7"], 74.5),
    ("deit_small_distilled_patch16_224.fb_in1k", "deit_small_distilled_patch16_224", SMALL, true, &["649709d9"], 81.2),
    ("deit_base_distilled_patch16_224.fb_in1k", "deit_base_distilled_patch16_224", BASE, true, &["df68dfff"], 83.4),
];

fn network([width, heads]: [usize; 2], distilled: bool) -> Architecture {
    let (image, patch, mlp_ratio, classes) = ([224; 2], 16, four(), 1000);
    Architecture::Vit(VitConfig { image, patch, width, depth: 12, heads, mlp_ratio, distilled, classes, eps: eps() })
}

/// The registered members of the family.
pub(crate) fn entries() -> Vec<Entry> {
    let cropped = |shorter| Preprocess::imagenet_by(224, shorter, Filter::Bicubic);
    let google = Preprocess { mean: [0.5; 3], std: [0.5; 3], ..cropped(248) };
    let vit = VIT.iter().map(|&(name, alias, size, top1)| Entry {
        alias,
        top1,
        ..Entry::imagenet(name, network(size, false), google, "timm (.safetensors), converted from Google's files")
    });
    // Their authors evaluate after a resize to 256, timm after one to 248.
    let deit = DEIT.iter().map(|&(name, alias, size, distilled, sha256, top1)| {
        let url = format!("https://dl.fbaipublicfiles.com/deit/{alias}-{}.pth", sha256[0]);
        let file = RemoteFile::new("weights", url).with_sha256(sha256[0]);
        Entry {
            alias: Some(alias),
            sha256,
            download: Some(file.with_licence("Apache-2.0 (facebookresearch/deit); trained on ImageNet")),
            top1: Some(top1),
            ..Entry::imagenet(
                name,
                network(size, distilled),
                cropped(256),
                "facebookresearch/deit (.pth); timm fb_in1k (.safetensors), which timm evaluates at 248",
            )
        }
    });
    vit.chain(deit).collect()
}
