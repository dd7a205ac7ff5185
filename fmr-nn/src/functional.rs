//! The operations that models are written with, as functions on tensors.

use std::sync::{Arc, OnceLock};

use burn::tensor::Tensor;

pub use crate::attention::{attention, self_attention, spatial_self_attention};
pub use crate::depthwise::depthwise_conv2d;
use crate::device::is_host;
pub use crate::kernels::conv::Rectify;
use crate::kernels::conv::{self, ConvShape};
use crate::kernels::gemm::{Start, View, gemm, transpose};
pub use crate::kernels::norm::Activation;
use crate::kernels::norm::{self, GroupShape, Moments};
use crate::kernels::parallel::{Shared, for_each, for_parts, threads};
use crate::kernels::{bfloat16, buffers, winograd};
use crate::ops::{Host, HostOp, Saved, apply};
pub use crate::pointwise::{Pointwise, pointwise};
use crate::standard;

/// Stride and zero padding of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Step, the same in both directions.
    pub stride: usize,
    /// Zeros before the first row, before the first column, after the last row, after the last column.
    pub pad: [usize; 4],
}

impl Window {
    /// The same padding on all sides.
    pub fn same(stride: usize, pad: usize) -> Self {
        Self { stride, pad: [pad; 4] }
    }
}

/// The weights of a convolution in the orders that its kernels read, each made when it is first needed. A layer whose
/// weights never change keeps them.
#[derive(Debug, Default)]
pub struct Reordered {
    /// For the forward, by minimal filtering.
    ahead: OnceLock<Vec<f32>>,
    /// For the input gradient, by minimal filtering.
    back: OnceLock<Vec<f32>>,
    /// For the input gradient, directly.
    flipped: OnceLock<Vec<f32>>,
}

impl Reordered {
    fn forward(&self, s: &ConvShape, images: usize, x: &[f32], w: &[f32], b: Option<&[f32]>, cut: Rectify) -> Vec<f32> {
        let [h, wd] = s.output();
        let mut y = buffers::take(images * s.cout * h * wd);
        if by_minimal_filtering(s) {
            let weight = self.ahead.get_or_init(|| winograd::transform(s, w));
            winograd::forward(s, images, x, weight, b, cut, &mut y);
        } else {
            conv::forward(s, images, x, w, b, cut, &mut y);
        }
        y
    }

    fn input_gradient(&self, s: &ConvShape, images: usize, dy: &[f32], w: &[f32]) -> Vec<f32> {
        let mut dx = buffers::take(images * s.cin * s.input[0] * s.input[1]);
        if !conv::uses_flipped_weight(s) {
            conv::input_gradient(s, images, dy, w, &mut dx);
        } else if by_minimal_filtering(&s.transposed()) {
            let t = s.transposed();
            let weight = self.back.get_or_init(|| winograd::transform(&t, &conv::flip_weight(s, w)));
            winograd::forward(&t, images, dy, weight, None, Rectify::None, &mut dx);
        } else {
            let weight = self.flipped.get_or_init(|| conv::flip_weight(s, w));
            conv::input_gradient(s, images, dy, weight, &mut dx);
        }
        dx
    }
}

/// Training with rounded operands has products that are faster still.
fn by_minimal_filtering(s: &ConvShape) -> bool {
    winograd::suits(s) && !bfloat16::enabled()
}

#[derive(Debug)]
struct Conv2d {
    /// Shape of the input, so that a backward that needs no weight gradient need not keep its values.
    input: [usize; 4],
    window: Window,
    rectify: Rectify,
    bias: bool,
    reordered: Option<Arc<Reordered>>,
}

impl Conv2d {
    fn shape(&self, w: &[usize]) -> ConvShape {
        let [_, cin, height, width] = self.input;
        assert!(w.len() == 4 && cin == w[1], "convolution of {:?} with weights {w:?}", self.input);
        ConvShape {
            cin,
            cout: w[0],
            input: [height, width],
            kernel: [w[2], w[3]],
            stride: self.window.stride,
            pad: self.window.pad,
        }
    }

    fn with_reordered<R>(&self, f: impl FnOnce(&Reordered) -> R) -> R {
        match &self.reordered {
            Some(kept) => f(kept),
            None => f(&Reordered::default()),
        }
    }
}

