//! Pre-norm transformer blocks, shared by both towers.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional::{self as f, Pointwise};
use fmr_nn::layers::{LayerNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::weights::{Builder, Init};

#[derive(Module, Debug)]
struct Block {
    ln_1: LayerNorm,
    in_proj: Linear,
    out_proj: Linear,
    ln_2: LayerNorm,
    c_fc: Linear,
    c_proj: Linear,
}

/// Sizes of a stack.
#[derive(Debug, Clone, Copy)]
pub(super) struct StackSizes {
    pub(super) width: usize,
    pub(super) heads: usize,
    pub(super) layers: usize,
    /// Values between the two matrices of a block's perceptron.
    pub(super) mlp: usize,
    /// Added to the variance by the layer normalisations.
    pub(super) eps: f32,
}

/// A stack of blocks.
#[derive(Module, Debug)]
pub(super) struct Transformer {
    blocks: Vec<Block>,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    causal: bool,
    #[module(skip)]
    activation: Pointwise,
}

impl Transformer {
    /// Blocks under `name.resblocks.N`.
    pub(super) fn new(b: &mut Builder, name: &str, sizes: StackSizes, causal: bool, activation: Pointwise) -> Self {
        let StackSizes { width, heads, layers, mlp: hidden, eps } = sizes;
        // As upstream initialises: residual branches shrink with depth.
        let w = width as f32;
        let (branch, attention, mlp) = (
            Init::Normal(w.powf(-0.5) * (2.0 * layers as f32).powf(-0.5)),
            Init::Normal(w.powf(-0.5)),
            Init::Normal((2.0 * w).powf(-0.5)),
        );
        let blocks = (0..layers)
            .map(|i| {
                let at = |part: &str| format!("{name}.resblocks.{i}.{part}");
                let (weight, bias) = (at("attn.in_proj_weight"), at("attn.in_proj_bias"));
                Block {
                    ln_1: LayerNorm::new(b, &at("ln_1"), width, eps),
                    in_proj: Linear::named(b, &weight, Some(&bias), [width, 3 * width], attention),
                    out_proj: Linear::with_init(b, &at("attn.out_proj"), [width, width], true, branch),
                    ln_2: LayerNorm::new(b, &at("ln_2"), width, eps),
                    c_fc: Linear::with_init(b, &at("mlp.c_fc"), [width, hidden], true, mlp),
                    c_proj: Linear::with_init(b, &at("mlp.c_proj"), [hidden, width], true, branch),
                }
            })
            .collect();
        Self { blocks, heads, causal, activation }
    }

    /// `[n, length, width]` to the same; a probe sees the stream after block i as `tower.block{i}`.
    pub(super) fn forward(&self, x: Tensor<3>, tower: &str, probe: &mut Probe<'_>) -> Tensor<3> {
        self.blocks.iter().enumerate().fold(x, |x, (i, block)| {
            let qkv = block.in_proj.forward(block.ln_1.forward(x.clone()));
            let mixed = f::self_attention(qkv, self.heads, self.causal);
            let x = x + block.out_proj.forward(mixed);
            let hidden = f::pointwise(block.c_fc.forward(block.ln_2.forward(x.clone())), self.activation);
            let x = x + block.c_proj.forward(hidden);
            if probe.on() {
                probe.see(format!("{tower}.block{i}"), &x);
            }
            x
        })
    }
}
