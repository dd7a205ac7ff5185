//! Latent rows: the block that the search moves, and blocks that travel with it because a decode is a function of its
//! row alone.
//!
//! A block that travels has no gradient, so that no step along a gradient moves it. It is stored [`HELD`] times as large.

use burn::tensor::Tensor;
use fmr_core::LatentBlock;
use fmr_nn::generator::HELD;

/// What lies where in a row.
#[derive(Debug)]
pub(super) struct Rows {
    blocks: Vec<LatentBlock>,
}

impl Rows {
    /// Rows of these named blocks, of which the search moves the first.
    pub(super) fn new(blocks: impl IntoIterator<Item = (&'static str, [usize; 3])>) -> Self {
        let named = blocks.into_iter().map(|(name, shape)| (name.to_owned(), shape.to_vec()));
        Self { blocks: LatentBlock::in_order(named) }
    }

    pub(super) fn layout(&self) -> Vec<LatentBlock> {
        self.blocks.clone()
    }

    /// Puts the values of all blocks, in their order, into rows.
    pub(super) fn pack(&self, blocks: Vec<Tensor<4>>) -> Tensor<2> {
        let rows = blocks.into_iter().enumerate().map(|(i, block)| {
            let row: Tensor<2> = block.flatten(1, 3);
            if i == 0 { row } else { row * HELD }
        });
        Tensor::cat(rows.collect(), 1)
    }

    /// The values of block number `i`, if rows have so many.
    pub(super) fn get(&self, rows: &Tensor<2>, i: usize) -> Option<Tensor<4>> {
        let block = self.blocks.get(i)?;
        let [c, h, w] = <[usize; 3]>::try_from(block.shape.as_slice()).ok()?;
        let values = rows.clone().narrow(1, block.offset, c * h * w).reshape([rows.dims()[0], c, h, w]);
        Some(if i == 0 { values } else { values / HELD })
    }

    /// The gradient of whole rows, given that of the block that moves.
    pub(super) fn gradient(&self, moving: Tensor<4>) -> Tensor<2> {
        let moving: Tensor<2> = moving.flatten(1, 3);
        let ([n, width], device) = (moving.dims(), moving.device());
        let all: usize = self.blocks.iter().map(|block| block.place().len()).sum();
        if width == all { moving } else { Tensor::cat(vec![moving, Tensor::zeros([n, all - width], &device)], 1) }
    }
}
