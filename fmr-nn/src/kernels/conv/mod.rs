//! Two-dimensional convolution (cross-correlation), its input gradient and its weight gradient, NCHW.
//!
//! Images are first copied with their padding into rows split by column phase (`stride` phases), so that every tap of
//! the kernel reads a contiguous run.

mod direct;
mod weight_gradient;

use super::parallel::{threads, with_scratch};
use super::simd::vectorized;
pub use direct::{Weights, flip_weight, forward, input_gradient, is_a_convolution};
pub use weight_gradient::{bias_gradient, weight_gradient};

/// How the values of a convolution are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rectify {
    /// Not at all.
    #[default]
    None,
    /// Below zero.
    Relu,
    /// Below zero and above six.
    Relu6,
}

impl From<bool> for Rectify {
    fn from(relu: bool) -> Self {
        if relu { Self::Relu } else { Self::None }
    }
}

impl Rectify {
    /// Between which values it leaves.
    pub fn bounds(self) -> (f32, f32) {
        match self {
            Self::None => (f32::NEG_INFINITY, f32::INFINITY),
            Self::Relu => (0.0, f32::INFINITY),
            Self::Relu6 => (0.0, 6.0),
        }
    }

    /// Calls `f` with the gradient of the values before the cut, given those after it and their gradient; kinks count as
    /// cut off, as in PyTorch.
    pub fn pull_back<R>(self, y: &[f32], dy: &[f32], f: impl FnOnce(&[f32]) -> R) -> R {
        if self == Self::None {
            return f(dy);
        }
        let ceiling = if self == Self::Relu6 { 6.0 } else { f32::INFINITY };
        with_scratch(dy.len(), |before| {
            vectorized(
                #[inline(always)]
                || {
                    for ((to, y), d) in before.iter_mut().zip(y).zip(dy) {
                        *to = if *y > 0.0 && *y < ceiling { *d } else { 0.0 };
                    }
                },
            );
            f(before)
        })
    }
}

/// Columns that a group of images should have at least.
const GROUP: usize = 192;

/// Sizes of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Input channels.
    pub cin: usize,
    /// Output channels.
    pub cout: usize,
    /// Input height and width.
    pub input: [usize; 2],
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Same in both directions.
    pub stride: usize,
    /// Zeros before the first row, before the first column, after the last row, after the last column.
    pub pad: [usize; 4],
}

impl ConvShape {
    /// Output height and width.
    pub fn output(&self) -> [usize; 2] {
        let size = |n: usize, before: usize, after: usize, k: usize| {
            (n + before + after + 1).saturating_sub(k).div_ceil(self.stride)
        };
        [
            size(self.input[0], self.pad[0], self.pad[2], self.kernel[0]),
            size(self.input[1], self.pad[1], self.pad[3], self.kernel[1]),
        ]
    }

    pub(super) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Length of a row of the im2col matrix' other side: `cin * kh * kw`.
    pub(super) fn depth(&self) -> usize {
        self.cin * self.taps()
    }

    fn pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == 1 && self.pad == [0; 4]
    }

    /// The stride-1 convolution of the output gradient that gives the input gradient.
    pub(crate) fn transposed(&self) -> Self {
        let [kh, kw] = self.kernel;
        Self {
            cin: self.cout,
            cout: self.cin,
            input: self.output(),
            kernel: self.kernel,
            stride: 1,
            pad: [kh - 1 - self.pad[0], kw - 1 - self.pad[1], kh - 1 - self.pad[2], kw - 1 - self.pad[3]],
        }
    }

    pub(super) fn padded(&self) -> Padded {
        let height = self.input[0] + self.pad[0] + self.pad[2];
        let width = self.input[1] + self.pad[1] + self.pad[3];
        let phase = width.div_ceil(self.stride);
        Padded { phase, row: phase * self.stride, plane: phase * self.stride * height }
    }

    /// Offset of each im2col row (channel, tap) in the padded image.
    pub(super) fn offsets(&self) -> Vec<usize> {
        let p = self.padded();
        let mut offsets = Vec::with_capacity(self.depth());
        for c in 0..self.cin {
            for ky in 0..self.kernel[0] {
                for kx in 0..self.kernel[1] {
                    offsets.push(c * p.plane + ky * p.row + (kx % self.stride) * p.phase + kx / self.stride);
                }
            }
        }
        offsets
    }
}

