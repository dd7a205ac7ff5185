//! Group, layer and batch normalisation with their gradients, with the activation that follows them fused in.

use super::parallel::{Shared, for_each, with_scratch};
use super::simd::{sigmoid, vectorized};

/// What follows a normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// max(0, x).
    Relu,
    /// x · sigmoid(x).
    Silu,
}

const LANES: usize = 32;

/// Σ f(i) for i in 0..len in a fixed order of partial sums that vectorises.
#[inline(always)]
pub(crate) fn sum_by(len: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let whole = len / LANES * LANES;
    let mut i = 0;
    while i < whole {
        for (l, lane) in lanes.iter_mut().enumerate() {
            *lane += f(i + l);
        }
        i += LANES;
    }
    let mut rest = 0.0;
    while i < len {
        rest += f(i);
        i += 1;
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for l in 0..width {
            lanes[l] += lanes[l + width];
        }
    }
    lanes[0] + rest
}

/// Largest value of a slice; order-free, so it may be taken in any lanes.
#[inline(always)]
pub(crate) fn max_of(x: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let mut chunks = x.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane = if *v > *lane { *v } else { *lane };
        }
    }
    chunks.remainder().iter().chain(&lanes).fold(f32::NEG_INFINITY, |m, v| m.max(*v))
}

/// Mean and 1/√(variance + eps), biased variance, of a slice.
#[inline(always)]
fn moments(x: &[f32], eps: f32) -> (f32, f32) {
    let n = x.len() as f32;
    let mean = sum_by(x.len(), |i| x[i]) / n;
    let variance = sum_by(x.len(), |i| (x[i] - mean) * (x[i] - mean)) / n;
    (mean, 1.0 / (variance + eps).sqrt())
}

#[inline(always)]
fn activate(kind: Activation, v: f32) -> f32 {
    match kind {
        Activation::Identity => v,
        Activation::Relu => v.max(0.0),
        Activation::Silu => v * sigmoid(v),
    }
}

#[inline(always)]
fn derivative(kind: Activation, v: f32) -> f32 {
    match kind {
        Activation::Identity => 1.0,
        Activation::Relu => f32::from(u8::from(v > 0.0)),
        Activation::Silu => {
            let s = sigmoid(v);
            s * (1.0 + v * (1.0 - s))
        }
    }
}

/// Sizes of a group normalisation over `[n, channels, positions]`.
#[derive(Debug, Clone, Copy)]
pub struct GroupShape {
    /// Channels.
    pub channels: usize,
    /// Height × width.
    pub positions: usize,
    /// Groups; divides `channels`.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f32,
}

/// `y = activation(normalised(x) · gamma + beta)`, statistics per sample and group.
pub fn group_norm(s: &GroupShape, x: &[f32], gamma: &[f32], beta: &[f32], activation: Activation, y: &mut [f32]) {
    let per = s.channels / s.groups;
    let len = per * s.positions;
    let shared = Shared::new(y);
    for_each(x.len() / len, |task| {
        // SAFETY: each task has its own group.
        let out = unsafe { shared.slice(task * len, len) };
        let x = &x[task * len..][..len];
        let first = task % s.groups * per;
        vectorized(|| {
            let (mean, rstd) = moments(x, s.eps);
            for (c, (out, x)) in out.chunks_exact_mut(s.positions).zip(x.chunks_exact(s.positions)).enumerate() {
                let scale = gamma[first + c] * rstd;
                let shift = beta[first + c] - mean * scale;
                for (o, v) in out.iter_mut().zip(x) {
                    *o = activate(activation, v * scale + shift);
                }
            }
        });
    });
}

