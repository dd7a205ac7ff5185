//! Narrow variants of these networks: small enough to be trained on a processor in less than an hour, and to lie in a
//! repository. Each is as deep as the network that it is named after.

use super::{
    DenseNetConfig, EfficientNetB0Config, GoogLeNetConfig, MobileNetConfig, PreActResNetConfig, SimpleDlaConfig,
    TreeConfig, VggConfig,
};
use crate::efficientnet::StageConfig;
use crate::family::Architecture;

/// Name, source of the weights, network.
pub(super) type Narrow = (&'static str, &'static str, Architecture);

/// Channels of VGG-19 between one pooling and the next.
const VGG19: [usize; 5] = [12, 24, 48, 96, 96];
/// Channels of the four stages of PreActResNet-18.
const PREACT_RESNET18: [usize; 4] = [12, 24, 48, 96];
/// Channels of GoogLeNet's first convolution; the upstream network has eight times as many everywhere.
const GOOGLENET: usize = 24;
/// Channels that a layer of DenseNet-121 adds.
const DENSENET121: usize = 5;
/// Channels that go out of each block of MobileNet.
const MOBILENET: [usize; 13] = [32, 64, 64, 128, 128, 256, 256, 256, 256, 256, 256, 384, 384];
/// Channels that go out of each stage of EfficientNet-B0.
const EFFICIENTNET_B0: [usize; 7] = [8, 8, 16, 32, 40, 72, 120];
/// Channels that go out of each tree of SimpleDLA.
const SIMPLE_DLA: [usize; 4] = [12, 24, 48, 96];

/// The variants.
pub(super) fn table() -> [Narrow; 7] {
    [
        ("cifar-vgg19-w12", "trained here: experiments/recipes/vgg19-w12.toml", Architecture::Vgg(vgg19())),
        (
            "cifar-preactresnet18-w12",
            "trained here: experiments/recipes/preactresnet18-w12.toml",
            Architecture::PreActResNet(preact_resnet18()),
        ),
        (
            "cifar-googlenet-w24",
            "trained here: experiments/recipes/googlenet-w24.toml",
            Architecture::GoogLeNet(googlenet()),
        ),
        (
            "cifar-densenet121-k5",
            "trained here: experiments/recipes/densenet121-k5.toml",
            Architecture::DenseNet(densenet121()),
        ),
        (
            "cifar-mobilenet-w16",
            "trained here: experiments/recipes/mobilenet-w16.toml",
            Architecture::MobileNet(mobilenet()),
        ),
        (
            "cifar-efficientnetb0-w12",
            "trained here: experiments/recipes/efficientnetb0-w12.toml",
            Architecture::EfficientNetB0(efficientnet_b0()),
        ),
        (
            "cifar-simpledla-w12",
            "trained here: experiments/recipes/simpledla-w12.toml",
            Architecture::SimpleDla(simple_dla()),
        ),
    ]
}

fn vgg19() -> VggConfig {
    let upstream = VggConfig::published(19);
    let stages = upstream.stages.iter().zip(VGG19).map(|(stage, width)| vec![width; stage.len()]).collect();
    VggConfig { stages, ..upstream }
}

fn preact_resnet18() -> PreActResNetConfig {
    let widths = PREACT_RESNET18;
    PreActResNetConfig { stem_width: widths[0], widths, ..PreActResNetConfig::published(false) }
}

fn googlenet() -> GoogLeNetConfig {
    let mut config = GoogLeNetConfig::published();
    let share = config.stem / GOOGLENET;
    config.stem = GOOGLENET;
    for cell in config.stages.iter_mut().flatten() {
        let widths = [&mut cell.one, &mut cell.pool].into_iter().chain(&mut cell.three).chain(&mut cell.five);
        widths.for_each(|width| *width /= share);
    }
    config
}

fn densenet121() -> DenseNetConfig {
    DenseNetConfig { growth: DENSENET121, ..DenseNetConfig::published() }
}

fn mobilenet() -> MobileNetConfig {
    let upstream = MobileNetConfig::published();
    let blocks = upstream.blocks.iter().zip(MOBILENET).map(|(&[_, stride], width)| [width, stride]).collect();
    MobileNetConfig { stem: 16, blocks, ..upstream }
}

fn efficientnet_b0() -> EfficientNetB0Config {
    let mut input = 12;
    let mut narrow = |(stage, output): (&StageConfig, usize)| StageConfig {
        input: std::mem::replace(&mut input, output),
        output,
        ..*stage
    };
    let upstream = EfficientNetB0Config::published();
    EfficientNetB0Config { stages: upstream.stages.iter().zip(EFFICIENTNET_B0).map(&mut narrow).collect(), ..upstream }
}

fn simple_dla() -> SimpleDlaConfig {
    let upstream = SimpleDlaConfig::published();
    let trees = upstream.trees.iter().zip(SIMPLE_DLA).map(|(tree, width)| TreeConfig { width, ..*tree }).collect();
    SimpleDlaConfig { stem: vec![8; 3], trees, ..upstream }
}
