//! The vision transformer tower.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use fmr_nn::functional::{Pointwise, Window};
use fmr_nn::layers::{Conv2d, LayerNorm};
use fmr_nn::probe::Probe;
use fmr_nn::transformer::BlockSizes;
use fmr_nn::weights::Builder;

use super::transformer::{StackSizes, Transformer};
use super::{EPS, spread};

/// Sizes of the tower.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VitConfig {
    /// Values of a token.
    pub width: usize,
    /// Blocks.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Side of a patch.
    pub patch: usize,
    /// Values between the two matrices of a block's perceptron; four times the width unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mlp: Option<usize>,
    /// Added to the variance by the layer normalisations; 1e-5 unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eps: Option<f32>,
}

/// Patches, class token, blocks, projection of the class token.
#[derive(Module, Debug)]
pub(super) struct Vit {
    conv1: Conv2d,
    class_embedding: Param<Tensor<1>>,
    positional_embedding: Param<Tensor<2>>,
    ln_pre: LayerNorm,
    transformer: Transformer,
    ln_post: LayerNorm,
    proj: Param<Tensor<2>>,
}

impl Vit {
    pub(super) fn new(b: &mut Builder, c: &VitConfig, resolution: usize, embed: usize, activation: Pointwise) -> Self {
        let tokens = (resolution / c.patch).pow(2) + 1;
        let window = Window::same(c.patch, 0);
        let (mlp, eps) = (c.mlp.unwrap_or(4 * c.width), c.eps.unwrap_or(EPS));
        let stack = StackSizes { layers: c.layers, block: BlockSizes { width: c.width, heads: c.heads, mlp, eps } };
        Self {
            conv1: Conv2d::new(b, "visual.conv1", [3, c.width], c.patch, window, false),
            class_embedding: b.param("visual.class_embedding", [c.width], spread(c.width)),
            positional_embedding: b.param("visual.positional_embedding", [tokens, c.width], spread(c.width)),
            ln_pre: LayerNorm::new(b, "visual.ln_pre", c.width, eps),
            transformer: Transformer::new(b, "visual.transformer", stack, false, activation),
            ln_post: LayerNorm::new(b, "visual.ln_post", c.width, eps),
            proj: b.param("visual.proj", [c.width, embed], spread(c.width)),
        }
    }

    /// Normalised images `[n, 3, r, r]` to embeddings `[n, embed]`.
    pub(super) fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let patches = self.conv1.forward(x);
        probe.see("visual.conv1", &patches);
        let [n, width, ..] = patches.dims();
        let patches: Tensor<3> = patches.flatten(2, 3);
        let class = self.class_embedding.val().reshape([1, 1, width]).repeat_dim(0, n);
        let tokens = Tensor::cat(vec![class, patches.swap_dims(1, 2)], 1);
        let tokens = self.ln_pre.forward(tokens + self.positional_embedding.val().unsqueeze());
        probe.see("visual.ln_pre", &tokens);
        let tokens = self.transformer.forward(tokens, "visual", probe);
        let class: Tensor<2> = tokens.narrow(1, 0, 1).flatten(1, 2);
        let class = self.ln_post.forward(class);
        probe.see("visual.ln_post", &class);
        fmr_nn::functional::linear(class, self.proj.val(), None)
    }
}
