//! Which models can be named, and what belongs to each.

use crate::resnet::{Block, ResNetConfig, Stem};

/// An architecture with its hyper-parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// LeNet-5 with this many logits.
    LeNet(usize),
    /// A residual network.
    ResNet(ResNetConfig),
}

impl Architecture {
    /// Number of logits.
    pub fn classes(&self) -> usize {
        match self {
            Self::LeNet(classes) => *classes,
            Self::ResNet(config) => config.classes,
        }
    }
}

/// A model that can be named in an experiment file or recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Architecture and hyper-parameters.
    pub architecture: Architecture,
    /// Input `[channels, height, width]`.
    pub input: [usize; 3],
    /// Mean subtracted from each channel of an image in [0, 1].
    pub mean: [f32; 3],
    /// Deviation that each channel is divided by afterwards.
    pub std: [f32; 3],
    /// Where published weights come from.
    pub source: &'static str,
}

const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];
const CIFAR_MEAN: [f32; 3] = [0.4914, 0.4822, 0.4465];
const CIFAR_STD: [f32; 3] = [0.2470, 0.2435, 0.2616];

const fn cifar(width: usize) -> Architecture {
    Architecture::ResNet(ResNetConfig {
        block: Block::Basic,
        depths: [2, 2, 2, 2],
        width,
        stem: Stem::Cifar,
        classes: 10,
    })
}

const fn imagenet(block: Block, depths: [usize; 4]) -> Architecture {
    Architecture::ResNet(ResNetConfig { block, depths, width: 64, stem: Stem::ImageNet, classes: 1000 })
}

static ENTRIES: &[Entry] = &[
    Entry {
        name: "lenet",
        architecture: Architecture::LeNet(10),
        input: [1, 28, 28],
        mean: [0.1307; 3],
        std: [0.3081; 3],
        source: "trained here: experiments/recipes/lenet.toml",
    },
    Entry {
        name: "cifar-resnet18-w16",
        architecture: cifar(16),
        input: [3, 32, 32],
        mean: CIFAR_MEAN,
        std: CIFAR_STD,
        source: "trained here: experiments/recipes/resnet18-w16.toml",
    },
    Entry {
        name: "cifar-resnet18-w24",
        architecture: cifar(24),
        input: [3, 32, 32],
        mean: CIFAR_MEAN,
        std: CIFAR_STD,
        source: "trained here: experiments/recipes/resnet18-w24.toml",
    },
    Entry {
        name: "cifar-resnet18",
        architecture: cifar(64),
        input: [3, 32, 32],
        mean: CIFAR_MEAN,
        std: CIFAR_STD,
        source: "kuangliu/pytorch-cifar, ckpt.pth",
    },
    Entry {
        name: "resnet18",
        architecture: imagenet(Block::Basic, [2, 2, 2, 2]),
        input: [3, 224, 224],
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
        source: "torchvision or timm, resnet18",
    },
    Entry {
        name: "resnet34",
        architecture: imagenet(Block::Basic, [3, 4, 6, 3]),
        input: [3, 224, 224],
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
        source: "torchvision or timm, resnet34",
    },
    Entry {
        name: "resnet50",
        architecture: imagenet(Block::Bottleneck, [3, 4, 6, 3]),
        input: [3, 224, 224],
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
        source: "torchvision or timm, resnet50",
    },
];

/// All models.
pub fn entries() -> &'static [Entry] {
    ENTRIES
}

/// The model of that name.
pub fn entry(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|e| e.name == name)
}
