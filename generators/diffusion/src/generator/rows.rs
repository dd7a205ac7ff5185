//! Latent rows: the block that the search moves, and blocks that travel with it because a decode is a function of its
//! row alone.
//!
//! A block that travels has no gradient, so that no step along a gradient moves it. It is stored many times as large, so
//! that random directions, which reach every value, change it by less than anybody sees.

use burn::tensor::Tensor;
use fmr_core::LatentBlock;

/// Factor of blocks that travel: a power of two, so that nothing is rounded.
const TRAVELLING: f32 = 65536.0;

/// What lies where in a row.
#[derive(Debug)]
pub(super) struct Rows {
    blocks: Vec<LatentBlock>,
}

impl Rows {
    /// Rows of these named blocks, of which the search moves the first.
    pub(super) fn new(blocks: impl IntoIterator<Item = (&'static str, [usize; 3])>) -> Self {
        let mut offset = 0;
        let block = |(name, shape): (&str, [usize; 3])| {
            let block = LatentBlock { name: name.to_owned(), shape: shape.to_vec(), offset };
            offset += shape.iter().product::<usize>();
            block
        };
        Self { blocks: blocks.into_iter().map(block).collect() }
    }

    pub(super) fn layout(&self) -> Vec<LatentBlock> {
        self.blocks.clone()
    }

    /// Puts the values of all blocks, in their order, into rows.
    pub(super) fn pack(&self, blocks: Vec<Tensor<4>>) -> Tensor<2> {
        let rows = blocks.into_iter().enumerate().map(|(i, block)| {
            let row: Tensor<2> = block.flatten(1, 3);
            if i == 0 { row } else { row * TRAVELLING }
        });
        Tensor::cat(rows.collect(), 1)
    }

    /// The values of block number `i`, if rows have so many.
    pub(super) fn get(&self, rows: &Tensor<2>, i: usize) -> Option<Tensor<4>> {
        let block = self.blocks.get(i)?;
        let [c, h, w] = <[usize; 3]>::try_from(block.shape.as_slice()).ok()?;
        let values = rows.clone().narrow(1, block.offset, c * h * w).reshape([rows.dims()[0], c, h, w]);
        Some(if i == 0 { values } else { values / TRAVELLING })
    }

    /// The gradient of whole rows, given that of the block that moves.
    pub(super) fn gradient(&self, moving: Tensor<4>) -> Tensor<2> {
        let moving: Tensor<2> = moving.flatten(1, 3);
        let ([n, width], device) = (moving.dims(), moving.device());
        let all: usize = self.blocks.iter().map(|b| b.shape.iter().product::<usize>()).sum();
        if width == all { moving } else { Tensor::cat(vec![moving, Tensor::zeros([n, all - width], &device)], 1) }
    }
}
