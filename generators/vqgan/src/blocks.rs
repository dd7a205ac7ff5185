//! Building blocks of encoder and decoder.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional::{self as f, Activation, Window};
use fmr_nn::layers::{Conv2d, GroupNorm};
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;

/// Group normalisation with the eps of VQGAN, 1e-6.
pub(crate) fn norm(b: &mut Builder, name: &str, groups: usize, channels: usize) -> GroupNorm {
    GroupNorm::new(b, name, groups, channels, 1e-6)
}

/// 3×3 convolution that keeps the size.
pub(crate) fn conv3(b: &mut Builder, name: &str, channels: [usize; 2]) -> Conv2d {
    Conv2d::new(b, name, channels, 3, Window::same(1, 1), true)
}

/// 1×1 convolution.
pub(crate) fn conv1(b: &mut Builder, name: &str, channels: [usize; 2]) -> Conv2d {
    Conv2d::new(b, name, channels, 1, Window::same(1, 0), true)
}

/// Two normalised, activated 3×3 convolutions around a shortcut.
#[derive(Module, Debug)]
pub(crate) struct ResnetBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    norm2: GroupNorm,
    conv2: Conv2d,
    nin_shortcut: Option<Conv2d>,
    #[module(skip)]
    name: String,
}

impl ResnetBlock {
    pub(crate) fn new(b: &mut Builder, name: &str, groups: usize, [cin, cout]: [usize; 2]) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        Self {
            norm1: norm(b, &at("norm1"), groups, cin),
            conv1: conv3(b, &at("conv1"), [cin, cout]),
            norm2: norm(b, &at("norm2"), groups, cout),
            conv2: conv3(b, &at("conv2"), [cout, cout]),
            nin_shortcut: (cin != cout).then(|| conv1(b, &at("nin_shortcut"), [cin, cout])),
            name: name.to_owned(),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let y = self.conv1.forward(self.norm1.forward(x.clone(), Activation::Silu));
        let y = self.conv2.forward(self.norm2.forward(y, Activation::Silu));
        let y = match &self.nin_shortcut {
            Some(conv) => conv.forward(x) + y,
            None => x + y,
        };
        probe.see(&self.name, &y);
        y
    }
}

/// Self-attention over all positions with one head.
#[derive(Module, Debug)]
pub(crate) struct AttnBlock {
    norm: GroupNorm,
    q: Conv2d,
    k: Conv2d,
    v: Conv2d,
    proj_out: Conv2d,
    #[module(skip)]
    name: String,
}

impl AttnBlock {
    pub(crate) fn new(b: &mut Builder, name: &str, groups: usize, channels: usize) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        Self {
            norm: norm(b, &at("norm"), groups, channels),
            q: conv1(b, &at("q"), [channels; 2]),
            k: conv1(b, &at("k"), [channels; 2]),
            v: conv1(b, &at("v"), [channels; 2]),
            proj_out: conv1(b, &at("proj_out"), [channels; 2]),
            name: name.to_owned(),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let y = self.norm.forward(x.clone(), Activation::Identity);
        let (q, k, v) = (self.q.forward(y.clone()), self.k.forward(y.clone()), self.v.forward(y));
        let mixed = f::spatial_self_attention(q, k, v);
        let y = x + self.proj_out.forward(mixed);
        probe.see(&self.name, &y);
        y
    }
}

/// What stands at the end of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resample {
    /// Nothing.
    None,
    /// Half the size: 3×3 with stride 2 after one row of zeros at the bottom and one column at the right, or averages.
    Down,
    /// Twice the size: nearest neighbour, then 3×3, or nothing further.
    Up,
}

/// Where a level stands and what it is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LevelSizes {
    /// Channels in and out.
    pub(crate) channels: [usize; 2],
    pub(crate) blocks: usize,
    pub(crate) attends: bool,
    pub(crate) resample: Resample,
    pub(crate) resample_with_conv: bool,
    pub(crate) groups: usize,
}

/// Residual blocks of one level, each followed by attention where the level has it.
#[derive(Module, Debug)]
pub(crate) struct Level {
    block: Vec<ResnetBlock>,
    attn: Vec<AttnBlock>,
    conv: Option<Conv2d>,
    #[module(skip)]
    resample: Resample,
    #[module(skip)]
    resample_name: String,
}

impl Level {
    pub(crate) fn new(b: &mut Builder, name: &str, sizes: LevelSizes) -> Self {
        let ([cin, cout], groups) = (sizes.channels, sizes.groups);
        let block = (0..sizes.blocks)
            .map(|j| ResnetBlock::new(b, &format!("{name}.block.{j}"), groups, [if j == 0 { cin } else { cout }, cout]))
            .collect();
        let attn = (0..if sizes.attends { sizes.blocks } else { 0 })
            .map(|j| AttnBlock::new(b, &format!("{name}.attn.{j}"), groups, cout))
            .collect();
        let (part, window) = match sizes.resample {
            Resample::Down => ("downsample", Window { stride: 2, pad: [0, 0, 1, 1] }),
            Resample::None | Resample::Up => ("upsample", Window::same(1, 1)),
        };
        let resample_name = format!("{name}.{part}");
        let with_conv = sizes.resample != Resample::None && sizes.resample_with_conv;
        let conv = with_conv.then(|| Conv2d::new(b, &format!("{resample_name}.conv"), [cout; 2], 3, window, true));
        Self { block, attn, conv, resample: sizes.resample, resample_name }
    }

    pub(crate) fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let x = self.block.iter().enumerate().fold(x, |x, (j, block)| {
            let x = block.forward(x, probe);
            match self.attn.get(j) {
                Some(attn) => attn.forward(x, probe),
                None => x,
            }
        });
        let x = match (self.resample, &self.conv) {
            (Resample::None, _) => return x,
            (Resample::Down, Some(conv)) => conv.forward(x),
            (Resample::Down, None) => f::average_pool(x, 2),
            (Resample::Up, Some(conv)) => conv.forward(f::upsample2(x)),
            (Resample::Up, None) => f::upsample2(x),
        };
        probe.see(&self.resample_name, &x);
        x
    }
}

/// The middle of encoder and decoder: block, attention, block.
#[derive(Module, Debug)]
pub(crate) struct Middle {
    block_1: ResnetBlock,
    attn_1: Option<AttnBlock>,
    block_2: ResnetBlock,
}

impl Middle {
    pub(crate) fn new(b: &mut Builder, name: &str, groups: usize, channels: usize, attends: bool) -> Self {
        Self {
            block_1: ResnetBlock::new(b, &format!("{name}.block_1"), groups, [channels; 2]),
            attn_1: attends.then(|| AttnBlock::new(b, &format!("{name}.attn_1"), groups, channels)),
            block_2: ResnetBlock::new(b, &format!("{name}.block_2"), groups, [channels; 2]),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let x = self.block_1.forward(x, probe);
        let x = match &self.attn_1 {
            Some(attn) => attn.forward(x, probe),
            None => x,
        };
        self.block_2.forward(x, probe)
    }
}