impl HostOp for Conv2d {
    fn forward(&self, [x, w, b]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let s = self.shape(w.shape);
        let [h, wd] = s.output();
        let bias = self.bias.then_some(b.data);
        let y = self.with_reordered(|r| r.forward(&s, x.shape[0], x.data, w.data, bias, self.rectify));
        (y, vec![x.shape[0], s.cout, h, wd])
    }

    fn saves(&self, needs: [bool; 3]) -> Saved {
        Saved { inputs: [needs[1], true, false], output: self.rectify != Rectify::None && needs.contains(&true) }
    }

    fn backward(&self, [x, w, _]: [Host<'_>; 3], y: Host<'_>, dy: Host<'_>, needs: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let s = self.shape(w.shape);
        let [n, ..] = self.input;
        self.rectify.pull_back(y.data, dy.data, |dy| {
            let dx = needs[0].then(|| self.with_reordered(|r| r.input_gradient(&s, n, dy, w.data)));
            let dw = needs[1].then(|| {
                let mut dw = vec![0.0; w.data.len()];
                conv::weight_gradient(&s, n, x.data, dy, &mut dw);
                dw
            });
            let db = (self.bias && needs[2]).then(|| {
                let [h, wd] = s.output();
                let mut db = vec![0.0; s.cout];
                conv::bias_gradient(s.cout, h * wd, dy, &mut db);
                db
            });
            [dx, dw, db]
        })
    }
}

/// Cross-correlation of `x [n, c, h, w]` with `weight [o, c, kh, kw]`, plus `bias [o]`, cut off as `rectify` says.
///
/// `reordered` is the layer's own if its weights never change.
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    window: Window,
    rectify: impl Into<Rectify>,
    reordered: Option<Arc<Reordered>>,
) -> Tensor<4> {
    let rectify = rectify.into();
    if !is_host(&x.device()) {
        return standard::conv2d(x, weight, bias, window, 1, rectify);
    }
    let op = Conv2d { input: x.dims(), window, rectify, bias: bias.is_some(), reordered };
    apply(x, Some(weight), bias, Arc::new(op))
}

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
            gemm(count, o, k, View::rows(&x.data[first * k..], k), w.data, o, y, o, start);
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
            let mut transposed = vec![0.0; w.data.len()];
            transpose(w.data, o, k, o, &mut transposed);
            let mut dx = buffers::take(rows * k);
            by_rows(rows, k, &mut dx, |first, count, dx| {
                gemm(count, k, o, View::rows(&dy.data[first * o..], o), &transposed, k, dx, k, Start::Zero);
            });
            dx
        });
        let dw = needs[1].then(|| {
            let mut dw = vec![0.0; w.data.len()];
            by_rows(k, o, &mut dw, |first, count, dw| {
                let a = View { data: &x.data[first..], row: 1, col: k };
                gemm(count, o, rows, a, dy.data, o, dw, o, Start::Zero);
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

#[derive(Debug)]
struct GroupNorm {
    groups: usize,
    eps: f32,
    activation: Activation,
}

impl GroupNorm {
    fn shape(&self, x: &[usize]) -> GroupShape {
        GroupShape { channels: x[1], positions: x[2..].iter().product(), groups: self.groups, eps: self.eps }
    }
}

impl HostOp for GroupNorm {
    fn forward(&self, [x, g, b]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let mut y = buffers::take(x.data.len());
        norm::group_norm(&self.shape(x.shape), x.data, g.data, b.data, self.activation, &mut y);
        (y, x.shape.to_vec())
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [true; 3], output: false }
    }

    fn backward(&self, [x, g, b]: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, needs: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let s = self.shape(x.shape);
        let parameters = needs[1] || needs[2];
        let (dx, rest) = norm::group_norm_gradients(&s, x.data, g.data, b.data, self.activation, dy.data, parameters);
        let (dg, db) = rest.unzip();
        [Some(dx), dg, db]
    }
}

/// Group normalisation of `x [n, c, h, w]` with scale and shift `[c]`, followed by an activation.
pub fn group_norm(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    groups: usize,
    eps: f32,
    activation: Activation,
) -> Tensor<4> {
    if !is_host(&x.device()) {
        return standard::group_norm(x, [gamma, beta], groups, eps, activation);
    }
    apply(x, Some(gamma), Some(beta), Arc::new(GroupNorm { groups, eps, activation }))
}

#[derive(Debug)]
struct LayerNorm {
    eps: f32,
}

impl HostOp for LayerNorm {
    fn forward(&self, [x, g, b]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let mut y = buffers::take(x.data.len());
        for_parts(&mut y, g.data.len(), |at, y| {
            norm::layer_norm(self.eps, &x.data[at..at + y.len()], g.data, b.data, y);
        });
        (y, x.shape.to_vec())
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [true, true, false], output: false }
    }

    fn backward(&self, [x, g, _]: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let (dx, dg, db) = norm::layer_norm_gradients(self.eps, x.data, g.data, dy.data);
        [Some(dx), Some(dg), Some(db)]
    }
}

/// Normalisation over the last dimension with scale and shift of its size.
pub fn layer_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, beta: Tensor<1>, eps: f32) -> Tensor<D> {
    if !is_host(&x.device()) {
        return standard::layer_norm(x, gamma, beta, eps);
    }
    apply(x, Some(gamma), Some(beta), Arc::new(LayerNorm { eps }))
}

#[derive(Debug)]
struct BatchNorm {
    moments: Moments,
    eps: f32,
    activation: Activation,
}

impl HostOp for BatchNorm {
    fn forward(&self, [x, g, b]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let mut y = buffers::take(x.data.len());
        let positions = x.shape[2..].iter().product();
        norm::batch_norm(&self.moments, positions, self.eps, x.data, g.data, b.data, self.activation, &mut y);
        (y, x.shape.to_vec())
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [true; 3], output: false }
    }

    fn backward(&self, [x, g, b]: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let positions = x.shape[2..].iter().product();
        let (dx, dg, db) = norm::batch_norm_gradients(
            &self.moments,
            positions,
            self.eps,
            x.data,
            g.data,
            b.data,
            self.activation,
            dy.data,
        );
        [Some(dx), Some(dg), Some(db)]
    }
}

