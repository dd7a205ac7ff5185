//! Rows of a matrix in a different order, and matrices the other way round: what turns maps of channels into tokens and
//! tokens into windows.

use std::sync::Arc;

use burn::tensor::{Int, Tensor, TensorData};

use crate::device::is_host;
use crate::kernels::buffers;
use crate::kernels::parallel::for_parts;
use crate::ops::{Host, HostOp, Saved, apply};
use crate::standard;

/// Which row of the input each row of the output is, or none: then it is zero. Each row of the input is taken at most
/// once.
#[derive(Debug, PartialEq, Eq)]
pub struct Rows {
    ahead: Vec<u32>,
    /// Where each row of the input goes.
    back: Vec<u32>,
}

/// No row.
const NONE: u32 = u32::MAX;

impl Rows {
    /// An order of the rows of an input that has `of`.
    ///
    /// # Panics
    /// If a row is taken twice, or is none of the input.
    pub fn new(of: usize, rows: impl IntoIterator<Item = Option<usize>>) -> Arc<Self> {
        let ahead: Vec<u32> = rows.into_iter().map(|row| row.map_or(NONE, |row| row as u32)).collect();
        let mut back = vec![NONE; of];
        for (to, from) in ahead.iter().enumerate().filter(|(_, from)| **from != NONE) {
            let taken = std::mem::replace(&mut back[*from as usize], to as u32);
            assert_eq!(taken, NONE, "row {from} is taken twice");
        }
        Arc::new(Self { ahead, back })
    }

    /// The order that puts each row back to where this one took it from.
    #[must_use]
    pub fn inverse(&self) -> Arc<Self> {
        Arc::new(Self { ahead: self.back.clone(), back: self.ahead.clone() })
    }

    /// Number of rows of the output.
    pub fn len(&self) -> usize {
        self.ahead.len()
    }

    /// Whether the output has no rows.
    pub fn is_empty(&self) -> bool {
        self.ahead.is_empty()
    }
}

/// Rows of `x [n, of, width]` in the order of `ahead`.
fn take(ahead: &[u32], of: usize, width: usize, x: &[f32]) -> Vec<f32> {
    let samples = x.len() / (of * width).max(1);
    let mut y = buffers::take(samples * ahead.len() * width);
    for_parts(&mut y, width, |at, y| {
        for (i, to) in y.chunks_exact_mut(width.max(1)).enumerate() {
            let row = at / width + i;
            match ahead[row % ahead.len()] {
                NONE => to.fill(0.0),
                from => to.copy_from_slice(&x[(row / ahead.len() * of + from as usize) * width..][..width]),
            }
        }
    });
    y
}

#[derive(Debug)]
struct TakeRows(Arc<Rows>);

impl HostOp for TakeRows {
    fn forward(&self, [x, ..]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let [n, of, width] = [x.shape[0], x.shape[1], x.shape[2]];
        (take(&self.0.ahead, of, width, x.data), vec![n, self.0.len(), width])
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [false; 3], output: false }
    }

    fn backward(&self, _: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        [Some(take(&self.0.back, dy.shape[1], dy.shape[2], dy.data)), None, None]
    }
}

/// The rows of `x [n, rows, width]` in a different order.
pub fn take_rows(x: Tensor<3>, rows: &Arc<Rows>) -> Tensor<3> {
    assert_eq!(x.dims()[1], rows.back.len(), "an order of the rows of another matrix");
    if !is_host(&x.device()) {
        let last = x.dims()[1] as i64;
        let index: Vec<i64> = rows.ahead.iter().map(|row| if *row == NONE { last } else { i64::from(*row) }).collect();
        let index = Tensor::<1, Int>::from_data(TensorData::from(index.as_slice()), &x.device().inner());
        return standard::take_rows(x, index);
    }
    apply::<3, 1, 1, 3>(x, None, None, Arc::new(TakeRows(rows.clone())))
}

/// Rows and columns that are exchanged together: both sides of such a block stay in the first cache.
const BLOCK: usize = 16;

/// Matrices `[n, rows, columns]` the other way round.
pub(crate) fn swap(rows: usize, columns: usize, x: &[f32]) -> Vec<f32> {
    let mut y = buffers::take(x.len());
    for_parts(&mut y, rows, |at, y| {
        // Rows of the output are columns of the input.
        let first = at / rows.max(1);
        let mut done = 0;
        while done < y.len() / rows.max(1) {
            let (sample, column) = ((first + done) / columns, (first + done) % columns);
            let count = BLOCK.min(columns - column).min(y.len() / rows - done);
            let source = &x[sample * rows * columns..][..rows * columns];
            for start in (0..rows).step_by(BLOCK) {
                let end = rows.min(start + BLOCK);
                for c in 0..count {
                    let to = &mut y[(done + c) * rows + start..(done + c) * rows + end];
                    let from = source[start * columns + column + c..].iter().step_by(columns);
                    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                }
            }
            done += count;
        }
    });
    y
}

#[derive(Debug)]
struct Swapped;

impl HostOp for Swapped {
    fn forward(&self, [x, ..]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        (swap(x.shape[1], x.shape[2], x.data), vec![x.shape[0], x.shape[2], x.shape[1]])
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [false; 3], output: false }
    }

    fn backward(&self, _: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        [Some(swap(dy.shape[1], dy.shape[2], dy.data)), None, None]
    }
}

/// Each matrix of `x [n, rows, columns]` the other way round: `[n, columns, rows]`.
pub fn swapped(x: Tensor<3>) -> Tensor<3> {
    if !is_host(&x.device()) {
        return x.swap_dims(1, 2);
    }
    apply::<3, 1, 1, 3>(x, None, None, Arc::new(Swapped))
}
