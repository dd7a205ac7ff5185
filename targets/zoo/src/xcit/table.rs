//! Sizes, names and published files of XCiT.

use fmr_checkpoint::rename::Rule;
use fmr_core::preprocess::Filter;
use serde::{Deserialize, Serialize};

use crate::family::{Architecture, Config};
use crate::labels::LabelSet;
use crate::names::Names;
use crate::preprocess::Preprocess;
use crate::registry::{Entry, Row};

/// Hyper-parameters of an XCiT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct XcitConfig {
    /// Side of a patch: 16, 8, or 4.
    pub patch: XcitPatch,
    /// Values of a token.
    pub width: usize,
    /// Blocks before the class token comes.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Blocks of the class token.
    #[serde(default = "two")]
    pub class_blocks: usize,
    /// Whether the second normalisation of these is of all tokens.
    #[serde(default = "yes")]
    pub tokens_norm: bool,
    /// Number of logits.
    pub classes: usize,
    /// Added to the variance by the layer normalisations.
    #[serde(default = "eps")]
    pub eps: f32,
}

/// Side of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub enum XcitPatch {
    /// Four convolutions of stride 2.
    Sixteen,
    /// Three convolutions of stride 2.
    Eight,
    /// The network for patches of 16 with its first two strides set to 1, as robust models for CIFAR-10 have it.
    Four,
}

impl TryFrom<usize> for XcitPatch {
    type Error = String;

    fn try_from(side: usize) -> Result<Self, String> {
        match side {
            16 => Ok(Self::Sixteen),
            8 => Ok(Self::Eight),
            4 => Ok(Self::Four),
            _ => Err(format!("patches of XCiT have a side of 16, 8 or 4, not {side}")),
        }
    }
}

impl From<XcitPatch> for usize {
    fn from(patch: XcitPatch) -> Self {
        match patch {
            XcitPatch::Sixteen => 16,
            XcitPatch::Eight => 8,
            XcitPatch::Four => 4,
        }
    }
}

impl XcitPatch {
    /// Strides of the convolutions that make patches.
    pub(super) fn strides(self) -> &'static [usize] {
        match self {
            Self::Sixteen => &[2, 2, 2, 2],
            Self::Eight => &[2, 2, 2],
            Self::Four => &[1, 1, 2, 2],
        }
    }
}

fn two() -> usize {
    2
}

fn yes() -> bool {
    true
}

fn eps() -> f32 {
    1e-6
}

/// The authors' names: query, key and value of the class token's attention are one matrix.
const AUTHORS: &[Rule] = &[
    Rule::new("pos_embeder.{rest..}", "pos_embed.{rest..}"),
    Rule::new("cls_attn_blocks.{i}.attn.qkv.{p}", "cls_attn_blocks.{i}.attn.q.{p}").slice(0, 3),
    Rule::new("cls_attn_blocks.{i}.attn.qkv.{p}", "cls_attn_blocks.{i}.attn.k.{p}").slice(1, 3),
    Rule::new("cls_attn_blocks.{i}.attn.qkv.{p}", "cls_attn_blocks.{i}.attn.v.{p}").slice(2, 3),
];

impl Config for XcitConfig {
    fn classes(&mut self) -> &mut usize {
        &mut self.classes
    }

    fn names(&self) -> &'static [Names] {
        &[Names { mark: "", rules: AUTHORS }]
    }
}

/// Width, depth, heads.
type Size = [usize; 3];

const SMALL: Size = [384, 12, 8];
const MEDIUM: Size = [512, 24, 8];
const LARGE: Size = [768, 24, 16];

const SIXTEEN: XcitPatch = XcitPatch::Sixteen;
const EIGHT: XcitPatch = XcitPatch::Eight;

const FILES: &[Row<(Size, XcitPatch)>] = &[
    Row::new("xcit_small_12_p16_224.fb_in1k", (SMALL, SIXTEEN)).alone(),
    Row::new("xcit_small_12_p16_224.fb_dist_in1k", (SMALL, SIXTEEN)),
    Row::new("xcit_small_12_p8_224.fb_in1k", (SMALL, EIGHT)).alone(),
    Row::new("xcit_medium_24_p16_224.fb_in1k", (MEDIUM, SIXTEEN)).alone(),
    Row::new("xcit_large_24_p16_224.fb_in1k", (LARGE, SIXTEEN)).alone(),
    Row::new("xcit_large_24_p8_224.fb_in1k", (LARGE, EIGHT)).alone(),
];

/// The robust models: they see images in [0, 1] as they are.
const ROBUST: &[Row<(Size, XcitPatch)>] = &[
    Row::new("xcit_large_12_p16_224.linf4_in1k", ([768, 12, 16], SIXTEEN)).alone().stated(73.76),
    Row::new("xcit_large_12_p16_224.linf8_in1k", ([768, 12, 16], SIXTEEN)).stated(69.24),
];

/// The robust models for CIFAR-10, whose files hold the network with or without a layer that normalises.
const ROBUST_CIFAR: &[Row<(Size, XcitPatch)>] = &[
    Row::new("xcit_small_12_p4_32.linf8_cifar10", ([384, 12, 8], XcitPatch::Four)),
    Row::new("xcit_medium_12_p4_32.linf8_cifar10", ([512, 12, 8], XcitPatch::Four)),
    Row::new("xcit_large_12_p4_32.linf8_cifar10", ([768, 12, 16], XcitPatch::Four)),
];

fn network(([width, depth, heads], patch): (Size, XcitPatch)) -> Architecture {
    let (class_blocks, tokens_norm, classes) = (two(), true, 1000);
    Architecture::Xcit(XcitConfig { patch, width, depth, heads, class_blocks, tokens_norm, classes, eps: eps() })
}

/// The registered members of the family.
pub(crate) fn entries() -> Vec<Entry> {
    let preprocess = Preprocess::imagenet_by(224, 224, Filter::Bicubic);
    let from = "facebookresearch/xcit (.pth), timm (.safetensors)";
    let plain = FILES.iter().map(|row| row.entry(network(row.size), preprocess, from));
    let unnormalised = Preprocess { mean: [0.0; 3], std: [1.0; 3], ..preprocess };
    let from = "dedeswim/vits-robustness-torch (.pth.tar); RobustBench: debenedetti2022light-xcit-l-imagenet-linf";
    let robust = ROBUST.iter().map(|row| row.entry(network(row.size), unnormalised, from));
    // The deviations of the pixels, rounded by a last digit otherwise than in `Preprocess::cifar`.
    let cifar = Preprocess { std: [0.2471, 0.2435, 0.2616], ..Preprocess::cifar() };
    let from = "dedeswim/vits-robustness-torch (.pth.tar); RobustBench: debenedetti2022light-xcit";
    let robust_cifar = ROBUST_CIFAR
        .iter()
        .map(|row| Entry { labels: LabelSet::Cifar10, ..row.entry(network(row.size).with_classes(10), cifar, from) });
    plain.chain(robust).chain(robust_cifar).collect()
}
