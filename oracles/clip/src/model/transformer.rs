//! Pre-norm transformer blocks, shared by both towers.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional::Pointwise;
use fmr_nn::probe::Probe;
use fmr_nn::transformer::{Block, BlockInit, BlockNames, BlockSizes};
use fmr_nn::weights::{Builder, Init};

/// Sizes of a stack.
#[derive(Debug, Clone, Copy)]
pub(super) struct StackSizes {
    pub(super) layers: usize,
    pub(super) block: BlockSizes,
}

/// A stack of blocks.
#[derive(Module, Debug)]
pub(super) struct Transformer {
    blocks: Vec<Block>,
}

impl Transformer {
    /// Blocks under `name.resblocks.N`.
    pub(super) fn new(b: &mut Builder, name: &str, sizes: StackSizes, causal: bool, activation: Pointwise) -> Self {
        let StackSizes { layers, block } = sizes;
        // As upstream initialises: residual branches shrink with depth.
        let w = block.width as f32;
        let branch = Init::Normal(w.powf(-0.5) * (2.0 * layers as f32).powf(-0.5));
        let init = BlockInit {
            qkv: Init::Normal(w.powf(-0.5)),
            proj: branch,
            fc1: Init::Normal((2.0 * w).powf(-0.5)),
            fc2: branch,
        };
        let block = |i: usize| {
            let block = Block::new(b, format!("{name}.resblocks.{i}"), &BlockNames::OPEN_AI, &block, &init);
            block.causal(causal).activated(activation)
        };
        Self { blocks: (0..layers).map(block).collect() }
    }

    /// `[n, length, width]` to the same; a probe sees the stream after block i as `tower.block{i}`.
    pub(super) fn forward(&self, x: Tensor<3>, tower: &str, probe: &mut Probe<'_>) -> Tensor<3> {
        self.blocks.iter().enumerate().fold(x, |x, (i, block)| {
            let x = block.forward(x, probe);
            if probe.on() {
                probe.see(format!("{tower}.block{i}"), &x);
            }
            x
        })
    }
}
