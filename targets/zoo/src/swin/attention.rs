//! Attention of the positions of a window over each other, with a bias for each distance between them.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, TensorData};
use fmr_nn::functional as f;
use fmr_nn::layers::Linear;
use fmr_nn::weights::Builder;

use super::INIT;
use crate::blocks::Windows;

/// Attention inside windows. Its width is heads times values of a head, which may differ from that of the tokens.
#[derive(Module, Debug)]
pub(super) struct WindowAttention {
    qkv: Linear,
    proj: Linear,
    /// One row for each distance of two positions, one column for each head.
    relative_position_bias_table: Param<Tensor<2>>,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    window: [usize; 2],
}

impl WindowAttention {
    /// Attention by `heads` of `head` values each.
    pub(super) fn new(
        b: &mut Builder,
        name: &str,
        width: usize,
        [heads, head]: [usize; 2],
        window: [usize; 2],
    ) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        let distances = window.iter().map(|side| (2 * side).saturating_sub(1)).product();
        let inner = heads * head;
        Self {
            relative_position_bias_table: b.param(&at("relative_position_bias_table"), [distances, heads], INIT),
            qkv: Linear::with_init(b, &at("qkv"), [width, 3 * inner], true, INIT),
            proj: Linear::with_init(b, &at("proj"), [inner, width], true, INIT),
            heads,
            window,
        }
    }

    /// Height and width of a window.
    pub(super) fn window(&self) -> [usize; 2] {
        self.window
    }

    /// Windows `[n · windows, positions, width]` to the same.
    pub(super) fn forward(&self, x: Tensor<3>, windows: &Windows) -> Tensor<3> {
        let mixed = f::biased_self_attention(self.qkv.forward(x), self.bias(), self.heads, windows.regions());
        self.proj.forward(mixed)
    }

    /// The bias of each pair of positions, `[heads, positions, positions]`.
    fn bias(&self) -> Tensor<3> {
        let [h, w] = self.window;
        let table = self.relative_position_bias_table.val();
        let positions = || (0..h).flat_map(|row| (0..w).map(move |column| (row, column)));
        let pair = |(row, column): (usize, usize), (other_row, other_column): (usize, usize)| {
            ((row + h - 1 - other_row) * (2 * w - 1) + (column + w - 1 - other_column)) as i64
        };
        let index: Vec<i64> = positions().flat_map(|from| positions().map(move |to| pair(from, to))).collect();
        let index = Tensor::<1, Int>::from_data(TensorData::from(index.as_slice()), &table.device().inner());
        let by_head: Tensor<2> = table.select(0, index).swap_dims(0, 1);
        by_head.reshape([self.heads, h * w, h * w])
    }
}
