//! The largest of neighbouring values.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Tensor;

use crate::device::is_host;
use crate::kernels::buffers;
use crate::kernels::parallel::for_parts;
use crate::ops::{Host, HostOp, Saved, apply};
use crate::standard;

/// Windows of `size × size` values, `stride` apart, that reach `pad` positions over the border.
#[derive(Debug, Clone, Copy)]
struct MaxPool {
    size: usize,
    stride: usize,
    pad: usize,
}

/// Outputs whose window holds a value at one offset: the outputs, and the position that the first of them reads.
struct Reach {
    outputs: Range<usize>,
    first: usize,
}

impl MaxPool {
    /// Outputs along a side.
    fn outputs(&self, side: usize) -> usize {
        (side + 2 * self.pad).checked_sub(self.size).map_or(0, |room| room / self.stride + 1)
    }

    /// Outputs along a side of `side` values that read something at `offset` of their window.
    fn reach(&self, offset: usize, side: usize) -> Reach {
        let start = self.pad.saturating_sub(offset).div_ceil(self.stride);
        let end = (side + self.pad).saturating_sub(offset).div_ceil(self.stride).min(self.outputs(side));
        let start = start.min(end);
        Reach { outputs: start..end, first: (start * self.stride + offset).saturating_sub(self.pad) }
    }

    /// Calls `f` with each row of outputs, and the row of values that it reads at an offset, in the order of the offsets.
    fn each(&self, [h, w]: [usize; 2], mut f: impl FnMut(Range<usize>, usize)) {
        let across = self.outputs(w);
        for row in 0..self.size {
            let down = self.reach(row, h);
            for column in 0..self.size {
                let Reach { outputs, first } = self.reach(column, w);
                for (i, y) in down.outputs.clone().enumerate() {
                    let at = (down.first + i * self.stride) * w + first;
                    f(y * across + outputs.start..y * across + outputs.end, at);
                }
            }
        }
    }
}

/// Makes each output at least as large as the value that it reads. NaN goes through, as in every other operation.
fn raise(outputs: &mut [f32], values: &[f32], stride: usize) {
    let larger = |y: &mut f32, v: f32| *y = if v > *y || v.is_nan() { v } else { *y };
    if stride == 1 {
        outputs.iter_mut().zip(values).for_each(|(y, v)| larger(y, *v));
    } else {
        outputs.iter_mut().zip(values.chunks(stride)).for_each(|(y, v)| larger(y, v[0]));
    }
}

/// Gives what is `left` of the gradient of each output to the value that it reads, if that is the one that came through.
fn hand_out(left: &mut [f32], outputs: &[f32], dx: &mut [f32], values: &[f32], stride: usize) {
    let give = |left: &mut f32, y: f32, dx: &mut f32, v: f32| {
        let hit = v == y || (v.is_nan() && y.is_nan());
        *dx += if hit { *left } else { 0.0 };
        *left = if hit { 0.0 } else { *left };
    };
    let windows = left.iter_mut().zip(outputs);
    if stride == 1 {
        windows.zip(dx.iter_mut().zip(values)).for_each(|((left, y), (dx, v))| give(left, *y, dx, *v));
    } else {
        let places = dx.chunks_mut(stride).zip(values.chunks(stride));
        windows.zip(places).for_each(|((left, y), (dx, v))| give(left, *y, &mut dx[0], v[0]));
    }
}

impl HostOp for MaxPool {
    fn forward(&self, [x, ..]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let (h, w) = (x.shape[2], x.shape[3]);
        let (down, across) = (self.outputs(h), self.outputs(w));
        let (from, to) = (h * w, (down * across).max(1));
        let mut y = buffers::take(x.shape[0] * x.shape[1] * down * across);
        for_parts(&mut y, to, |at, y| {
            for (plane, source) in y.chunks_exact_mut(to).zip(x.data[at / to * from..].chunks_exact(from.max(1))) {
                plane.fill(f32::NEG_INFINITY);
                self.each([h, w], |outputs, at| raise(&mut plane[outputs], &source[at.min(from)..], self.stride));
            }
        });
        (y, vec![x.shape[0], x.shape[1], down, across])
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [true, false, false], output: true }
    }

    fn backward(&self, [x, ..]: [Host<'_>; 3], y: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let (h, w) = (x.shape[2], x.shape[3]);
        let (from, to) = ((h * w).max(1), y.shape[2] * y.shape[3]);
        let mut dx = buffers::take(x.data.len());
        for_parts(&mut dx, from, |at, dx| {
            let planes = dx.chunks_exact_mut(from).zip(x.data[at..].chunks_exact(from));
            let mut left = buffers::take(to);
            for (i, (dx, x)) in planes.enumerate() {
                let start = (at / from + i) * to;
                let y = &y.data[start..][..to];
                // The first of equal values in a window gets its gradient, which then is spent.
                left.copy_from_slice(&dy.data[start..][..to]);
                dx.fill(0.0);
                self.each([h, w], |outputs, at| {
                    let at = at.min(from);
                    hand_out(&mut left[outputs.clone()], &y[outputs], &mut dx[at..], &x[at..], self.stride);
                });
            }
            buffers::give(left);
        });
        [Some(dx), None, None]
    }
}

/// The largest of each `size × size` values of `x [n, c, h, w]`, `stride` apart, with `pad` positions of −∞ around the maps;
/// the first of equal values gets the gradient.
pub fn max_pool(x: Tensor<4>, size: usize, stride: usize, pad: usize) -> Tensor<4> {
    if !is_host(&x.device()) {
        return standard::max_pool(x, size, stride, pad);
    }
    apply::<4, 1, 1, 4>(x, None, None, Arc::new(MaxPool { size, stride, pad }))
}
