//! Residual networks (He et al., 2016): torchvision's and timm's for ImageNet, the common variant's for CIFAR-10.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_core::preprocess::Filter;
use fmr_core::registry::RemoteFile;
use fmr_nn::functional::{self as f, Pointwise, Window};
use fmr_nn::layers::{ConvNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;
use serde::{Deserialize, Serialize};

use crate::family::{Architecture, Classify, Config};
use crate::labels::LabelSet;
use crate::preprocess::{Preprocess, Resize};
use crate::registry::{Entry, TIMM};

/// Kind of residual block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Block {
    /// 3×3, 3×3.
    Basic,
    /// 1×1, 3×3 with the stride, 1×1; four times as wide at its end.
    Bottleneck,
}

impl Block {
    /// How much wider its end is than its inside.
    pub(crate) fn expansion(self) -> usize {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }
}

/// What stands before the first stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stem {
    /// 7×7 with stride 2 and 3×3 max pooling.
    ImageNet,
    /// 3×3 with stride 1.
    Cifar,
}

/// Names of the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResNetLayout {
    /// `downsample.0`, `downsample.1` and `fc`, as in torchvision and timm.
    Torchvision,
    /// `shortcut.0`, `shortcut.1` and `linear`, as in kuangliu/pytorch-cifar.
    PytorchCifar,
}

/// Hyper-parameters of a ResNet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ResNetConfig {
    /// Kind of block.
    pub block: Block,
    /// Blocks of each of the four stages.
    pub depths: [usize; 4],
    /// Channels that the blocks of each stage work in.
    pub widths: [usize; 4],
    /// Kind of stem.
    pub stem: Stem,
    /// Channels of the images: 3, or 1 of a network that sees grey.
    #[serde(default = "coloured")]
    pub channels: usize,
    /// Channels after the stem.
    pub stem_width: usize,
    /// Names of the parameters.
    pub layout: ResNetLayout,
    /// Number of logits.
    pub classes: usize,
    /// Added to the variance by the normalisations.
    #[serde(default = "eps")]
    pub eps: f32,
}

fn eps() -> f32 {
    1e-5
}

fn coloured() -> usize {
    3
}

impl ResNetLayout {
    /// Name of a block's other path to its sum.
    fn shortcut(self) -> &'static str {
        match self {
            Self::Torchvision => "downsample",
            Self::PytorchCifar => "shortcut",
        }
    }

    /// Name of the last layer.
    fn head(self) -> &'static str {
        match self {
            Self::Torchvision => "fc",
            Self::PytorchCifar => "linear",
        }
    }
}

impl ResNetConfig {
    /// torchvision's for 224×224 images of the 1000 classes.
    pub fn imagenet(block: Block, depths: [usize; 4]) -> Self {
        let (stem, layout) = (Stem::ImageNet, ResNetLayout::Torchvision);
        let widths = [64, 128, 256, 512];
        Self { block, depths, widths, stem, channels: coloured(), stem_width: 64, layout, classes: 1000, eps: eps() }
    }

    /// pytorch-cifar's ResNet-18, its first stage `width` wide (upstream: 64).
    pub fn cifar(width: usize) -> Self {
        let (stem, layout) = (Stem::Cifar, ResNetLayout::PytorchCifar);
        let widths = [1, 2, 4, 8].map(|k| k * width);
        let (block, depths) = (Block::Basic, [2; 4]);
        Self { block, depths, widths, stem, channels: coloured(), stem_width: width, layout, classes: 10, eps: eps() }
    }
}

impl Config for ResNetConfig {
    fn classes(&mut self) -> &mut usize {
        &mut self.classes
    }

    fn name_as_in(&mut self, holds: &dyn Fn(&str) -> bool) {
        self.layout = match (holds("fc.weight"), holds("linear.weight")) {
            (true, false) => ResNetLayout::Torchvision,
            (false, true) => ResNetLayout::PytorchCifar,
            _ => self.layout,
        };
    }
}

/// The registered members of the family.
pub(crate) fn entries() -> Vec<Entry> {
    let cifar = |name, width, preprocess, source, top1| Entry {
        name,
        alias: None,
        architecture: Architecture::ResNet(ResNetConfig::cifar(width)),
        preprocess,
        labels: LabelSet::Cifar10,
        source,
        sha256: &[],
        download: None,
        top1,
    };
    let small = Preprocess::cifar();
    let mut entries = vec![
        cifar("cifar-resnet18-w16", 16, small, "trained here: experiments/recipes/resnet18-w16.toml", None),
        cifar("cifar-resnet18-w24", 24, small, "trained here: experiments/recipes/resnet18-w24.toml", None),
        cifar("cifar-resnet18", 64, Preprocess::pytorch_cifar(), "kuangliu/pytorch-cifar, ckpt.pth", Some(93.02)),
    ];
    let grey = ResNetConfig { channels: 1, ..ResNetConfig::cifar(16) };
    entries.push(Entry {
        architecture: Architecture::ResNet(grey),
        ..cifar(
            "cifar-resnet18-w16-grey",
            16,
            Preprocess::cifar_grey(),
            "trained here: experiments/recipes/resnet18-w16-grey.toml",
            None,
        )
    });
    let fifty = ResNetConfig { block: Block::Bottleneck, depths: [3, 4, 6, 3], ..ResNetConfig::cifar(64) };
    entries.push(Entry {
        architecture: Architecture::ResNet(fifty),
        ..cifar("cifar-resnet50", 64, Preprocess::pytorch_cifar(), "kuangliu/pytorch-cifar, ckpt.pth", Some(93.62))
    });
    entries.extend(imagenet());
    entries
}