/// Gradients of [`group_norm`]: of the input, and of gamma and beta (summed over samples and positions) where `parameters`.
pub fn group_norm_gradients(
    s: &GroupShape,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    activation: Activation,
    dy: &[f32],
    parameters: bool,
) -> (Vec<f32>, Option<(Vec<f32>, Vec<f32>)>) {
    let per = s.channels / s.groups;
    let len = per * s.positions;
    let mut dx = vec![0.0; x.len()];
    // One row a sample, summed afterwards in the order of the samples.
    let rows = if parameters { x.len() / s.positions } else { 0 };
    let (mut dgamma, mut dbeta) = (vec![0.0; rows], vec![0.0; rows]);
    let (out_x, out_gamma, out_beta) = (Shared::new(&mut dx), Shared::new(&mut dgamma), Shared::new(&mut dbeta));
    for_each(x.len() / len, |task| {
        // SAFETY: each task has its own group.
        let out = unsafe { out_x.slice(task * len, len) };
        let (x, dy) = (&x[task * len..][..len], &dy[task * len..][..len]);
        let first = task % s.groups * per;
        vectorized(|| {
            let (mean, rstd) = moments(x, s.eps);
            let (mut a, mut b) = (0.0, 0.0);
            for c in 0..per {
                let range = c * s.positions..(c + 1) * s.positions;
                let (g, scale) = (gamma[first + c], gamma[first + c] * rstd);
                let shift = beta[first + c] - mean * scale;
                let (out, x, dy) = (&mut out[range.clone()], &x[range.clone()], &dy[range]);
                for ((o, v), d) in out.iter_mut().zip(x).zip(dy) {
                    *o = d * derivative(activation, v * scale + shift);
                }
                let out = &*out;
                let sum = sum_by(s.positions, |i| out[i]);
                let dot = sum_by(s.positions, |i| out[i] * (x[i] - mean)) * rstd;
                a += sum * g;
                b += dot * g;
                if parameters {
                    // SAFETY: each task writes its own channels of its own sample.
                    unsafe {
                        out_gamma.slice(task * per + c, 1)[0] = dot;
                        out_beta.slice(task * per + c, 1)[0] = sum;
                    }
                }
            }
            let (a, b) = (a / len as f32, b / len as f32);
            for c in 0..per {
                let range = c * s.positions..(c + 1) * s.positions;
                let g = gamma[first + c];
                for (o, v) in out[range.clone()].iter_mut().zip(&x[range]) {
                    *o = rstd * (*o * g - a - (v - mean) * rstd * b);
                }
            }
        });
    });
    let sum = |rows: Vec<f32>| {
        let mut total = vec![0.0; s.channels];
        for row in rows.chunks_exact(s.channels) {
            total.iter_mut().zip(row).for_each(|(t, v)| *t += v);
        }
        total
    };
    (dx, parameters.then(|| (sum(dgamma), sum(dbeta))))
}

/// `y = normalised(x) · gamma + beta` over rows of `gamma.len()` values.
pub fn layer_norm(eps: f32, x: &[f32], gamma: &[f32], beta: &[f32], y: &mut [f32]) {
    let width = gamma.len();
    vectorized(|| {
        for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            let (mean, rstd) = moments(x, eps);
            for i in 0..width {
                y[i] = (x[i] - mean) * rstd * gamma[i] + beta[i];
            }
        }
    });
}

/// Gradients of [`layer_norm`]: of the input, gamma and beta.
pub fn layer_norm_gradients(eps: f32, x: &[f32], gamma: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let width = gamma.len();
    let n = width as f32;
    let mut dx = vec![0.0; x.len()];
    let (mut dgamma, mut dbeta) = (vec![0.0; width], vec![0.0; width]);
    vectorized(|| {
        for ((dx, x), dy) in dx.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(dy.chunks_exact(width)) {
            let (mean, rstd) = moments(x, eps);
            let a = sum_by(width, |i| dy[i] * gamma[i]) / n;
            let b = sum_by(width, |i| dy[i] * gamma[i] * (x[i] - mean)) * rstd / n;
            for i in 0..width {
                let normal = (x[i] - mean) * rstd;
                dx[i] = rstd * (dy[i] * gamma[i] - a - normal * b);
                dgamma[i] += dy[i] * normal;
                dbeta[i] += dy[i];
            }
        }
    });
    (dx, dgamma, dbeta)
}