/// Sizes of an image with its padding, rows split by column phase.
pub(super) struct Padded {
    /// Columns of one phase.
    pub(super) phase: usize,
    pub(super) row: usize,
    pub(super) plane: usize,
}

/// Copies images into padded, phase-split form.
pub(super) fn pad_into(shape: &ConvShape, x: &[f32], padded: &mut [f32]) {
    let p = shape.padded();
    let [h, w] = shape.input;
    let s = shape.stride;
    padded.fill(0.0);
    for (plane, source) in padded.chunks_exact_mut(p.plane).zip(x.chunks_exact(h * w)) {
        for (y, line) in source.chunks_exact(w).enumerate() {
            let row = &mut plane[(y + shape.pad[0]) * p.row..][..p.row];
            if s == 1 {
                row[shape.pad[1]..shape.pad[1] + w].copy_from_slice(line);
            } else {
                for phase in 0..s {
                    let first = (phase + s - shape.pad[1] % s) % s;
                    let at = phase * p.phase + (first + shape.pad[1]) / s;
                    if first < w {
                        let values = line[first..].iter().step_by(s);
                        row[at..].iter_mut().zip(values).for_each(|(d, v)| *d = *v);
                    }
                }
            }
        }
    }
}

/// Adds padded, phase-split gradients back to image form.
pub(super) fn unpad_from(shape: &ConvShape, padded: &[f32], dx: &mut [f32]) {
    let p = shape.padded();
    let [h, w] = shape.input;
    let s = shape.stride;
    for (plane, target) in padded.chunks_exact(p.plane).zip(dx.chunks_exact_mut(h * w)) {
        for (y, line) in target.chunks_exact_mut(w).enumerate() {
            let row = &plane[(y + shape.pad[0]) * p.row..][..p.row];
            for x in 0..s.min(w) {
                let column = x + shape.pad[1];
                let values = &row[(column % s) * p.phase + column / s..];
                line[x..].iter_mut().step_by(s).zip(values).for_each(|(to, v)| *to = *v);
            }
        }
    }
}

/// Images that one task works on together: enough columns to fill tiles, few enough to share the work.
pub(super) fn group(images: usize, positions: usize) -> usize {
    GROUP.div_ceil(positions.max(1)).clamp(1, images.div_ceil(threads()).max(1))
}

