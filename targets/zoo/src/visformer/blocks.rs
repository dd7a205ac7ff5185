//! The blocks of a Visformer.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional::{self as f, PackedOrder, Pointwise, Rectify, Window};
use fmr_nn::layers::{BatchNorm, Conv2d};
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;

use super::INIT;
use super::table::VisformerConfig;
use crate::blocks::GroupedConv2d;

/// A 1×1 convolution without bias.
fn matrix(b: &mut Builder, name: &str, channels: [usize; 2]) -> Conv2d {
    Conv2d::with_init(b, name, channels, 1, Window::same(1, 0), false, INIT)
}

/// Attention of the positions of a map over each other.
#[derive(Module, Debug)]
struct Attention {
    norm1: BatchNorm,
    qkv: Conv2d,
    proj: Conv2d,
    #[module(skip)]
    heads: usize,
}

/// A perceptron for each position; that of the first stage looks at the neighbours too.
#[derive(Module, Debug)]
struct SpatialMlp {
    conv1: Conv2d,
    conv2: Option<GroupedConv2d>,
    conv3: Conv2d,
}

/// Attention, except in the first stage, and a perceptron.
#[derive(Module, Debug)]
pub(super) struct Block {
    attention: Option<Attention>,
    norm2: BatchNorm,
    mlp: SpatialMlp,
    #[module(skip)]
    name: String,
}

impl Block {
    pub(super) fn new(b: &mut Builder, name: String, c: &VisformerConfig, stage: usize) -> Self {
        let width = c.width(stage);
        let at = |part: &str| format!("{name}.{part}");
        let spatial = stage == 1;
        let hidden = if spatial { 2 * width } else { (width as f64 * c.mlp_ratio) as usize };
        // The values of a head are rounded down, so that attention may be narrower than the map.
        let inner = width / c.heads.max(1) * c.heads;
        Self {
            attention: (!spatial).then(|| Attention {
                norm1: BatchNorm::new(b, &at("norm1"), width, c.eps),
                qkv: matrix(b, &at("attn.qkv"), [width, 3 * inner]),
                proj: matrix(b, &at("attn.proj"), [inner, width]),
                heads: c.heads,
            }),
            norm2: BatchNorm::new(b, &at("norm2"), width, c.eps),
            mlp: SpatialMlp {
                conv1: matrix(b, &at("mlp.conv1"), [width, hidden]),
                conv2: spatial.then(|| GroupedConv2d::new(b, &at("mlp.conv2"), hidden, c.groups)),
                conv3: matrix(b, &at("mlp.conv3"), [hidden, width]),
            },
            name,
        }
    }

    pub(super) fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let x = match &self.attention {
            Some(Attention { norm1, qkv, proj, heads }) => {
                let qkv = qkv.forward(norm1.probed(x.clone(), Rectify::None, probe));
                let mixed = proj.forward(f::packed_spatial_attention(qkv, *heads, PackedOrder::KindsFirst));
                if probe.on() {
                    probe.see(format!("{}.attn", self.name), &mixed);
                }
                x + mixed
            }
            None => x,
        };
        let SpatialMlp { conv1, conv2, conv3 } = &self.mlp;
        let y = f::pointwise(conv1.forward(self.norm2.probed(x.clone(), Rectify::None, probe)), Pointwise::Gelu);
        let y = match conv2 {
            Some(conv2) => f::pointwise(conv2.forward(y), Pointwise::Gelu),
            None => y,
        };
        let x = x + conv3.forward(y);
        probe.see(&self.name, &x);
        x
    }

    pub(super) fn folded(self) -> Self {
        let attention = self.attention.map(|attention| Attention { norm1: attention.norm1.folded(), ..attention });
        Self { attention, norm2: self.norm2.folded(), ..self }
    }
}
