//! Vision transformers: ViT (Dosovitskiy et al., 2021) and DeiT (Touvron et al., 2021), plain and distilled.

mod table;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use fmr_nn::layers::{LayerNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::transformer::{Block, BlockInit, BlockNames, BlockSizes};
use fmr_nn::weights::{Builder, Init};

use crate::blocks::PatchEmbed;
use crate::family::Classify;

pub use table::VitConfig;
pub(crate) use table::entries;

/// A vision transformer.
#[derive(Module, Debug)]
pub struct Vit {
    /// Those in front of the patches: the class token, and in a distilled network the distillation token.
    prefix: Vec<Param<Tensor<3>>>,
    positions: Param<Tensor<3>>,
    patches: PatchEmbed,
    blocks: Vec<Block>,
    norm: LayerNorm,
    /// One for each token in front of the patches.
    heads: Vec<Linear>,
}

impl Vit {
    /// A network of that configuration.
    pub(crate) fn new(b: &mut Builder, c: &VitConfig) -> Self {
        let init = Init::Normal(0.02);
        let names: &[[&str; 2]] =
            if c.distilled { &[["cls_token", "head"], ["dist_token", "head_dist"]] } else { &[["cls_token", "head"]] };
        let tokens = c.image.map(|side| side / c.patch).iter().product::<usize>() + names.len();
        let sizes = BlockSizes { width: c.width, heads: c.heads, mlp: c.hidden(), eps: c.eps };
        let block = |b: &mut Builder, i: usize| {
            Block::new(b, format!("blocks.{i}"), &BlockNames::TIMM, &sizes, &BlockInit::all(init))
        };
        Self {
            prefix: names.iter().map(|[token, _]| b.param(token, [1, 1, c.width], init)).collect(),
            positions: b.param("pos_embed", [1, tokens, c.width], init),
            patches: PatchEmbed::new(b, "patch_embed", [3, c.width], c.patch, None),
            blocks: (0..c.depth).map(|i| block(b, i)).collect(),
            norm: LayerNorm::new(b, "norm", c.width, c.eps),
            heads: names.iter().map(|[_, head]| Linear::with_init(b, head, [c.width, c.classes], true, init)).collect(),
        }
    }
}

impl Classify for Vit {
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let n = x.dims()[0];
        let (patches, _) = self.patches.forward(x);
        probe.see("patch_embed", &patches);
        let prefix = self.prefix.iter().map(|token| token.val().repeat_dim(0, n));
        let tokens = Tensor::cat(prefix.chain([patches]).collect(), 1) + self.positions.val();
        let tokens = self.blocks.iter().fold(tokens, |x, block| block.forward(x, probe));
        // Only the tokens in front are read.
        let tokens = if probe.on() { tokens } else { tokens.narrow(1, 0, self.prefix.len()) };
        let tokens = self.norm.forward(tokens);
        probe.see("norm", &tokens);
        let logits = self.heads.iter().enumerate();
        let logits = logits.map(|(i, head)| head.forward(tokens.clone().narrow(1, i, 1).flatten::<2>(1, 2)));
        let sum = logits.reduce(|a, b| a + b).unwrap_or_else(|| tokens.flatten(1, 2));
        sum / self.heads.len() as f32
    }

    fn folded(self) -> Self {
        self
    }
}
