//! Visformer (Chen et al., 2021): convolutions throughout, with attention at the two lower resolutions.

mod blocks;
mod table;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use fmr_nn::functional::{Rectify, Window};
use fmr_nn::layers::{BatchNorm, Conv2d, ConvNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::weights::{Builder, Init};

use crate::family::Classify;
use blocks::Block;

pub use table::VisformerConfig;
pub(crate) use table::entries;

/// What timm initialises matrices with.
const INIT: Init = Init::Normal(0.02);

/// One resolution: patches with a position each, and blocks.
#[derive(Module, Debug)]
struct Stage {
    patches: ConvNorm,
    positions: Param<Tensor<4>>,
    blocks: Vec<Block>,
}

/// A Visformer.
#[derive(Module, Debug)]
pub struct Visformer {
    stem: ConvNorm,
    stages: Vec<Stage>,
    norm: BatchNorm,
    head: Linear,
}

impl Visformer {
    /// A network of that configuration.
    pub(crate) fn new(b: &mut Builder, c: &VisformerConfig) -> Self {
        let positions = [1, 2, 3].map(|stage| {
            let [h, w] = c.image.map(|side| side >> (2 + stage));
            b.param(&format!("pos_embed{stage}"), [1, c.width(stage), h, w], INIT)
        });
        let stem = Conv2d::new(b, "stem.0", [3, c.stem], 7, Window::same(2, 3), false);
        let stem = ConvNorm::around(b, stem, ["stem.0", "stem.1"], c.eps);
        let mut stages = Vec::new();
        let mut channels = c.stem;
        for (stage, positions) in (1..).zip(positions) {
            let width = c.width(stage);
            let side = if stage == 1 { 4 } else { 2 };
            let [proj, norm] = ["proj", "norm"].map(|part| format!("patch_embed{stage}.{part}"));
            let patches = Conv2d::with_init(b, &proj, [channels, width], side, Window::same(side, 0), true, INIT);
            let patches = ConvNorm::around(b, patches, [&proj, &norm], c.eps);
            let blocks = (0..c.depths[stage - 1]).map(|i| Block::new(b, format!("stage{stage}.{i}"), c, stage));
            stages.push(Stage { patches, positions, blocks: blocks.collect() });
            channels = width;
        }
        let norm = BatchNorm::new(b, "norm", channels, c.eps);
        let head = Linear::with_init(b, "head", [channels, c.classes], true, INIT);
        Self { stem, stages, norm, head }
    }
}

impl Classify for Visformer {
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let mut x = self.stem.probed(x, Rectify::Relu, probe);
        probe.see("stem", &x);
        for (stage, Stage { patches, positions, blocks }) in (1..).zip(&self.stages) {
            x = patches.probed(x, Rectify::None, probe);
            probe.see(format!("patch_embed{stage}"), &x);
            x = x + positions.val();
            x = blocks.iter().fold(x, |x, block| block.forward(x, probe));
            probe.see(format!("stage{stage}"), &x);
        }
        let x = self.norm.probed(x, Rectify::None, probe);
        self.head.forward(x.mean_dim(3).mean_dim(2).flatten::<2>(1, 3))
    }

    fn folded(self) -> Self {
        let stage = |stage: Stage| Stage {
            patches: stage.patches.folded(),
            blocks: stage.blocks.into_iter().map(Block::folded).collect(),
            ..stage
        };
        let stages = self.stages.into_iter().map(stage).collect();
        Self { stem: self.stem.folded(), stages, norm: self.norm.folded(), ..self }
    }
}
