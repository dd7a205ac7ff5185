//! Twins (Chu et al., 2021): PCPVT, whose blocks attend to a smaller copy of the map, and SVT, where they alternate with
//! attention inside windows.

mod attention;
mod table;

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional::Window;
use fmr_nn::layers::{Conv2d, LayerNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::transformer::Mlp;
use fmr_nn::weights::{Builder, Init};

use crate::blocks::{PatchEmbed, to_map, to_tokens};
use crate::family::Classify;
use attention::Mixing;

pub(crate) use table::entries;
pub use table::{TwinsConfig, TwinsStage};

/// What timm initialises matrices with.
const INIT: Init = Init::Normal(0.02);
/// Added to the variance after patch embeddings and after a map was made smaller; elsewhere the configuration says it.
const OUTER_EPS: f32 = 1e-5;

/// Attention and a perceptron.
#[derive(Module, Debug)]
struct Block {
    norm1: LayerNorm,
    attn: Mixing,
    norm2: LayerNorm,
    mlp: Mlp,
    #[module(skip)]
    name: String,
}

impl Block {
    fn forward(&self, x: Tensor<3>, size: [usize; 2], probe: &mut Probe<'_>) -> Tensor<3> {
        let mixed = self.attn.forward(self.norm1.forward(x.clone()), size);
        if probe.on() {
            probe.see(format!("{}.attn", self.name), &mixed);
        }
        let x = x + mixed;
        let x = x.clone() + self.mlp.forward(self.norm2.forward(x));
        probe.see(&self.name, &x);
        x
    }
}

/// One resolution.
#[derive(Module, Debug)]
struct Stage {
    patches: PatchEmbed,
    blocks: Vec<Block>,
    /// Where positions come from: a depthwise convolution after the first block.
    positions: Conv2d,
}

/// A Twins transformer.
#[derive(Module, Debug)]
pub struct Twins {
    stages: Vec<Stage>,
    norm: LayerNorm,
    head: Linear,
}

impl Twins {
    /// A network of that configuration.
    pub(crate) fn new(b: &mut Builder, c: &TwinsConfig) -> Self {
        let mut stages = Vec::new();
        let mut channels = 3;
        for (i, stage) in c.stages.iter().enumerate() {
            let (width, side) = (stage.width, if i == 0 { c.patch } else { 2 });
            let patches = PatchEmbed::new(b, &format!("patch_embeds.{i}"), [channels, width], side, Some(OUTER_EPS));
            let block = |b: &mut Builder, k: usize| {
                let name = format!("blocks.{i}.{k}");
                let at = |part: &str| format!("{name}.{part}");
                Block {
                    norm1: LayerNorm::new(b, &at("norm1"), width, c.eps),
                    attn: match stage.window {
                        Some(window) if window > 1 && k.is_multiple_of(2) => {
                            Mixing::local(b, &at("attn"), stage, window)
                        }
                        _ => Mixing::global(b, &at("attn"), stage),
                    },
                    norm2: LayerNorm::new(b, &at("norm2"), width, c.eps),
                    mlp: Mlp::new(b, &at("mlp"), [width, (width as f64 * stage.mlp_ratio) as usize], INIT),
                    name,
                }
            };
            let blocks = (0..stage.depth).map(|k| block(b, k)).collect();
            let positions = Conv2d::depthwise(b, &format!("pos_block.{i}.proj.0"), width, 3, Window::same(1, 1), true);
            stages.push(Stage { patches, blocks, positions });
            channels = width;
        }
        let norm = LayerNorm::new(b, "norm", channels, c.eps);
        let head = Linear::with_init(b, "head", [channels, c.classes], true, INIT);
        Self { stages, norm, head }
    }
}

impl Classify for Twins {
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let mut map = x;
        let last = self.stages.len().saturating_sub(1);
        let mut tokens = None;
        for (i, stage) in self.stages.iter().enumerate() {
            let (mut x, size) = stage.patches.forward(map.clone());
            probe.see(format!("patch_embeds.{i}"), &x);
            for (k, block) in stage.blocks.iter().enumerate() {
                x = block.forward(x, size, probe);
                if k == 0 {
                    let map = to_map(x.clone(), size);
                    x = x + to_tokens(stage.positions.forward(map));
                    probe.see(format!("pos_block.{i}"), &x);
                }
            }
            if i < last {
                map = to_map(x, size);
            } else {
                tokens = Some(x);
            }
        }
        let tokens = tokens.unwrap_or_else(|| to_tokens(map));
        let tokens = self.norm.forward(tokens);
        probe.see("norm", &tokens);
        self.head.forward(tokens.mean_dim(1).flatten::<2>(1, 2))
    }

    fn folded(self) -> Self {
        self
    }
}
