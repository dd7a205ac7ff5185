//! XCiT (Ali et al., 2021): attention of channels over each other instead of positions, and two blocks in which a class
//! token attends to all.

mod blocks;
mod class_attention;
mod patches;
mod table;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use fmr_nn::layers::{LayerNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::weights::{Builder, Init};

use crate::blocks::{to_map, to_tokens};
use crate::family::Classify;
use blocks::Block;
use class_attention::ClassBlock;
use patches::{ConvPatches, Positions};

pub(crate) use table::entries;
pub use table::{XcitConfig, XcitPatch};

/// What timm initialises matrices with.
const INIT: Init = Init::Normal(0.02);

/// An XCiT.
#[derive(Module, Debug)]
pub struct Xcit {
    cls_token: Param<Tensor<3>>,
    patches: ConvPatches,
    positions: Positions,
    blocks: Vec<Block>,
    class_blocks: Vec<ClassBlock>,
    norm: LayerNorm,
    head: Linear,
}

impl Xcit {
    /// A network of that configuration.
    pub(crate) fn new(b: &mut Builder, c: &XcitConfig) -> Self {
        let cls_token = b.param("cls_token", [1, 1, c.width], INIT);
        let patches = ConvPatches::new(b, c);
        let positions = Positions::new(b, c.width);
        let blocks = (0..c.depth).map(|i| Block::new(b, format!("blocks.{i}"), c)).collect();
        let class_block = |i: usize| ClassBlock::new(b, format!("cls_attn_blocks.{i}"), c);
        let class_blocks = (0..c.class_blocks).map(class_block).collect();
        let norm = LayerNorm::new(b, "norm", c.width, c.eps);
        let head = Linear::with_init(b, "head", [c.width, c.classes], true, INIT);
        Self { cls_token, patches, positions, blocks, class_blocks, norm, head }
    }
}

impl Classify for Xcit {
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let map = self.patches.forward(x, probe);
        let [n, _, h, w] = map.dims();
        if probe.on() {
            probe.see("patch_embed", &to_tokens(map.clone()));
        }
        let positions = self.positions.forward([h, w], &map.device());
        probe.see("pos_embed", &positions);
        let tokens = to_tokens(map + positions);
        let tokens = self.blocks.iter().fold(tokens, |x, block| block.forward(x, [h, w], probe));
        let tokens = Tensor::cat(vec![self.cls_token.val().repeat_dim(0, n), tokens], 1);
        let tokens = self.class_blocks.iter().fold(tokens, |x, block| block.forward(x, probe));
        // Only the class token is read.
        let tokens = if probe.on() { tokens } else { tokens.narrow(1, 0, 1) };
        let tokens = self.norm.forward(tokens);
        probe.see("norm", &tokens);
        self.head.forward(tokens.narrow(1, 0, 1).flatten::<2>(1, 2))
    }

    fn folded(self) -> Self {
        Self { patches: self.patches.folded(), blocks: self.blocks.into_iter().map(Block::folded).collect(), ..self }
    }
}

/// `[n, h·w, c]` as a map for `f`, and back.
fn on_map(x: Tensor<3>, size: [usize; 2], f: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Tensor<3> {
    to_tokens(f(to_map(x, size)))
}
