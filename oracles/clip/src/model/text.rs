//! The text tower.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use fmr_nn::functional::Pointwise;
use fmr_nn::layers::LayerNorm;
use fmr_nn::probe::Probe;
use fmr_nn::transformer::BlockSizes;
use fmr_nn::weights::{Builder, Init};

use super::transformer::{StackSizes, Transformer};
use super::{EPS, spread};

/// Sizes of the tower.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TextConfig {
    /// Longest text in tokens.
    pub context: usize,
    /// Known tokens.
    pub vocabulary: usize,
    /// Values of a token.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Blocks.
    pub layers: usize,
    /// Values between the two matrices of a block's perceptron; four times the width unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mlp: Option<usize>,
    /// Activation, where it is not the image tower's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Pointwise>,
    /// Added to the variance by the layer normalisations; 1e-5 unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eps: Option<f32>,
}

/// Causal transformer; the end token's output is projected.
#[derive(Module, Debug)]
pub(super) struct TextTower {
    token_embedding: Param<Tensor<2>>,
    positional_embedding: Param<Tensor<2>>,
    transformer: Transformer,
    ln_final: LayerNorm,
    text_projection: Param<Tensor<2>>,
}

impl TextTower {
    pub(super) fn new(b: &mut Builder, c: &TextConfig, embed: usize, activation: Pointwise) -> Self {
        let (mlp, eps) = (c.mlp.unwrap_or(4 * c.width), c.eps.unwrap_or(EPS));
        let stack = StackSizes { layers: c.layers, block: BlockSizes { width: c.width, heads: c.heads, mlp, eps } };
        let activation = c.activation.unwrap_or(activation);
        Self {
            token_embedding: b.param("token_embedding.weight", [c.vocabulary, c.width], Init::Normal(0.02)),
            positional_embedding: b.param("positional_embedding", [c.context, c.width], Init::Normal(0.01)),
            transformer: Transformer::new(b, "transformer", stack, true, activation),
            ln_final: LayerNorm::new(b, "ln_final", c.width, eps),
            text_projection: b.param("text_projection", [c.width, embed], spread(c.width)),
        }
    }

    /// Token rows `[n, length]` to embeddings `[n, embed]`, taken at `ends`.
    ///
    /// The mask is causal, so rows may be cut after the last end token.
    pub(super) fn forward(&self, tokens: Tensor<2, Int>, ends: &[usize], probe: &mut Probe<'_>) -> Tensor<2> {
        let [n, length] = tokens.dims();
        let table = self.token_embedding.val();
        let [_, width] = table.dims();
        let words: Tensor<3> = table.select(0, tokens.flatten(0, 1)).reshape([n, length, width]);
        let positions = self.positional_embedding.val().narrow(0, 0, length);
        let x = self.transformer.forward(words + positions.unsqueeze(), "text", probe);
        let x = self.ln_final.forward(x);
        probe.see("text.ln_final", &x);
        let x: Tensor<2> = x.flatten(0, 1);
        let rows: Vec<i64> = ends.iter().enumerate().map(|(i, end)| (i * length + end) as i64).collect();
        let device = x.device();
        let x = x.select(0, Tensor::<1, Int>::from_ints(rows.as_slice(), &device));
        fmr_nn::functional::linear(x, self.text_projection.val(), None)
    }
}