/// The published files of the 1000 classes. Newer weights of torchvision (`V2`) were measured with a shorter side of 232,
/// timm's with its bicubic filter.
fn imagenet() -> Vec<Entry> {
    let file =
        |name: &'static str, alias, (block, depths), preprocess, source, sha256: &'static [&'static str], top1| Entry {
            name,
            alias,
            architecture: Architecture::ResNet(ResNetConfig::imagenet(block, depths)),
            preprocess,
            labels: LabelSet::Imagenet,
            source,
            sha256,
            // The first digits of the hash are part of the name.
            download: sha256.first().map(|digits| match name {
                "resnet50.a1_in1k" => {
                    let url = format!("{TIMM}/v0.1-rsb-weights/resnet50_a1_0-{digits}.pth");
                    RemoteFile::new("weights", url)
                        .with_sha256(digits)
                        .with_licence("Apache-2.0 (timm); trained on ImageNet")
                }
                _ => {
                    let network = name.split('.').next().unwrap_or(name);
                    let url = format!("https://download.pytorch.org/models/{network}-{digits}.pth");
                    let licence = "BSD-3-Clause (torchvision); trained on ImageNet";
                    RemoteFile::new("weights", url).with_sha256(digits).with_licence(licence)
                }
            }),
            top1,
        };
    let (first, second) = (Preprocess::imagenet(224, 256), Preprocess::imagenet(224, 232));
    let resize = Resize::Crop { shorter: 235, filter: Filter::Bicubic };
    let a1 = Preprocess { resize, ..first };
    let basic = |depths| (Block::Basic, depths);
    let bottleneck = |depths| (Block::Bottleneck, depths);
    let (r18, r34) = (basic([2, 2, 2, 2]), basic([3, 4, 6, 3]));
    let (r50, r101, r152) = (bottleneck([3, 4, 6, 3]), bottleneck([3, 4, 23, 3]), bottleneck([3, 8, 36, 3]));
    let v1 = "torchvision IMAGENET1K_V1 (.pth), timm tv_in1k (.safetensors); or the same network trained by others";
    let v2 = "torchvision IMAGENET1K_V2 (.pth), timm tv2_in1k (.safetensors)";
    let top1 = Some;
    vec![
        file("resnet18.tv_in1k", Some("resnet18"), r18, first, v1, &["f37072fd", "5c106cde"], top1(69.758)),
        file("resnet34.tv_in1k", Some("resnet34"), r34, first, v1, &["b627a593", "333f7ec4"], top1(73.314)),
        file("resnet50.tv_in1k", Some("resnet50"), r50, first, v1, &["0676ba61", "19c8e357"], top1(76.130)),
        file("resnet50.tv2_in1k", None, r50, second, v2, &["11ad3fa6"], top1(80.858)),
        file("resnet50.a1_in1k", None, r50, a1, "timm a1_in1k (.pth, .safetensors)", &["14fe96d1"], top1(80.2)),
        file("resnet101.tv_in1k", Some("resnet101"), r101, first, v1, &["63fe2227", "5d3b4d8f"], top1(77.374)),
        file("resnet101.tv2_in1k", None, r101, second, v2, &["cd907fc2"], top1(81.886)),
        file("resnet152.tv_in1k", Some("resnet152"), r152, first, v1, &["394f9c45", "b121ed2d"], top1(78.312)),
        file("resnet152.tv2_in1k", None, r152, second, v2, &["f82ba261"], top1(82.284)),
    ]
}

/// What the blocks of a network have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResidualKind {
    pub(crate) block: Block,
    pub(crate) layout: ResNetLayout,
    pub(crate) eps: f32,
}

/// Convolutions, added to what came in.
#[derive(Module, Debug)]
pub(crate) struct Residual {
    convs: Vec<ConvNorm>,
    shortcut: Option<ConvNorm>,
    #[module(skip)]
    name: String,
    #[module(skip)]
    shortcut_name: String,
}