#[derive(Debug)]
struct ChannelMoments;

impl HostOp for ChannelMoments {
    fn forward(&self, [x, _, _]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let moments = norm::channel_moments(x.shape[1], x.shape[2..].iter().product(), x.data);
        ([moments.mean, moments.variance].concat(), vec![2, x.shape[1]])
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [false; 3], output: false }
    }

    fn backward(&self, _: [Host<'_>; 3], _: Host<'_>, _: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        unreachable!("moments are taken of tensors without a tape")
    }
}

/// Mean and biased variance of each channel of `x [n, c, h, w]`; not differentiable.
pub fn channel_moments(x: Tensor<4>) -> Moments {
    if !is_host(&x.device()) {
        let values = |t: Tensor<1>| t.into_data().try_into_vec::<f32>().unwrap_or_default();
        let [mean, variance] = standard::channel_moments(x.without_autodiff()).map(values);
        return Moments { mean, variance };
    }
    let none: Option<Tensor<1>> = None;
    let both: Tensor<2> = apply(x.without_autodiff(), none.clone(), none, Arc::new(ChannelMoments));
    let mut mean = both.into_data().try_into_vec::<f32>().unwrap_or_default();
    let variance = mean.split_off(mean.len() / 2);
    Moments { mean, variance }
}

/// Batch normalisation of `x [n, c, h, w]` with the batch's own moments (training only), followed by an activation.
pub fn batch_norm(
    x: Tensor<4>,
    moments: Moments,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    eps: f32,
    activation: Activation,
) -> Tensor<4> {
    if !is_host(&x.device()) {
        return standard::batch_norm(x, [gamma, beta], eps, activation);
    }
    apply(x, Some(gamma), Some(beta), Arc::new(BatchNorm { moments, eps, activation }))
}

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
        let scale = 1.0 / (k * k) as f32;
        let mut y = buffers::take(x.shape[0] * x.shape[1] * h * w);
        for (plane, source) in y.chunks_exact_mut((h * w).max(1)).zip(x.data.chunks_exact(x.shape[2] * x.shape[3])) {
            for (i, v) in plane.iter_mut().enumerate() {
                let at = i / w * k * x.shape[3] + i % w * k;
                *v = (0..k).map(|r| source[at + r * x.shape[3]..][..k].iter().sum::<f32>()).sum::<f32>() * scale;
            }
        }
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
        let mut dx = vec![0.0; n * c * height * width];
        for (target, plane) in dx.chunks_exact_mut(height * width).zip(dy.data.chunks_exact((h * w).max(1))) {
            for (i, v) in plane.iter().enumerate() {
                let at = i / w * k * width + i % w * k;
                for r in 0..k {
                    target[at + r * width..][..k].fill(v * scale);
                }
            }
        }
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
