//! The two ways in which tokens of a map attend to each other.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional::{self as f, Window};
use fmr_nn::layers::{Conv2d, LayerNorm, Linear};
use fmr_nn::weights::Builder;

use super::table::TwinsStage;
use super::{INIT, OUTER_EPS};
use crate::blocks::{Windows, to_map, to_tokens};

/// Attention over the tokens of a map.
#[derive(Module, Debug)]
pub(super) struct Mixing {
    reach: Reach,
    proj: Linear,
    #[module(skip)]
    heads: usize,
}

/// Where keys and values come from.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a few dozen of them")]
enum Reach {
    /// The tokens of the same window.
    Local(Local),
    /// The whole map at a lower resolution.
    Global(Global),
}

#[derive(Module, Debug)]
struct Local {
    qkv: Linear,
    #[module(skip)]
    window: usize,
}

#[derive(Module, Debug)]
struct Global {
    q: Linear,
    kv: Linear,
    /// What makes the map smaller, unless it stays as it is.
    reduction: Option<Reduction>,
}

#[derive(Module, Debug)]
struct Reduction {
    sr: Conv2d,
    norm: LayerNorm,
}

impl Mixing {
    /// Attention inside windows of that side. Windows that reach beyond the map see zeros there.
    pub(super) fn local(b: &mut Builder, name: &str, stage: &TwinsStage, window: usize) -> Self {
        let qkv = Linear::with_init(b, &format!("{name}.qkv"), [stage.width, 3 * stage.width], true, INIT);
        Self::of(b, name, stage, Reach::Local(Local { qkv, window }))
    }

    /// Attention to the whole map, made smaller as the stage says.
    pub(super) fn global(b: &mut Builder, name: &str, stage: &TwinsStage) -> Self {
        let (width, side) = (stage.width, stage.reduction);
        let at = |part: &str| format!("{name}.{part}");
        let q = Linear::with_init(b, &at("q"), [width, width], true, INIT);
        let kv = Linear::with_init(b, &at("kv"), [width, 2 * width], true, INIT);
        let reduction = (side > 1).then(|| Reduction {
            sr: Conv2d::with_init(b, &at("sr"), [width, width], side, Window::same(side, 0), true, INIT),
            norm: LayerNorm::new(b, &at("norm"), width, OUTER_EPS),
        });
        Self::of(b, name, stage, Reach::Global(Global { q, kv, reduction }))
    }

    fn of(b: &mut Builder, name: &str, stage: &TwinsStage, reach: Reach) -> Self {
        let proj = Linear::with_init(b, &format!("{name}.proj"), [stage.width, stage.width], true, INIT);
        Self { reach, proj, heads: stage.heads }
    }

    /// `[n, h·w, c]` to the same.
    pub(super) fn forward(&self, x: Tensor<3>, size: [usize; 2]) -> Tensor<3> {
        let mixed = match &self.reach {
            Reach::Local(Local { qkv, window }) => {
                let windows = Windows::new(size, [*window; 2], 0);
                windows.together(f::self_attention(qkv.forward(windows.apart(x)), self.heads, false))
            }
            Reach::Global(Global { q, kv, reduction }) => {
                let seen = match reduction {
                    Some(Reduction { sr, norm }) => norm.forward(to_tokens(sr.forward(to_map(x.clone(), size)))),
                    None => x.clone(),
                };
                let (queries, pairs) = (q.forward(x), kv.forward(seen));
                let width = pairs.dims()[2] / 2;
                let [keys, values] = [0, width].map(|start| pairs.clone().narrow(2, start, width));
                f::attention(queries, keys, values, self.heads, false)
            }
        };
        self.proj.forward(mixed)
    }
}
