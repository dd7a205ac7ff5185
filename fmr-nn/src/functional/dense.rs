//! The product with a matrix.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::device::is_host;
use crate::kernels::buffers;
use crate::kernels::gemm::{Start, View, gemm};
use crate::kernels::parallel::{Shared, for_each, threads};
use crate::ops::{Host, HostOp, Saved, apply};
use crate::standard;

#[derive(Debug)]
struct Linear {
    bias: bool,
}

impl HostOp for Linear {
    fn forward(&self, [x, w, b]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let (k, o) = (w.shape[0], w.shape[1]);
        let rows = x.data.len() / k;
        let mut y = buffers::take(rows * o);
        if self.bias {
            y.chunks_exact_mut(o).for_each(|row| row.copy_from_slice(b.data));
        }
        let start = if self.bias { Start::Accumulate } else { Start::Zero };
        by_rows(rows, o, &mut y, |first, count, y| {
            gemm(count, o, k, View::rows(&x.data[first * k..], k), View::rows(w.data, o), y, o, start);
        });
        let mut shape = x.shape.to_vec();
        if let Some(last) = shape.last_mut() {
            *last = o;
        }
        (y, shape)
    }

    fn saves(&self, needs: [bool; 3]) -> Saved {
        Saved { inputs: [needs[1], true, false], output: false }
    }

    fn backward(&self, [x, w, _]: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, needs: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let (k, o) = (w.shape[0], w.shape[1]);
        let rows = dy.data.len() / o;
        let dx = needs[0].then(|| {
            let mut dx = buffers::take(rows * k);
            by_rows(rows, k, &mut dx, |first, count, dx| {
                let dy = View::rows(&dy.data[first * o..], o);
                gemm(count, k, o, dy, View::transposed(w.data, o), dx, k, Start::Zero);
            });
            dx
        });
        let dw = needs[1].then(|| {
            let mut dw = vec![0.0; w.data.len()];
            by_rows(k, o, &mut dw, |first, count, dw| {
                let a = View { data: &x.data[first..], row: 1, col: k };
                gemm(count, o, rows, a, View::rows(dy.data, o), dw, o, Start::Zero);
            });
            dw
        });
        let db = (self.bias && needs[2]).then(|| {
            let mut db = vec![0.0; o];
            for row in dy.data.chunks_exact(o) {
                db.iter_mut().zip(row).for_each(|(d, v)| *d += v);
            }
            db
        });
        [dx, dw, db]
    }
}

/// Shares the rows of a matrix among the threads.
fn by_rows(rows: usize, width: usize, out: &mut [f32], f: impl Fn(usize, usize, &mut [f32]) + Sync + Send) {
    let share = rows.div_ceil(threads()).max(8);
    let shared = Shared::new(out);
    for_each(rows.div_ceil(share), |i| {
        let first = i * share;
        let count = share.min(rows - first);
        // SAFETY: each task has its own rows.
        f(first, count, unsafe { shared.slice(first * width, count * width) });
    });
}

/// `x [.., k] · weight [k, o] + bias [o]`.
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    if !is_host(&x.device()) {
        return standard::linear(x, weight, bias);
    }
    let op = Linear { bias: bias.is_some() };
    apply(x, Some(weight), bias, Arc::new(op))
}
