//! The encoder half that UNet and classifier share, and the blocks of both halves.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use fmr_nn::blocks::{
    AttentionBlock, Groups, Projections, Resample, ResidualBlock, ResidualNames, ResidualSizes, conv3,
};
use fmr_nn::functional::{self as f, Activation, Pointwise, Window};
use fmr_nn::layers::{Conv2d, GroupNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::weights::{Builder, Init};

use crate::config::{GROUPS, Heads, Resampling, UnetConfig};

const RESIDUAL: ResidualNames = ResidualNames {
    norm1: "in_layers.0",
    conv1: "in_layers.2",
    embedding: "emb_layers.1",
    norm2: "out_layers.0",
    conv2: "out_layers.3",
    shortcut: "skip_connection",
};

pub(crate) const NORM: Groups = Groups { count: GROUPS, eps: 1e-5 };

fn residual(b: &mut Builder, c: &UnetConfig, name: &str, channels: [usize; 2], resample: Resample) -> ResidualBlock {
    let embedding = Some((c.embedding(), c.modulation()));
    let sizes = ResidualSizes { channels, groups: NORM, embedding, resample, zero_start: true };
    ResidualBlock::new(b, name, &RESIDUAL, sizes)
}

fn attention(b: &mut Builder, c: &UnetConfig, name: &str, channels: usize, heads: Heads) -> AttentionBlock {
    let projections = Projections::Packed(["qkv", "proj_out"], c.attention_order.packed());
    // A configuration that was checked has heads for every width; others build and never run.
    let heads = heads.over(channels).unwrap_or(1);
    AttentionBlock::new(b, name, channels, heads, NORM, projections)
}

/// A change of resolution with what a network puts around it.
#[derive(Module, Debug)]
struct Resampler {
    block: Option<ResidualBlock>,
    conv: Option<Conv2d>,
    #[module(skip)]
    resample: Resample,
    #[module(skip)]
    name: String,
}

impl Resampler {
    fn new(b: &mut Builder, c: &UnetConfig, name: String, channels: usize, resample: Resample) -> Self {
        let (part, stride) = if resample == Resample::Down { ("op", 2) } else { ("conv", 1) };
        let block = (c.resampling == Resampling::Residual).then(|| residual(b, c, &name, [channels; 2], resample));
        let conv = (c.resampling == Resampling::Convolution)
            .then(|| Conv2d::new(b, &format!("{name}.{part}"), [channels; 2], 3, Window::same(stride, 1), true));
        Self { block, conv, resample, name }
    }

    fn forward(&self, x: Tensor<4>, embedding: &Tensor<2>, probe: &mut Probe<'_>) -> Tensor<4> {
        if let Some(block) = &self.block {
            return block.forward(x, Some(embedding), probe);
        }
        let y = match (&self.conv, self.resample) {
            (Some(conv), Resample::Down) => conv.forward(x),
            (Some(conv), _) => conv.forward(self.resample.forward(x)),
            (None, _) => self.resample.forward(x),
        };
        probe.see(&self.name, &y);
        y
    }
}

/// One entry of `input_blocks` or `output_blocks`.
#[derive(Module, Debug)]
pub(crate) struct Entry {
    conv: Option<Conv2d>,
    residual: Option<ResidualBlock>,
    attention: Option<AttentionBlock>,
    resampler: Option<Resampler>,
    #[module(skip)]
    name: String,
}

/// What an entry is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts {
    /// Channels in and out of the residual block, if there is one.
    pub(crate) residual: Option<[usize; 2]>,
    /// Heads of the attention, if there is one.
    pub(crate) heads: Option<Heads>,
    /// Channels out of the entry.
    pub(crate) width: usize,
    pub(crate) resample: Resample,
}

impl Entry {
    /// The first entry: a convolution.
    fn first(b: &mut Builder, name: &str, channels: [usize; 2]) -> Self {
        let conv = Some(conv3(b, &format!("{name}.0"), channels));
        Self { conv, residual: None, attention: None, resampler: None, name: name.to_owned() }
    }

    pub(crate) fn new(b: &mut Builder, c: &UnetConfig, name: &str, parts: Parts) -> Self {
        let mut place = 0..;
        let mut next = || format!("{name}.{}", place.next().unwrap_or_default());
        let width = parts.width;
        let residual = parts.residual.map(|channels| residual(b, c, &next(), channels, Resample::Same));
        let attention = parts.heads.map(|heads| attention(b, c, &next(), width, heads));
        let resamples = parts.resample != Resample::Same;
        let resampler = resamples.then(|| Resampler::new(b, c, next(), width, parts.resample));
        Self { conv: None, residual, attention, resampler, name: name.to_owned() }
    }

    pub(crate) fn forward(&self, x: Tensor<4>, embedding: &Tensor<2>, probe: &mut Probe<'_>) -> Tensor<4> {
        let x = match &self.conv {
            Some(conv) => conv.forward(x),
            None => x,
        };
        let x = match &self.residual {
            Some(block) => block.forward(x, Some(embedding), probe),
            None => x,
        };
        let x = match &self.attention {
            Some(block) => block.forward(x, probe),
            None => x,
        };
        let x = match &self.resampler {
            Some(resampler) => resampler.forward(x, embedding, probe),
            None => x,
        };
        probe.see(&self.name, &x);
        x
    }
}

