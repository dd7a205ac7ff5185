//! Blocks in which the class token attends to all tokens.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use fmr_nn::functional as f;
use fmr_nn::layers::{LayerNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::transformer::Mlp;
use fmr_nn::weights::{Builder, Init};

use super::INIT;
use super::table::XcitConfig;

/// A block of the class token.
#[derive(Module, Debug)]
pub(super) struct ClassBlock {
    norm1: LayerNorm,
    q: Linear,
    k: Linear,
    v: Linear,
    proj: Linear,
    gamma1: Param<Tensor<1>>,
    norm2: LayerNorm,
    mlp: Mlp,
    gamma2: Param<Tensor<1>>,
    #[module(skip)]
    heads: usize,
    /// Whether the second normalisation is of all tokens, not of the class token alone.
    #[module(skip)]
    tokens_norm: bool,
    #[module(skip)]
    name: String,
}

impl ClassBlock {
    pub(super) fn new(b: &mut Builder, name: String, c: &XcitConfig) -> Self {
        let width = c.width;
        let at = |part: &str| format!("{name}.{part}");
        let matrix = |b: &mut Builder, part: &str| Linear::with_init(b, &at(part), [width, width], true, INIT);
        Self {
            norm1: LayerNorm::new(b, &at("norm1"), width, c.eps),
            q: matrix(b, "attn.q"),
            k: matrix(b, "attn.k"),
            v: matrix(b, "attn.v"),
            proj: matrix(b, "attn.proj"),
            gamma1: b.param(&at("gamma1"), [width], Init::Ones),
            norm2: LayerNorm::new(b, &at("norm2"), width, c.eps),
            mlp: Mlp::new(b, &at("mlp"), [width, 4 * width], INIT),
            gamma2: b.param(&at("gamma2"), [width], Init::Ones),
            heads: c.heads,
            tokens_norm: c.tokens_norm,
            name,
        }
    }

    /// `[n, tokens, width]` to the same, the class token in front.
    pub(super) fn forward(&self, x: Tensor<3>, probe: &mut Probe<'_>) -> Tensor<3> {
        let y = self.norm1.forward(x.clone());
        let (class, patches) = apart(y.clone());
        let mixed =
            f::attention(self.q.forward(class), self.k.forward(y.clone()), self.v.forward(y), self.heads, false);
        let added = Tensor::cat(vec![self.proj.forward(mixed), patches], 1);
        let x = x + added * self.gamma1.val().unsqueeze();
        // What follows goes on from the normalised tokens.
        let (class, patches) = if self.tokens_norm {
            apart(self.norm2.forward(x))
        } else {
            let (class, patches) = apart(x);
            (self.norm2.forward(class), patches)
        };
        let class = class.clone() + self.mlp.forward(class) * self.gamma2.val().unsqueeze();
        // Upstream adds the patches to themselves.
        let x = Tensor::cat(vec![class, patches * 2.0], 1);
        probe.see(&self.name, &x);
        x
    }
}

/// The class token, and the others.
fn apart(x: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
    let tokens = x.dims()[1];
    (x.clone().narrow(1, 0, 1), x.narrow(1, 1, tokens - 1))
}
