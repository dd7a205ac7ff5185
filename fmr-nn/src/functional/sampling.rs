//! Operations without weights: larger and smaller images, and values whose gradient goes elsewhere.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::device::is_host;
use crate::kernels::buffers;
use crate::kernels::parallel::for_parts;
use crate::ops::{Host, HostOp, Saved, apply};
use crate::standard;

#[derive(Debug)]
struct Upsample2;

impl HostOp for Upsample2 {
    fn forward(&self, [x, ..]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let (h, w) = (x.shape[2], x.shape[3]);
        let mut y = buffers::take(x.data.len() * 4);
        for_parts(&mut y, 4 * h * w, |at, y| {
            for (i, row) in x.data[at / 4..(at + y.len()) / 4].chunks_exact(w).enumerate() {
                let (first, second) = y[i * 4 * w..(i + 1) * 4 * w].split_at_mut(2 * w);
                for (pair, v) in first.chunks_exact_mut(2).zip(row) {
                    pair.fill(*v);
                }
                second.copy_from_slice(first);
            }
        });
        (y, vec![x.shape[0], x.shape[1], 2 * h, 2 * w])
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [false; 3], output: false }
    }

    fn backward(&self, _: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let w = dy.shape[3] / 2;
        let mut dx = buffers::take(dy.data.len() / 4);
        for_parts(&mut dx, w, |at, dx| {
            for (i, row) in dx.chunks_exact_mut(w).enumerate() {
                let rows = &dy.data[4 * at + i * 4 * w..][..4 * w];
                let (first, second) = rows.split_at(2 * w);
                for ((d, a), b) in row.iter_mut().zip(first.chunks_exact(2)).zip(second.chunks_exact(2)) {
                    *d = (a[0] + a[1]) + (b[0] + b[1]);
                }
            }
        });
        [Some(dx), None, None]
    }
}

/// Each pixel becomes a 2×2 block.
pub fn upsample2(x: Tensor<4>) -> Tensor<4> {
    if !is_host(&x.device()) {
        return standard::upsample2(x);
    }
    apply::<4, 1, 1, 4>(x, None, None, Arc::new(Upsample2))
}

/// Each pixel becomes a block of `factor × factor`.
pub fn upsample(x: Tensor<4>, factor: usize) -> Tensor<4> {
    match factor {
        1 => x,
        2 => upsample2(x),
        _ => {
            let [n, c, h, w] = x.dims();
            let blocks = x.reshape([n, c, h, 1, w, 1]).expand([n, c, h, factor, w, factor]);
            blocks.reshape([n, c, h * factor, w * factor])
        }
    }
}

#[derive(Debug)]
struct AveragePool {
    /// Shape of the input, so that the backward need not keep its values.
    input: [usize; 4],
    size: usize,
}

impl HostOp for AveragePool {
    fn forward(&self, [x, ..]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let k = self.size;
        let (h, w) = (x.shape[2] / k, x.shape[3] / k);
        let (plane, from) = ((h * w).max(1), x.shape[2] * x.shape[3]);
        let scale = 1.0 / (k * k) as f32;
        let mut y = buffers::take(x.shape[0] * x.shape[1] * h * w);
        for_parts(&mut y, plane, |at, y| {
            for (plane, source) in y.chunks_exact_mut(plane).zip(x.data[at / plane * from..].chunks_exact(from)) {
                for (i, v) in plane.iter_mut().enumerate() {
                    let at = i / w * k * x.shape[3] + i % w * k;
                    *v = (0..k).map(|r| source[at + r * x.shape[3]..][..k].iter().sum::<f32>()).sum::<f32>() * scale;
                }
            }
        });
        (y, vec![x.shape[0], x.shape[1], h, w])
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [false; 3], output: false }
    }

    fn backward(&self, _: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let k = self.size;
        let (h, w) = (dy.shape[2], dy.shape[3]);
        let scale = 1.0 / (k * k) as f32;
        let [n, c, height, width] = self.input;
        let (plane, from) = ((height * width).max(1), h * w);
        let mut dx = buffers::take(n * c * height * width);
        for_parts(&mut dx, plane, |at, dx| {
            dx.fill(0.0);
            for (target, source) in
                dx.chunks_exact_mut(plane).zip(dy.data[at / plane * from..].chunks_exact(from.max(1)))
            {
                for (i, v) in source.iter().enumerate() {
                    let at = i / w * k * width + i % w * k;
                    for r in 0..k {
                        target[at + r * width..][..k].fill(v * scale);
                    }
                }
            }
        });
        [Some(dx), None, None]
    }
}

/// Mean of `size × size` blocks of `x [n, c, h, w]`; a remainder at the bottom and right is dropped.
pub fn average_pool(x: Tensor<4>, size: usize) -> Tensor<4> {
    if size == 1 {
        return x;
    }
    if !is_host(&x.device()) {
        return standard::average_pool(x, size);
    }
    let op = AveragePool { input: x.dims(), size };
    apply::<4, 1, 1, 4>(x, None, None, Arc::new(op))
}

#[derive(Debug)]
struct JoinChannels {
    /// Values of a sample in either.
    sizes: [usize; 2],
}

impl HostOp for JoinChannels {
    fn forward(&self, [a, b, _]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let [first, second] = self.sizes;
        let mut y = buffers::take(a.data.len() + b.data.len());
        for_parts(&mut y, first + second, |at, y| {
            let sample = at / (first + second);
            for (i, y) in y.chunks_exact_mut(first + second).enumerate() {
                let (to_a, to_b) = y.split_at_mut(first);
                to_a.copy_from_slice(&a.data[(sample + i) * first..][..first]);
                to_b.copy_from_slice(&b.data[(sample + i) * second..][..second]);
            }
        });
        (y, vec![a.shape[0], a.shape[1] + b.shape[1], a.shape[2], a.shape[3]])
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [false; 3], output: false }
    }

    fn backward(&self, _: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, needs: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let [first, second] = self.sizes;
        let part = |size: usize, skip: usize| {
            let mut gradient = buffers::take(dy.data.len() / (first + second) * size);
            for (g, dy) in gradient.chunks_exact_mut(size).zip(dy.data.chunks_exact(first + second)) {
                g.copy_from_slice(&dy[skip..][..size]);
            }
            gradient
        };
        [needs[0].then(|| part(first, 0)), needs[1].then(|| part(second, first)), None]
    }
}

/// The channels of `a [n, c, h, w]`, then those of `b [n, d, h, w]`.
pub fn join_channels(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    if !is_host(&a.device()) {
        return standard::join_channels(a, b);
    }
    let sizes = [&a, &b].map(|t| t.dims()[1..].iter().product());
    apply::<4, 4, 1, 4>(a, Some(b), None, Arc::new(JoinChannels { sizes }))
}

#[derive(Debug)]
struct StraightThrough;

impl HostOp for StraightThrough {
    fn forward(&self, [_, value, _]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        (value.data.to_vec(), value.shape.to_vec())
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [false; 3], output: false }
    }

    fn backward(&self, _: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        [Some(dy.data.to_vec()), None, None]
    }
}

/// Exactly `value`, whose gradient goes to `x` unchanged.
pub fn straight_through<const D: usize>(x: Tensor<D>, value: Tensor<D>) -> Tensor<D> {
    if !is_host(&x.device()) {
        return standard::straight_through(x, value);
    }
    apply::<D, D, 1, D>(x, Some(value), None, Arc::new(StraightThrough))
}