#[inline]
pub(super) fn finish(row: &mut [f32], bias: f32, rectify: Rectify) {
    match rectify {
        Rectify::Relu => row.iter_mut().for_each(|v| *v = (*v + bias).max(0.0)),
        Rectify::Relu6 => row.iter_mut().for_each(|v| *v = (*v + bias).clamp(0.0, 6.0)),
        Rectify::None if bias != 0.0 => row.iter_mut().for_each(|v| *v += bias),
        Rectify::None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(s: &ConvShape, n: usize, x: &[f32], w: &[f32]) -> Vec<f64> {
        let [oh, ow] = s.output();
        let mut out = vec![0.0; n * s.cout * oh * ow];
        each(s, n, |xi, wi, oi| out[oi] += f64::from(x[xi]) * f64::from(w[wi]));
        out
    }

    /// Calls `f(input index, weight index, output index)` for every product of the convolution.
    fn each(s: &ConvShape, n: usize, mut f: impl FnMut(usize, usize, usize)) {
        let [oh, ow] = s.output();
        let [h, w] = s.input;
        for (b, o, c) in (0..n).flat_map(|b| (0..s.cout).flat_map(move |o| (0..s.cin).map(move |c| (b, o, c)))) {
            for (i, j) in (0..oh).flat_map(|i| (0..ow).map(move |j| (i, j))) {
                for (ky, kx) in (0..s.kernel[0]).flat_map(|y| (0..s.kernel[1]).map(move |x| (y, x))) {
                    let (y, x) = (i * s.stride + ky, j * s.stride + kx);
                    if y < s.pad[0] || x < s.pad[1] || y - s.pad[0] >= h || x - s.pad[1] >= w {
                        continue;
                    }
                    f(
                        ((b * s.cin + c) * h + y - s.pad[0]) * w + x - s.pad[1],
                        ((o * s.cin + c) * s.kernel[0] + ky) * s.kernel[1] + kx,
                        ((b * s.cout + o) * oh + i) * ow + j,
                    );
                }
            }
        }
    }

    fn values(len: usize, seed: u32) -> Vec<f32> {
        (0..len as u32)
            .map(|i| ((i.wrapping_add(seed).wrapping_mul(2_654_435_761)) >> 8) as f32 / (1 << 23) as f32 - 1.0)
            .collect()
    }

    fn shapes() -> impl Strategy<Value = (ConvShape, usize)> {
        (
            1usize..6,
            1usize..12,
            1usize..12,
            1usize..12,
            1usize..4,
            1usize..4,
            1usize..4,
            prop::array::uniform4(0usize..3),
            1usize..5,
        )
            .prop_map(|(cin, cout, h, w, kh, kw, stride, pad, n)| {
                (ConvShape { cin, cout, input: [h, w], kernel: [kh, kw], stride, pad }, n)
            })
            .prop_filter("kernel fits", |(s, _)| {
                s.input[0] + s.pad[0] + s.pad[2] >= s.kernel[0] && s.input[1] + s.pad[1] + s.pad[3] >= s.kernel[1]
            })
    }

    fn close(a: &[f32], b: &[f64]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-4)
    }

    proptest! {
        #[test]
        fn forward_and_gradients_equal_the_definition((s, n) in shapes(), seed: u32) {
            let [oh, ow] = s.output();
            let x = values(n * s.cin * s.input[0] * s.input[1], seed);
            let w = values(s.cout * s.depth(), seed ^ 77);
            let dy = values(n * s.cout * oh * ow, seed ^ 99);
            let mut y = vec![0.0; dy.len()];
            forward(&s, n, &x, &Weights::ahead(&s, &w), None, Rectify::None, &mut y);
            prop_assert!(close(&y, &naive(&s, n, &x, &w)));

            let mut expected = vec![0.0; x.len()];
            each(&s, n, |xi, wi, oi| expected[xi] += f64::from(w[wi]) * f64::from(dy[oi]));
            let weights = Weights::back(&s, &w);
            let mut dx = vec![0.0; x.len()];
            input_gradient(&s, n, &dy, &weights, &mut dx);
            prop_assert!(close(&dx, &expected));

            let mut expected = vec![0.0; w.len()];
            each(&s, n, |xi, wi, oi| expected[wi] += f64::from(x[xi]) * f64::from(dy[oi]));
            let mut dw = vec![0.0; w.len()];
            weight_gradient(&s, n, &x, &dy, &mut dw);
            prop_assert!(dw.iter().zip(&expected).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-3));
        }

        #[test]
        fn bits_do_not_depend_on_the_batch((s, n) in shapes(), seed: u32) {
            let [oh, ow] = s.output();
            let image = s.cin * s.input[0] * s.input[1];
            let x = values(n * image, seed);
            let w = values(s.cout * s.depth(), seed ^ 77);
            let b = values(s.cout, seed ^ 3);
            let ahead = Weights::ahead(&s, &w);
            let mut y = vec![0.0; n * s.cout * oh * ow];
            forward(&s, n, &x, &ahead, Some(&b), Rectify::Relu, &mut y);
            let mut dx = vec![0.0; x.len()];
            let weights = Weights::back(&s, &w);
            input_gradient(&s, n, &y, &weights, &mut dx);
            for i in 0..n {
                let mut one = vec![0.0; s.cout * oh * ow];
                forward(&s, 1, &x[i * image..][..image], &ahead, Some(&b), Rectify::Relu, &mut one);
                prop_assert_eq!(&one[..], &y[i * one.len()..][..one.len()]);
                let mut d = vec![0.0; image];
                input_gradient(&s, 1, &one, &weights, &mut d);
                prop_assert_eq!(&d[..], &dx[i * image..][..image]);
            }
        }
    }
}