impl Residual {
    pub(crate) fn new(
        b: &mut Builder,
        name: String,
        c: &ResidualKind,
        [cin, planes]: [usize; 2],
        stride: usize,
    ) -> Self {
        let out = planes * c.block.expansion();
        let mut unit = |i: usize, channels, size, stride| {
            let window = Window::same(stride, size / 2);
            ConvNorm::new(b, &format!("{name}.conv{i}"), &format!("{name}.bn{i}"), channels, size, window, c.eps)
        };
        let convs = match c.block {
            Block::Basic => vec![unit(1, [cin, planes], 3, stride), unit(2, [planes, planes], 3, 1)],
            Block::Bottleneck => {
                vec![unit(1, [cin, planes], 1, 1), unit(2, [planes, planes], 3, stride), unit(3, [planes, out], 1, 1)]
            }
        };
        let shortcut_name = format!("{name}.{}", c.layout.shortcut());
        let shortcut = (stride != 1 || cin != out).then(|| {
            let (conv, norm) = (format!("{shortcut_name}.0"), format!("{shortcut_name}.1"));
            ConvNorm::new(b, &conv, &norm, [cin, out], 1, Window::same(stride, 0), c.eps)
        });
        Self { convs, shortcut, name, shortcut_name }
    }

    pub(crate) fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let last = self.convs.len() - 1;
        let y = self.convs.iter().enumerate().fold(x.clone(), |y, (i, conv)| conv.probed(y, i < last, probe));
        let shortcut = match &self.shortcut {
            Some(conv) => conv.probed(x, false, probe),
            None => x,
        };
        probe.see(&self.shortcut_name, &shortcut);
        let y = f::pointwise(y + shortcut, Pointwise::Relu);
        probe.see(&self.name, &y);
        y
    }

    pub(crate) fn folded(self) -> Self {
        Self {
            convs: self.convs.into_iter().map(ConvNorm::folded).collect(),
            shortcut: self.shortcut.map(ConvNorm::folded),
            ..self
        }
    }
}

/// A residual network.
#[derive(Module, Debug)]
pub struct ResNet {
    stem: ConvNorm,
    stages: Vec<Vec<Residual>>,
    fc: Linear,
    #[module(skip)]
    pool: bool,
    #[module(skip)]
    head: &'static str,
}

impl ResNet {
    /// A network of that configuration.
    pub(crate) fn new(b: &mut Builder, c: &ResNetConfig) -> Self {
        let (size, stride, pad) = match c.stem {
            Stem::ImageNet => (7, 2, 3),
            Stem::Cifar => (3, 1, 1),
        };
        let stem = ConvNorm::new(b, "conv1", "bn1", [c.channels, c.stem_width], size, Window::same(stride, pad), c.eps);
        let kind = ResidualKind { block: c.block, layout: c.layout, eps: c.eps };
        let mut stages = Vec::new();
        let mut cin = c.stem_width;
        for (stage, (depth, planes)) in c.depths.into_iter().zip(c.widths).enumerate() {
            let mut blocks = Vec::new();
            for i in 0..depth {
                let stride = if i == 0 && stage > 0 { 2 } else { 1 };
                let name = format!("layer{}.{i}", stage + 1);
                blocks.push(Residual::new(b, name, &kind, [cin, planes], stride));
                cin = planes * c.block.expansion();
            }
            stages.push(blocks);
        }
        let head = c.layout.head();
        let fc = Linear::new(b, head, [cin, c.classes], true);
        Self { stem, stages, fc, pool: c.stem == Stem::ImageNet, head }
    }

    /// Last feature map, before the global average.
    pub fn features(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let mut x = self.stem.probed(x, true, probe);
        if self.pool {
            x = f::max_pool(x, 3, 2, 1);
            probe.see("maxpool", &x);
        }
        for (stage, blocks) in self.stages.iter().enumerate() {
            x = blocks.iter().fold(x, |x, block| block.forward(x, probe));
            probe.see(format!("layer{}", stage + 1), &x);
        }
        x
    }

    /// Feature maps after the stem and after each block, for perceptual losses.
    pub fn pyramid(&self, x: Tensor<4>) -> Vec<Tensor<4>> {
        let mut x = self.stem.forward(x, true);
        let mut maps = vec![x.clone()];
        for block in self.stages.iter().flatten() {
            x = block.forward(x, &mut Probe::off());
            maps.push(x.clone());
        }
        maps
    }
}

impl Classify for ResNet {
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let x = self.features(x, probe).mean_dim(3).mean_dim(2);
        probe.see("avgpool", &x);
        let logits = self.fc.forward(x.flatten(1, 3));
        probe.see(self.head, &logits);
        logits
    }

    fn folded(self) -> Self {
        let fold = |blocks: Vec<Residual>| blocks.into_iter().map(Residual::folded).collect();
        Self { stem: self.stem.folded(), stages: self.stages.into_iter().map(fold).collect(), ..self }
    }
}
