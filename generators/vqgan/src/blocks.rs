//! Building blocks of encoder and decoder.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional::{self as f, Activation, Window};
use fmr_nn::layers::{Conv2d, GroupNorm};
use fmr_nn::weights::Builder;

/// Group normalisation as VQGAN has it everywhere: 32 groups, eps 1e-6.
pub(crate) fn norm(b: &mut Builder, name: &str, channels: usize) -> GroupNorm {
    GroupNorm::new(b, name, 32, channels, 1e-6)
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
}

impl ResnetBlock {
    pub(crate) fn new(b: &mut Builder, name: &str, [cin, cout]: [usize; 2]) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        Self {
            norm1: norm(b, &at("norm1"), cin),
            conv1: conv3(b, &at("conv1"), [cin, cout]),
            norm2: norm(b, &at("norm2"), cout),
            conv2: conv3(b, &at("conv2"), [cout, cout]),
            nin_shortcut: (cin != cout).then(|| conv1(b, &at("nin_shortcut"), [cin, cout])),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.conv1.forward(self.norm1.forward(x.clone(), Activation::Silu));
        let y = self.conv2.forward(self.norm2.forward(y, Activation::Silu));
        match &self.nin_shortcut {
            Some(conv) => conv.forward(x) + y,
            None => x + y,
        }
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
}

impl AttnBlock {
    pub(crate) fn new(b: &mut Builder, name: &str, channels: usize) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        Self {
            norm: norm(b, &at("norm"), channels),
            q: conv1(b, &at("q"), [channels; 2]),
            k: conv1(b, &at("k"), [channels; 2]),
            v: conv1(b, &at("v"), [channels; 2]),
            proj_out: conv1(b, &at("proj_out"), [channels; 2]),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [n, c, h, w] = x.dims();
        let y = self.norm.forward(x.clone(), Activation::Identity);
        let rows = |t: Tensor<4>| -> Tensor<3> { t.reshape([n, c, h * w]).swap_dims(1, 2) };
        let (q, k, v) = (rows(self.q.forward(y.clone())), rows(self.k.forward(y.clone())), rows(self.v.forward(y)));
        let mixed = f::attention(q, k, v, 1, false).swap_dims(1, 2).reshape([n, c, h, w]);
        x + self.proj_out.forward(mixed)
    }
}

/// Residual blocks of one level, each followed by attention where the level has it.
#[derive(Module, Debug)]
pub(crate) struct Level {
    block: Vec<ResnetBlock>,
    attn: Vec<AttnBlock>,
    resample: Option<Conv2d>,
}

/// What stands at the end of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resample {
    /// Nothing.
    None,
    /// 3×3 with stride 2 after one row of zeros at the bottom and one column at the right.
    Down,
    /// Nearest neighbour, then 3×3.
    Up,
}

impl Level {
    pub(crate) fn new(
        b: &mut Builder,
        name: &str,
        [cin, cout]: [usize; 2],
        blocks: usize,
        attends: bool,
        resample: Resample,
    ) -> Self {
        let block = (0..blocks)
            .map(|j| ResnetBlock::new(b, &format!("{name}.block.{j}"), [if j == 0 { cin } else { cout }, cout]))
            .collect();
        let attn = (0..if attends { blocks } else { 0 })
            .map(|j| AttnBlock::new(b, &format!("{name}.attn.{j}"), cout))
            .collect();
        let resample = match resample {
            Resample::None => None,
            Resample::Down => {
                let window = Window { stride: 2, pad: [0, 0, 1, 1] };
                Some(Conv2d::new(b, &format!("{name}.downsample.conv"), [cout; 2], 3, window, true))
            }
            Resample::Up => Some(conv3(b, &format!("{name}.upsample.conv"), [cout; 2])),
        };
        Self { block, attn, resample }
    }

    pub(crate) fn forward(&self, x: Tensor<4>, up: bool) -> Tensor<4> {
        let x = self.block.iter().enumerate().fold(x, |x, (j, block)| {
            let x = block.forward(x);
            match self.attn.get(j) {
                Some(attn) => attn.forward(x),
                None => x,
            }
        });
        match &self.resample {
            Some(conv) if up => conv.forward(f::upsample2(x)),
            Some(conv) => conv.forward(x),
            None => x,
        }
    }
}

/// The middle of encoder and decoder: block, attention, block.
#[derive(Module, Debug)]
pub(crate) struct Middle {
    block_1: ResnetBlock,
    attn_1: AttnBlock,
    block_2: ResnetBlock,
}

impl Middle {
    pub(crate) fn new(b: &mut Builder, name: &str, channels: usize) -> Self {
        Self {
            block_1: ResnetBlock::new(b, &format!("{name}.block_1"), [channels; 2]),
            attn_1: AttnBlock::new(b, &format!("{name}.attn_1"), channels),
            block_2: ResnetBlock::new(b, &format!("{name}.block_2"), [channels; 2]),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.block_2.forward(self.attn_1.forward(self.block_1.forward(x)))
    }
}
