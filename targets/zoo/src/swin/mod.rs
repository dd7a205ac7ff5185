//! Swin transformers (Liu et al., 2021): attention inside windows, shifted by half a window in every second block.

mod attention;
mod table;

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional as f;
use fmr_nn::layers::{LayerNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::transformer::Mlp;
use fmr_nn::weights::{Builder, Init};

use crate::blocks::{PatchEmbed, Windows, merging};
use crate::family::Classify;
use attention::WindowAttention;

pub use table::SwinConfig;
pub(crate) use table::entries;

/// What timm initialises matrices with.
const INIT: Init = Init::Normal(0.02);

/// Attention inside windows and a perceptron.
#[derive(Module, Debug)]
struct Block {
    norm1: LayerNorm,
    attn: WindowAttention,
    norm2: LayerNorm,
    mlp: Mlp,
    /// How far windows are shifted where the map is larger than a window.
    #[module(skip)]
    shift: usize,
    #[module(skip)]
    name: String,
}

impl Block {
    /// `[n, h·w, c]` to the same.
    fn forward(&self, x: Tensor<3>, size: [usize; 2], probe: &mut Probe<'_>) -> Tensor<3> {
        let windows = Windows::new(size, self.attn.window(), self.shift);
        let mixed = self.attn.forward(windows.apart(self.norm1.forward(x.clone())), &windows);
        if probe.on() {
            probe.see(format!("{}.attn", self.name), &mixed);
        }
        let x = x + windows.together(mixed);
        let x = x.clone() + self.mlp.forward(self.norm2.forward(x));
        probe.see(&self.name, &x);
        x
    }
}

/// The four positions of each 2×2 block side by side, normalised, and brought to twice the width.
#[derive(Module, Debug)]
struct Downsample {
    norm: LayerNorm,
    reduction: Linear,
}

impl Downsample {
    fn forward(&self, x: Tensor<3>, size: [usize; 2]) -> (Tensor<3>, [usize; 2]) {
        let [n, _, c] = x.dims();
        let size_after = size.map(|side| side.div_ceil(2));
        let x = f::take_rows(x, &merging(size)).reshape([n, size_after[0] * size_after[1], 4 * c]);
        (self.reduction.forward(self.norm.forward(x)), size_after)
    }
}

/// One resolution.
#[derive(Module, Debug)]
struct Stage {
    downsample: Option<Downsample>,
    blocks: Vec<Block>,
}

/// A Swin transformer.
#[derive(Module, Debug)]
pub struct Swin {
    patches: PatchEmbed,
    stages: Vec<Stage>,
    norm: LayerNorm,
    head: Linear,
}

impl Swin {
    /// A network of that configuration.
    pub(crate) fn new(b: &mut Builder, c: &SwinConfig) -> Self {
        let patches = PatchEmbed::new(b, "patch_embed", [3, c.width], c.patch, Some(c.eps));
        let mut stages = Vec::new();
        let mut size = c.image.map(|side| side / c.patch);
        for (i, (&depth, &heads)) in c.depths.iter().zip(&c.heads).enumerate() {
            let width = c.width << i;
            let downsample = (i > 0).then(|| {
                size = size.map(|side| side.div_ceil(2));
                let name = format!("layers.{i}.downsample");
                Downsample {
                    norm: LayerNorm::new(b, &format!("{name}.norm"), 2 * width, c.eps),
                    reduction: Linear::with_init(b, &format!("{name}.reduction"), [2 * width, width], false, INIT),
                }
            });
            let window = size.map(|side| side.min(c.window));
            let head = c.head_dim.unwrap_or(width / heads.max(1));
            let mut block = |k: usize| {
                let name = format!("layers.{i}.blocks.{k}");
                let at = |part: &str| format!("{name}.{part}");
                Block {
                    norm1: LayerNorm::new(b, &at("norm1"), width, c.eps),
                    attn: WindowAttention::new(b, &at("attn"), width, [heads, head], window),
                    norm2: LayerNorm::new(b, &at("norm2"), width, c.eps),
                    mlp: Mlp::new(b, &at("mlp"), [width, (width as f64 * c.mlp_ratio) as usize], INIT),
                    shift: if k.is_multiple_of(2) { 0 } else { c.window / 2 },
                    name,
                }
            };
            stages.push(Stage { downsample, blocks: (0..depth).map(&mut block).collect() });
        }
        let width = c.width << (c.depths.len().saturating_sub(1));
        let norm = LayerNorm::new(b, "norm", width, c.eps);
        let head = Linear::with_init(b, "head.fc", [width, c.classes], true, INIT);
        Self { patches, stages, norm, head }
    }
}

impl Classify for Swin {
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let (mut x, mut size) = self.patches.forward(x);
        probe.see("patch_embed", &x);
        for (i, stage) in self.stages.iter().enumerate() {
            if let Some(downsample) = &stage.downsample {
                (x, size) = downsample.forward(x, size);
                probe.see(format!("layers.{i}.downsample"), &x);
            }
            x = stage.blocks.iter().fold(x, |x, block| block.forward(x, size, probe));
            probe.see(format!("layers.{i}"), &x);
        }
        let x = self.norm.forward(x);
        probe.see("norm", &x);
        self.head.forward(x.mean_dim(1).flatten::<2>(1, 2))
    }

    fn folded(self) -> Self {
        self
    }
}
