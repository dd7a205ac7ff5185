//! Residual networks (He et al., 2016): torchvision's layout for ImageNet, the common CIFAR-10 variant's for 32×32.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use fmr_nn::functional::{self as f, Pointwise, Window};
use fmr_nn::layers::{ConvNorm, Linear};
use fmr_nn::weights::Builder;

const EPS: f32 = 1e-5;

/// Kind of residual block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// 3×3, 3×3.
    Basic,
    /// 1×1, 3×3 with the stride, 1×1; four times as wide at its end.
    Bottleneck,
}

impl Block {
    fn expansion(self) -> usize {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }
}

/// What stands before the first stage, and the key layout that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stem {
    /// 7×7 with stride 2 and 3×3 max pooling; keys as in torchvision and timm.
    ImageNet,
    /// 3×3 with stride 1; keys `shortcut.0`, `shortcut.1` and `linear` (kuangliu/pytorch-cifar).
    Cifar,
}

/// Hyper-parameters of a ResNet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResNetConfig {
    /// Kind of block.
    pub block: Block,
    /// Blocks of each of the four stages.
    pub depths: [usize; 4],
    /// Channels of the first stage; each further stage doubles them.
    pub width: usize,
    /// Stem and layout.
    pub stem: Stem,
    /// Number of logits.
    pub classes: usize,
}

#[derive(Module, Debug)]
struct Residual {
    convs: Vec<ConvNorm>,
    shortcut: Option<ConvNorm>,
}

impl Residual {
    fn new(b: &mut Builder, name: &str, c: &ResNetConfig, cin: usize, planes: usize, stride: usize) -> Self {
        let out = planes * c.block.expansion();
        let mut unit = |i: usize, channels, size, stride| {
            let window = Window::same(stride, size / 2);
            ConvNorm::new(b, &format!("{name}.conv{i}"), &format!("{name}.bn{i}"), channels, size, window, EPS)
        };
        let convs = match c.block {
            Block::Basic => vec![unit(1, [cin, planes], 3, stride), unit(2, [planes, planes], 3, 1)],
            Block::Bottleneck => {
                vec![unit(1, [cin, planes], 1, 1), unit(2, [planes, planes], 3, stride), unit(3, [planes, out], 1, 1)]
            }
        };
        let shortcut = (stride != 1 || cin != out).then(|| {
            let name = match c.stem {
                Stem::ImageNet => format!("{name}.downsample"),
                Stem::Cifar => format!("{name}.shortcut"),
            };
            let (conv, norm) = (format!("{name}.0"), format!("{name}.1"));
            ConvNorm::new(b, &conv, &norm, [cin, out], 1, Window::same(stride, 0), EPS)
        });
        Self { convs, shortcut }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let last = self.convs.len() - 1;
        let y = self.convs.iter().enumerate().fold(x.clone(), |y, (i, conv)| conv.forward(y, i < last));
        let shortcut = match &self.shortcut {
            Some(conv) => conv.forward(x, false),
            None => x,
        };
        f::pointwise(y + shortcut, Pointwise::Relu)
    }

    fn folded(self) -> Self {
        Self {
            convs: self.convs.into_iter().map(ConvNorm::folded).collect(),
            shortcut: self.shortcut.map(ConvNorm::folded),
        }
    }
}

/// A residual network.
#[derive(Module, Debug)]
pub struct ResNet {
    stem: ConvNorm,
    blocks: Vec<Residual>,
    fc: Linear,
    #[module(skip)]
    pool: bool,
}

impl ResNet {
    /// A network of that configuration.
    pub fn new(b: &mut Builder, c: &ResNetConfig) -> Self {
        let (size, stride, pad, channels) = match c.stem {
            Stem::ImageNet => (7, 2, 3, 64),
            Stem::Cifar => (3, 1, 1, c.width),
        };
        let stem = ConvNorm::new(b, "conv1", "bn1", [3, channels], size, Window::same(stride, pad), EPS);
        let mut blocks = Vec::new();
        let mut cin = channels;
        for (stage, depth) in c.depths.into_iter().enumerate() {
            let planes = c.width << stage;
            for i in 0..depth {
                let stride = if i == 0 && stage > 0 { 2 } else { 1 };
                let name = format!("layer{}.{i}", stage + 1);
                blocks.push(Residual::new(b, &name, c, cin, planes, stride));
                cin = planes * c.block.expansion();
            }
        }
        let head = match c.stem {
            Stem::ImageNet => "fc",
            Stem::Cifar => "linear",
        };
        let fc = Linear::new(b, head, [cin, c.classes], true);
        Self { stem, blocks, fc, pool: c.stem == Stem::ImageNet }
    }

    /// Last feature map, before the global average.
    pub fn features(&self, x: Tensor<4>) -> Tensor<4> {
        let mut x = self.stem.forward(x, true);
        if self.pool {
            let mut pool = MaxPoolOptions::new([3, 3]);
            pool.stride = [2, 2];
            pool.padding = [(1, 1), (1, 1)];
            x = max_pool2d(x, pool);
        }
        self.blocks.iter().fold(x, |x, block| block.forward(x))
    }

    /// Feature maps after the stem and after each change of resolution, for perceptual losses.
    pub fn pyramid(&self, x: Tensor<4>) -> Vec<Tensor<4>> {
        let mut x = self.stem.forward(x, true);
        let mut maps = vec![x.clone()];
        for block in &self.blocks {
            x = block.forward(x);
            maps.push(x.clone());
        }
        maps
    }

    /// `[n, 3, h, w]`, normalised, to logits.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.features(x);
        let x: Tensor<2> = x.mean_dim(3).mean_dim(2).flatten(1, 3);
        self.fc.forward(x)
    }

    /// The network in evaluation mode: every normalisation folded into its convolution.
    pub fn folded(self) -> Self {
        Self { stem: self.stem.folded(), blocks: self.blocks.into_iter().map(Residual::folded).collect(), ..self }
    }
}
