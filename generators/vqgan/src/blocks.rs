//! Levels of encoder and decoder.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::blocks::{
    AttentionBlock, Groups, Projections, Resample as Sampling, ResidualBlock, ResidualNames, ResidualSizes,
};
use fmr_nn::functional::{self as f, Window};
use fmr_nn::layers::{Conv2d, GroupNorm};
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;

pub(crate) use fmr_nn::blocks::conv3;

const RESIDUAL: ResidualNames = ResidualNames {
    norm1: "norm1",
    conv1: "conv1",
    embedding: "",
    norm2: "norm2",
    conv2: "conv2",
    shortcut: "nin_shortcut",
};

const ATTENTION: Projections = Projections::Separate(["q", "k", "v", "proj_out"]);

/// The eps of VQGAN's normalisations.
fn groups(count: usize) -> Groups {
    Groups { count, eps: 1e-6 }
}

/// Group normalisation with the eps of VQGAN.
pub(crate) fn norm(b: &mut Builder, name: &str, count: usize, channels: usize) -> GroupNorm {
    groups(count).norm(b, name, channels)
}

fn residual(b: &mut Builder, name: &str, count: usize, channels: [usize; 2]) -> ResidualBlock {
    let (groups, resample) = (groups(count), Sampling::Same);
    let sizes = ResidualSizes { channels, groups, embedding: None, resample, zero_start: false };
    ResidualBlock::new(b, name, &RESIDUAL, sizes)
}

/// Self-attention with one head.
fn attention(b: &mut Builder, name: &str, count: usize, channels: usize) -> AttentionBlock {
    AttentionBlock::new(b, name, channels, 1, groups(count), ATTENTION)
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
    block: Vec<ResidualBlock>,
    attn: Vec<AttentionBlock>,
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
            .map(|j| residual(b, &format!("{name}.block.{j}"), groups, [if j == 0 { cin } else { cout }, cout]))
            .collect();
        let attn = (0..if sizes.attends { sizes.blocks } else { 0 })
            .map(|j| attention(b, &format!("{name}.attn.{j}"), groups, cout))
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
            let x = block.forward(x, None, probe);
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
    block_1: ResidualBlock,
    attn_1: Option<AttentionBlock>,
    block_2: ResidualBlock,
}

impl Middle {
    pub(crate) fn new(b: &mut Builder, name: &str, groups: usize, channels: usize, attends: bool) -> Self {
        Self {
            block_1: residual(b, &format!("{name}.block_1"), groups, [channels; 2]),
            attn_1: attends.then(|| attention(b, &format!("{name}.attn_1"), groups, channels)),
            block_2: residual(b, &format!("{name}.block_2"), groups, [channels; 2]),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let x = self.block_1.forward(x, None, probe);
        let x = match &self.attn_1 {
            Some(attn) => attn.forward(x, probe),
            None => x,
        };
        self.block_2.forward(x, None, probe)
    }
}
