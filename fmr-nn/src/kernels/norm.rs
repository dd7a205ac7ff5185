//! Group, layer and batch normalisation with their gradients, with the activation that follows them fused in.

use super::buffers::take;
use super::parallel::{Shared, for_each};
use super::simd::{sigmoid, specialised, vectorized};

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

/// Partial sums of a vectorised sum.
const LANES: usize = 16;

/// The sum of lanes, by halves. Written out: as a loop it would run through memory, value by value.
#[inline(always)]
fn folded(lanes: [f32; LANES]) -> f32 {
    let mut eight = [0.0; 8];
    for (l, sum) in eight.iter_mut().enumerate() {
        *sum = lanes[l] + lanes[l + 8];
    }
    let [a, b, c, d, e, f, g, h] = eight;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// Σ f(x, y) over two slices of the same length, in a fixed order of partial sums that vectorises.
#[inline(always)]
pub(crate) fn sum_of_pairs(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut even = [0.0_f32; LANES];
    let mut odd = [0.0_f32; LANES];
    // Arrays, so that no bound is left to be checked.
    let ((xs, x_rest), (ys, y_rest)) = (x.as_chunks::<{ 2 * LANES }>(), y.as_chunks::<{ 2 * LANES }>());
    for (x, y) in xs.iter().zip(ys) {
        for l in 0..LANES {
            even[l] += f(x[l], y[l]);
            odd[l] += f(x[l + LANES], y[l + LANES]);
        }
    }
    let rest: f32 = x_rest.iter().zip(y_rest).fold(0.0, |sum, (x, y)| sum + f(*x, *y));
    for (even, odd) in even.iter_mut().zip(odd) {
        *even += odd;
    }
    folded(even) + rest
}

/// Σ f(x) over a slice, as [`sum_of_pairs`] takes it.
#[inline(always)]
pub(crate) fn sum_of(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    sum_of_pairs(x, x, |x, _| f(x))
}

/// Both sums of the pairs f(x, y), in partial sums as [`sum_of_pairs`] takes them.
#[inline(always)]
fn sums_of_pairs(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> (f32, f32)) -> (f32, f32) {
    let (mut a, mut b) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let ((xs, x_rest), (ys, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    for (x, y) in xs.iter().zip(ys) {
        for l in 0..LANES {
            let (u, v) = f(x[l], y[l]);
            a[l] += u;
            b[l] += v;
        }
    }
    for (l, (x, y)) in x_rest.iter().zip(y_rest).enumerate() {
        let (u, v) = f(*x, *y);
        a[l] += u;
        b[l] += v;
    }
    (folded(a), folded(b))
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
    let mean = sum_of(x, |x| x) / n;
    let variance = sum_of(x, |x| (x - mean) * (x - mean)) / n;
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

impl GroupShape {
    /// First of the scales and shifts of group number `task` of all samples, which share `[channels]` of them or have
    /// `[n, channels]`.
    #[inline(always)]
    fn first(&self, task: usize, scales: usize) -> usize {
        let task = if scales > self.channels { task } else { task % self.groups };
        task * (self.channels / self.groups)
    }
}

/// `y = activation(normalised(x) · gamma + beta)`, statistics per sample and group; gamma and beta are `[channels]`, or
/// `[n, channels]` where each sample has its own.
pub fn group_norm(s: &GroupShape, x: &[f32], gamma: &[f32], beta: &[f32], activation: Activation, y: &mut [f32]) {
    let per = s.channels / s.groups;
    let len = per * s.positions;
    let shared = Shared::new(y);
    for_each(x.len() / len, |task| {
        // SAFETY: each task has its own group.
        let out = unsafe { shared.slice(task * len, len) };
        let x = &x[task * len..][..len];
        let first = s.first(task, gamma.len());
        vectorized(
            #[inline(always)]
            || {
                let (mean, rstd) = moments(x, s.eps);
                for (c, (out, x)) in out.chunks_exact_mut(s.positions).zip(x.chunks_exact(s.positions)).enumerate() {
                    let scale = gamma[first + c] * rstd;
                    let shift = beta[first + c] - mean * scale;
                    specialised!(activation, KIND in Activation::[Identity, Relu, Silu], {
                        for (o, v) in out.iter_mut().zip(x) {
                            *o = activate(KIND, v * scale + shift);
                        }
                    });
                }
            },
        );
    });
}

/// The gradient before an activation of `x · scale + shift`; returns partial sums of it and of its products with
/// `x - mean`.
#[inline(always)]
fn before_activation(
    kind: Activation,
    [scale, shift, mean]: [f32; 3],
    x: &[f32],
    dy: &[f32],
    out: &mut [f32],
) -> [[f32; LANES]; 2] {
    let (mut sums, mut dots) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let ((x, x_rest), (dy, dy_rest)) = (x.as_chunks::<LANES>(), dy.as_chunks::<LANES>());
    let (out, out_rest) = out.as_chunks_mut::<LANES>();
    for ((x, dy), out) in x.iter().zip(dy).zip(out) {
        for l in 0..LANES {
            let d = dy[l] * derivative(kind, x[l] * scale + shift);
            out[l] = d;
            sums[l] += d;
            dots[l] += d * (x[l] - mean);
        }
    }
    for (l, ((x, dy), out)) in x_rest.iter().zip(dy_rest).zip(out_rest).enumerate() {
        let d = dy * derivative(kind, x * scale + shift);
        *out = d;
        sums[l] += d;
        dots[l] += d * (x - mean);
    }
    [sums, dots]
}

/// Gradients of gamma and beta.
pub type ScaleAndShift = (Vec<f32>, Vec<f32>);

/// Gradients of [`group_norm`]: of the input, and of gamma and beta (summed over positions, and over samples that share
/// them) where `parameters`.
pub fn group_norm_gradients(
    s: &GroupShape,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    activation: Activation,
    dy: &[f32],
    parameters: bool,
) -> (Vec<f32>, Option<ScaleAndShift>) {
    let per = s.channels / s.groups;
    let len = per * s.positions;
    let mut dx = take(x.len());
    // One row a sample, summed afterwards in the order of the samples.
    let rows = if parameters { x.len() / s.positions } else { 0 };
    let (mut dgamma, mut dbeta) = (vec![0.0; rows], vec![0.0; rows]);
    let (out_x, out_gamma, out_beta) = (Shared::new(&mut dx), Shared::new(&mut dgamma), Shared::new(&mut dbeta));
    for_each(x.len() / len, |task| {
        // SAFETY: each task has its own group.
        let out = unsafe { out_x.slice(task * len, len) };
        let (x, dy) = (&x[task * len..][..len], &dy[task * len..][..len]);
        let first = s.first(task, gamma.len());
        vectorized(
            #[inline(always)]
            || {
                let (mean, rstd) = moments(x, s.eps);
                // Partial sums over the group, of the gradient before scale and shift and of its products with x - mean.
                let (mut a, mut b) = ([0.0; LANES], [0.0; LANES]);
                for c in 0..per {
                    let range = c * s.positions..(c + 1) * s.positions;
                    let (g, scale) = (gamma[first + c], gamma[first + c] * rstd);
                    let shift = beta[first + c] - mean * scale;
                    let (out, x, dy) = (&mut out[range.clone()], &x[range.clone()], &dy[range]);
                    let [sums, dots] = specialised!(activation, KIND in Activation::[Identity, Relu, Silu], {
                        before_activation(KIND, [scale, shift, mean], x, dy, out)
                    });
                    for l in 0..LANES {
                        a[l] += sums[l] * g;
                        b[l] += dots[l] * g;
                    }
                    if parameters {
                        // SAFETY: each task writes its own channels of its own sample.
                        unsafe {
                            out_gamma.slice(task * per + c, 1)[0] = folded(dots) * rstd;
                            out_beta.slice(task * per + c, 1)[0] = folded(sums);
                        }
                    }
                }
                let (a, b) = (folded(a) / len as f32, folded(b) * rstd / len as f32);
                for c in 0..per {
                    let range = c * s.positions..(c + 1) * s.positions;
                    let g = gamma[first + c];
                    for (o, v) in out[range.clone()].iter_mut().zip(&x[range]) {
                        *o = rstd * (*o * g - a - (v - mean) * rstd * b);
                    }
                }
            },
        );
    });
    let sum = |rows: Vec<f32>| {
        if gamma.len() > s.channels {
            return rows;
        }
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
    vectorized(
        #[inline(always)]
        || {
            for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                let (mean, rstd) = moments(x, eps);
                for i in 0..width {
                    y[i] = (x[i] - mean) * rstd * gamma[i] + beta[i];
                }
            }
        },
    );
}

/// Gradients of [`layer_norm`]: of the input, gamma and beta.
pub fn layer_norm_gradients(eps: f32, x: &[f32], gamma: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let width = gamma.len();
    let n = width as f32;
    let mut dx = take(x.len());
    let (mut dgamma, mut dbeta) = (vec![0.0; width], vec![0.0; width]);
    vectorized(
        #[inline(always)]
        || {
            for ((dx, x), dy) in dx.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(dy.chunks_exact(width)) {
                let (mean, rstd) = moments(x, eps);
                for ((dx, dy), gamma) in dx.iter_mut().zip(dy).zip(gamma) {
                    *dx = dy * gamma;
                }
                let a = sum_of(dx, |d| d) / n;
                let b = sum_of_pairs(dx, x, |d, x| d * (x - mean)) * rstd / n;
                for i in 0..width {
                    let normal = (x[i] - mean) * rstd;
                    dx[i] = rstd * (dx[i] - a - normal * b);
                    dgamma[i] += dy[i] * normal;
                    dbeta[i] += dy[i];
                }
            }
        },
    );
    (dx, dgamma, dbeta)
}

/// Mean and biased variance of each channel of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// One mean a channel.
    pub mean: Vec<f32>,
    /// One variance a channel.
    pub variance: Vec<f32>,
}

/// Images whose sums one task adds up; fixed, so that the order of the sum is.
const MOMENT_CHUNK: usize = 16;

/// Moments of each channel over samples and positions.
pub fn channel_moments(channels: usize, positions: usize, x: &[f32]) -> Moments {
    let image = channels * positions;
    let images = x.len() / image;
    // One pass over memory in its own order; planes are summed in vectors, their sums in double precision at the end.
    let mut sums = vec![0.0_f32; images * channels * 2];
    let shared = Shared::new(&mut sums);
    for_each(images.div_ceil(MOMENT_CHUNK), |task| {
        vectorized(
            #[inline(always)]
            || {
                for i in task * MOMENT_CHUNK..((task + 1) * MOMENT_CHUNK).min(images) {
                    // SAFETY: each task writes the rows of its own images.
                    let row = unsafe { shared.slice(i * channels * 2, channels * 2) };
                    for (out, p) in row.chunks_exact_mut(2).zip(x[i * image..][..image].chunks_exact(positions)) {
                        (out[0], out[1]) = sums_of_pairs(p, p, |v, _| (v, v * v));
                    }
                }
            },
        );
    });
    let n = (images * positions) as f64;
    let total = |c: usize, k: usize| (0..images).map(|i| f64::from(sums[(i * channels + c) * 2 + k])).sum::<f64>() / n;
    let mean: Vec<f64> = (0..channels).map(|c| total(c, 0)).collect();
    let variance = (0..channels).map(|c| (total(c, 1) - mean[c] * mean[c]).max(0.0) as f32).collect();
    Moments { mean: mean.iter().map(|m| *m as f32).collect(), variance }
}

/// Batch normalisation with the batch's own statistics.
#[expect(clippy::too_many_arguments, reason = "statistics are computed once and passed to both directions")]
pub fn batch_norm(
    moments: &Moments,
    positions: usize,
    eps: f32,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    activation: Activation,
    y: &mut [f32],
) {
    let Moments { mean, variance } = moments;
    let channels = mean.len();
    let shared = Shared::new(y);
    for_each(x.len() / (channels * positions), |n| {
        vectorized(
            #[inline(always)]
            || {
                for c in 0..channels {
                    let scale = gamma[c] / (variance[c] + eps).sqrt();
                    let shift = beta[c] - mean[c] * scale;
                    let at = (n * channels + c) * positions;
                    // SAFETY: each task writes its own image.
                    let y = unsafe { shared.slice(at, positions) };
                    specialised!(activation, KIND in Activation::[Identity, Relu, Silu], {
                        for (y, x) in y.iter_mut().zip(&x[at..at + positions]) {
                            *y = activate(KIND, x * scale + shift);
                        }
                    });
                }
            },
        );
    });
}

/// Gradients of [`batch_norm`]: of the input, gamma and beta.
#[expect(clippy::too_many_arguments, reason = "the operands of the forward")]
pub fn batch_norm_gradients(
    moments: &Moments,
    positions: usize,
    eps: f32,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    activation: Activation,
    dy: &[f32],
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let affine = Affine::new(moments, gamma, beta, eps);
    // One loop for each activation, so that each vectorises.
    match activation {
        Activation::Identity => affine.gradients(positions, x, dy, |_, d| d),
        Activation::Relu => affine.gradients(positions, x, dy, |v, d| if v > 0.0 { d } else { 0.0 }),
        Activation::Silu => affine.gradients(positions, x, dy, |v, d| d * derivative(Activation::Silu, v)),
    }
}

/// A batch normalisation with known moments: per channel its mean, 1/deviation, scale and shift.
struct Affine<'a> {
    channels: Vec<[f32; 4]>,
    gamma: &'a [f32],
}

impl<'a> Affine<'a> {
    fn new(moments: &Moments, gamma: &'a [f32], beta: &[f32], eps: f32) -> Self {
        let one = |c: usize| {
            let (mean, rstd) = (moments.mean[c], 1.0 / (moments.variance[c] + eps).sqrt());
            [mean, rstd, rstd * gamma[c], beta[c] - mean * rstd * gamma[c]]
        };
        Self { channels: (0..gamma.len()).map(one).collect(), gamma }
    }

    /// Gradients of the input, gamma and beta; `back(v, d)` is the activation's, at `v` before it.
    ///
    /// Both passes run through memory in its own order; the sums of planes are added up in the order of the images.
    fn gradients(
        &self,
        positions: usize,
        x: &[f32],
        dy: &[f32],
        back: impl Fn(f32, f32) -> f32 + Sync + Send,
    ) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let channels = self.gamma.len();
        let image = channels * positions;
        let images = x.len() / image;
        let mut sums = vec![0.0_f32; images * channels * 2];
        let shared = Shared::new(&mut sums);
        for_each(images, |i| {
            // SAFETY: each task has its own row.
            let row = unsafe { shared.slice(i * channels * 2, channels * 2) };
            let planes = x[i * image..].chunks_exact(positions).zip(dy[i * image..].chunks_exact(positions));
            vectorized(
                #[inline(always)]
                || {
                    for ((out, (x, dy)), [mean, _, scale, shift]) in
                        row.chunks_exact_mut(2).zip(planes).zip(&self.channels)
                    {
                        (out[0], out[1]) = sums_of_pairs(x, dy, |x, dy| {
                            let d = back(x * scale + shift, dy);
                            (d, d * (x - mean))
                        });
                    }
                },
            );
        });
        let total = |c: usize, k: usize| (0..images).map(|i| f64::from(sums[(i * channels + c) * 2 + k])).sum::<f64>();
        let dbeta: Vec<f32> = (0..channels).map(|c| total(c, 0) as f32).collect();
        let dgamma: Vec<f32> = (0..channels).map(|c| (total(c, 1) * f64::from(self.channels[c][1])) as f32).collect();
        let mut dx = take(x.len());
        let shared = Shared::new(&mut dx);
        let len = (images * positions) as f32;
        for_each(images, |i| {
            // SAFETY: each task has its own image.
            let out = unsafe { shared.slice(i * image, image) };
            vectorized(
                #[inline(always)]
                || {
                    for (c, out) in out.chunks_exact_mut(positions).enumerate() {
                        let at = i * image + c * positions;
                        let [mean, rstd, scale, shift] = self.channels[c];
                        // dx = scale · (d − mean(d) − x̂ · mean(d·x̂)), with the part linear in x drawn together.
                        let slope = -scale * rstd * dgamma[c] / len;
                        let constant = -scale * dbeta[c] / len - slope * mean;
                        for ((o, x), d) in out.iter_mut().zip(&x[at..at + positions]).zip(&dy[at..at + positions]) {
                            *o = scale * back(x * scale + shift, *d) + slope * x + constant;
                        }
                    }
                },
            );
        });
        (dx, dgamma, dbeta)
    }
}