/// Mean and biased variance of each channel over samples and positions.
pub fn channel_moments(channels: usize, positions: usize, x: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (mut mean, mut variance) = (vec![0.0; channels], vec![0.0; channels]);
    let images = x.len() / (channels * positions);
    let n = (images * positions) as f32;
    let (mean_out, variance_out) = (Shared::new(&mut mean), Shared::new(&mut variance));
    for_each(channels, |c| {
        let plane = |i: usize| &x[(i * channels + c) * positions..][..positions];
        vectorized(|| {
            // One pass over memory: planes are summed in vectors, their sums in double precision.
            let (mut sum, mut squares) = (0.0_f64, 0.0_f64);
            for i in 0..images {
                let p = plane(i);
                sum += f64::from(sum_by(positions, |j| p[j]));
                squares += f64::from(sum_by(positions, |j| p[j] * p[j]));
            }
            let mean = sum / f64::from(n);
            let variance = (squares / f64::from(n) - mean * mean).max(0.0);
            let (mean, variance) = (mean as f32, variance as f32);
            // SAFETY: each task writes its own channel.
            unsafe {
                mean_out.slice(c, 1)[0] = mean;
                variance_out.slice(c, 1)[0] = variance;
            }
        });
    });
    (mean, variance)
}

/// Batch normalisation with the batch's own statistics.
#[expect(clippy::too_many_arguments, reason = "statistics are computed once and passed to both directions")]
pub fn batch_norm(
    channels: usize,
    positions: usize,
    eps: f32,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    activation: Activation,
    y: &mut [f32],
) {
    let (mean, variance) = channel_moments(channels, positions, x);
    let shared = Shared::new(y);
    for_each(x.len() / (channels * positions), |n| {
        vectorized(|| {
            for c in 0..channels {
                let scale = gamma[c] / (variance[c] + eps).sqrt();
                let shift = beta[c] - mean[c] * scale;
                let at = (n * channels + c) * positions;
                // SAFETY: each task writes its own image.
                let y = unsafe { shared.slice(at, positions) };
                for (y, x) in y.iter_mut().zip(&x[at..at + positions]) {
                    *y = activate(activation, x * scale + shift);
                }
            }
        });
    });
}

/// Gradients of [`batch_norm`]: of the input, gamma and beta.
#[expect(clippy::too_many_arguments, reason = "the operands of the forward")]
pub fn batch_norm_gradients(
    channels: usize,
    positions: usize,
    eps: f32,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    activation: Activation,
    dy: &[f32],
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let (mean, variance) = channel_moments(channels, positions, x);
    let images = x.len() / (channels * positions);
    let mut dx = vec![0.0; x.len()];
    let (mut dgamma, mut dbeta) = (vec![0.0; channels], vec![0.0; channels]);
    let (out, out_gamma, out_beta) = (Shared::new(&mut dx), Shared::new(&mut dgamma), Shared::new(&mut dbeta));
    for_each(channels, |c| {
        let rstd = 1.0 / (variance[c] + eps).sqrt();
        let (mean, g, b) = (mean[c], gamma[c], beta[c]);
        let len = images * positions;
        with_scratch(len, |pre| {
            vectorized(|| {
                let (mut sum, mut dot) = (0.0, 0.0);
                for i in 0..images {
                    let at = (i * channels + c) * positions;
                    let (x, dy) = (&x[at..at + positions], &dy[at..at + positions]);
                    let pre = &mut pre[i * positions..][..positions];
                    for ((p, x), d) in pre.iter_mut().zip(x).zip(dy) {
                        *p = d * derivative(activation, (x - mean) * rstd * g + b);
                    }
                    let pre = &*pre;
                    sum += sum_by(positions, |j| pre[j]);
                    dot += sum_by(positions, |j| pre[j] * (x[j] - mean)) * rstd;
                }
                let (mean_d, mean_dot) = (sum / len as f32, dot / len as f32);
                for i in 0..images {
                    let at = (i * channels + c) * positions;
                    // SAFETY: each task writes its own channel's planes.
                    let out = unsafe { out.slice(at, positions) };
                    let pre = &pre[i * positions..][..positions];
                    for ((o, x), p) in out.iter_mut().zip(&x[at..at + positions]).zip(pre) {
                        *o = g * rstd * (p - mean_d - (x - mean) * rstd * mean_dot);
                    }
                }
                // SAFETY: each task writes its own channel.
                unsafe {
                    out_gamma.slice(c, 1)[0] = dot;
                    out_beta.slice(c, 1)[0] = sum;
                }
            });
        });
    });
    (dx, dgamma, dbeta)
}