/// Embedding of time and class, the way down, and the middle.
#[derive(Module, Debug)]
pub(crate) struct Trunk {
    time_first: Linear,
    time_second: Linear,
    label_emb: Option<Param<Tensor<2>>>,
    input_blocks: Vec<Entry>,
    middle_first: ResidualBlock,
    middle_attention: AttentionBlock,
    middle_second: ResidualBlock,
    #[module(skip)]
    model_channels: usize,
}

impl Trunk {
    /// Also the channels of each entry of the way down, first entry first.
    pub(crate) fn new(b: &mut Builder, c: &UnetConfig) -> (Self, Vec<usize>) {
        let (mc, e) = (c.model_channels, c.embedding());
        let time_first = Linear::new(b, "time_embed.0", [mc, e], true);
        let time_second = Linear::new(b, "time_embed.2", [e, e], true);
        let label_emb = c.classes.map(|classes| b.param("label_emb.weight", [classes, e], Init::Normal(1.0)));
        let mut width = c.widths.first().copied().unwrap_or_default();
        let mut input_blocks = vec![Entry::first(b, "input_blocks.0", [c.in_channels, width])];
        let mut widths = vec![width];
        for (level, (to, attends)) in c.widths.iter().zip(&c.attention).enumerate() {
            for _ in 0..c.blocks {
                let heads = attends.then_some(c.heads);
                let parts = Parts { residual: Some([width, *to]), heads, width: *to, resample: Resample::Same };
                input_blocks.push(Entry::new(b, c, &format!("input_blocks.{}", widths.len()), parts));
                width = *to;
                widths.push(width);
            }
            if level + 1 < c.widths.len() {
                let parts = Parts { residual: None, heads: None, width, resample: Resample::Down };
                input_blocks.push(Entry::new(b, c, &format!("input_blocks.{}", widths.len()), parts));
                widths.push(width);
            }
        }
        let middle_first = residual(b, c, "middle_block.0", [width; 2], Resample::Same);
        let middle_attention = attention(b, c, "middle_block.1", width, c.heads);
        let middle_second = residual(b, c, "middle_block.2", [width; 2], Resample::Same);
        let trunk = Self {
            time_first,
            time_second,
            label_emb,
            input_blocks,
            middle_first,
            middle_attention,
            middle_second,
            model_channels: mc,
        };
        (trunk, widths)
    }

    /// The activated embedding of times and, in a class-conditional network, classes: `[n, 4 · model_channels]`.
    pub(crate) fn embed(&self, times: &[f32], classes: Option<&[usize]>, probe: &mut Probe<'_>) -> Tensor<2> {
        let device = self.time_first.device();
        let waves = f::timestep_embedding(times, self.model_channels, &device.clone().inner());
        probe.see("timestep_embedding", &waves);
        let waves = if device.is_autodiff() { Tensor::from_inner(waves) } else { waves };
        let hidden = f::pointwise(self.time_first.forward(waves), Pointwise::Silu);
        let embedding = self.time_second.forward(hidden);
        probe.see("time_embed", &embedding);
        let embedding = match (&self.label_emb, classes) {
            (Some(table), Some(classes)) => embedding + rows(table.val(), classes),
            _ => embedding,
        };
        f::pointwise(embedding, Pointwise::Silu)
    }

    /// The middle's output, and that of every entry on the way down, first entry first.
    pub(crate) fn forward(
        &self,
        x: Tensor<4>,
        embedding: &Tensor<2>,
        probe: &mut Probe<'_>,
    ) -> (Tensor<4>, Vec<Tensor<4>>) {
        let mut x = x;
        let mut outputs = Vec::with_capacity(self.input_blocks.len());
        for entry in &self.input_blocks {
            x = entry.forward(x, embedding, probe);
            outputs.push(x.clone());
        }
        let x = self.middle_first.forward(x, Some(embedding), probe);
        let x = self.middle_attention.forward(x, probe);
        let x = self.middle_second.forward(x, Some(embedding), probe);
        probe.see("middle_block", &x);
        (x, outputs)
    }
}

/// Rows of a table.
fn rows(table: Tensor<2>, of: &[usize]) -> Tensor<2> {
    let device = table.device();
    let of: Vec<i64> = of.iter().map(|row| *row as i64).collect();
    let ids = Tensor::<1, Int>::from_ints(of.as_slice(), &device.clone().inner());
    table.select(0, if device.is_autodiff() { Tensor::from_inner(ids) } else { ids })
}

/// Normalised and activated; a probe is shown nothing, for upstream's modules are apart.
pub(crate) fn activated(norm: &GroupNorm, x: Tensor<4>) -> Tensor<4> {
    norm.forward(x, Activation::Silu)
}
