//! Pre-norm transformer blocks: x += attention(norm x), then x += perceptron(norm x).

use burn::module::Module;
use burn::tensor::Tensor;

use crate::functional::{self as f, Pointwise};
use crate::layers::{LayerNorm, Linear};
use crate::probe::Probe;
use crate::weights::{Builder, Init};

/// How the matrices of a block start out in training.
#[derive(Debug, Clone, Copy)]
pub struct BlockInit {
    /// From a token to its query, key and value.
    pub qkv: Init,
    /// From the heads back to a token.
    pub proj: Init,
    /// Into the perceptron.
    pub fc1: Init,
    /// Out of the perceptron.
    pub fc2: Init,
}

impl BlockInit {
    /// The same for all matrices.
    pub fn all(init: Init) -> Self {
        Self { qkv: init, proj: init, fc1: init, fc2: init }
    }
}

/// Names of a block's parameters, below its own.
#[derive(Debug, Clone, Copy)]
pub struct BlockNames {
    /// The normalisation before the attention, and the one before the perceptron.
    pub norms: [&'static str; 2],
    /// Weight and bias from a token to its query, key and value.
    pub qkv: [&'static str; 2],
    /// From the heads back to a token.
    pub proj: &'static str,
    /// Into the perceptron and out of it.
    pub mlp: [&'static str; 2],
}

impl BlockNames {
    /// timm's.
    pub const TIMM: Self = Self {
        norms: ["norm1", "norm2"],
        qkv: ["attn.qkv.weight", "attn.qkv.bias"],
        proj: "attn.proj",
        mlp: ["mlp.fc1", "mlp.fc2"],
    };

    /// Those of OpenAI's CLIP.
    pub const OPEN_AI: Self = Self {
        norms: ["ln_1", "ln_2"],
        qkv: ["attn.in_proj_weight", "attn.in_proj_bias"],
        proj: "attn.out_proj",
        mlp: ["mlp.c_fc", "mlp.c_proj"],
    };
}

/// Sizes of a block.
#[derive(Debug, Clone, Copy)]
pub struct BlockSizes {
    /// Values of a token.
    pub width: usize,
    /// Attention heads, each a contiguous slice of the width.
    pub heads: usize,
    /// Values between the two matrices of the perceptron.
    pub mlp: usize,
    /// Added to the variance by the normalisations.
    pub eps: f32,
}

/// Two linear layers with an activation between them.
#[derive(Module, Debug)]
pub struct Mlp {
    fc1: Linear,
    fc2: Linear,
    #[module(skip)]
    activation: Pointwise,
}

impl Mlp {
    /// Layers `fc1` and `fc2` below `name`, exact GELU between them.
    pub fn new(b: &mut Builder, name: &str, [width, hidden]: [usize; 2], init: Init) -> Self {
        let [fc1, fc2] = ["fc1", "fc2"].map(|layer| format!("{name}.{layer}"));
        Self {
            fc1: Linear::with_init(b, &fc1, [width, hidden], true, init),
            fc2: Linear::with_init(b, &fc2, [hidden, width], true, init),
            activation: Pointwise::Gelu,
        }
    }

    /// `[.., width]` to the same.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.fc2.forward(f::pointwise(self.fc1.forward(x), self.activation))
    }

    /// The perceptron whose result is this one's times `scale [width]`, for evaluation.
    #[must_use]
    pub fn scaled(self, scale: &Tensor<1>) -> Self {
        Self { fc2: self.fc2.scaled(scale), ..self }
    }
}

/// A transformer block.
#[derive(Module, Debug)]
pub struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    norm2: LayerNorm,
    mlp: Mlp,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    causal: bool,
    #[module(skip)]
    name: String,
}

impl Block {
    /// A block below `name` that attends to all tokens, with exact GELU.
    pub fn new(b: &mut Builder, name: String, names: &BlockNames, s: &BlockSizes, init: &BlockInit) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        let &BlockSizes { width, heads, mlp, eps } = s;
        Self {
            norm1: LayerNorm::new(b, &at(names.norms[0]), width, eps),
            qkv: Linear::named(b, &at(names.qkv[0]), Some(&at(names.qkv[1])), [width, 3 * width], init.qkv),
            proj: Linear::with_init(b, &at(names.proj), [width, width], true, init.proj),
            norm2: LayerNorm::new(b, &at(names.norms[1]), width, eps),
            mlp: Mlp {
                fc1: Linear::with_init(b, &at(names.mlp[0]), [width, mlp], true, init.fc1),
                fc2: Linear::with_init(b, &at(names.mlp[1]), [mlp, width], true, init.fc2),
                activation: Pointwise::Gelu,
            },
            heads,
            causal: false,
            name,
        }
    }

    /// The block in which a token sees only itself and those before it.
    #[must_use]
    pub fn causal(self, causal: bool) -> Self {
        Self { causal, ..self }
    }

    /// The block with a different activation in its perceptron.
    #[must_use]
    pub fn activated(self, activation: Pointwise) -> Self {
        Self { mlp: Mlp { activation, ..self.mlp }, ..self }
    }

    /// `[n, tokens, width]` to the same; a probe sees what the attention adds as `name.attn`, the result as `name`.
    pub fn forward(&self, x: Tensor<3>, probe: &mut Probe<'_>) -> Tensor<3> {
        let mixed = f::self_attention(self.qkv.forward(self.norm1.forward(x.clone())), self.heads, self.causal);
        let mixed = self.proj.forward(mixed);
        if probe.on() {
            probe.see(format!("{}.attn", self.name), &mixed);
        }
        let x = x + mixed;
        let x = x.clone() + self.mlp.forward(self.norm2.forward(x));
        probe.see(&self.name, &x);
        x
    }
}
