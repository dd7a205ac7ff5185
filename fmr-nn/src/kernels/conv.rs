//! Two-dimensional convolution (cross-correlation), its input gradient and its weight gradient, NCHW.
//!
//! Images are first copied with their padding into rows split by column phase (`stride` phases), so that every tap of
//! the kernel reads a contiguous run; columns of the im2col matrix are then built a tile of 48 at a time and multiplied
//! at once, while they are in the cache.

use super::bfloat16;
use super::gemm::{Start, View, gemm, transpose};
use super::parallel::{Shared, for_each, threads, with_scratch};
use super::simd::{MAX_LANES, vectorized};

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

/// Columns of a tile: three AVX-512 vectors.
pub(super) const TILE: usize = 48;
/// Room for whole-vector copies past the end of a row.
const SLACK: usize = 16;

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

/// A run of output positions of one row of one image inside a tile.
struct Run {
    /// Offset of tap (0, 0) of the first position in the padded image (images one after another).
    source: usize,
    /// First column in the tile.
    at: usize,
    len: usize,
}

fn runs(shape: &ConvShape, first: usize, count: usize, into: &mut Vec<Run>) {
    let [oh, ow] = shape.output();
    let p = shape.padded();
    let image = p.plane * shape.cin;
    into.clear();
    let mut at = 0;
    while at < count {
        let position = first + at;
        let (n, i, j) = (position / (oh * ow), position / ow % oh, position % ow);
        let len = (ow - j).min(count - at);
        into.push(Run { source: n * image + i * shape.stride * p.row + j, at, len });
        at += len;
    }
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
    (4 * TILE).div_ceil(positions.max(1)).clamp(1, images.div_ceil(threads()).max(1))
}

/// `out[n, cout, oh, ow] = x[n, cin, h, w] ⋆ weight[cout, cin, kh, kw] + bias`, cut off as `rectify` says.
pub fn forward(
    shape: &ConvShape,
    images: usize,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    rectify: Rectify,
    out: &mut [f32],
) {
    let [oh, ow] = shape.output();
    let positions = oh * ow;
    let (input_len, output_len) = (shape.cin * shape.input[0] * shape.input[1], shape.cout * positions);
    if images == 0 || output_len == 0 {
        return;
    }
    let shared = Shared::new(out);
    let p = shape.padded();
    let depth = shape.depth();
    let group = group(images, positions);
    let groups = images.div_ceil(group);
    let offsets = shape.offsets();
    let packed = bfloat16::pack(shape.cout, depth, View::rows(weight, depth), TILE);
    // With fewer groups than threads the tiles of a group are shared out instead.
    let split = if groups < threads() { (group * positions).div_ceil(TILE).div_ceil(4).max(1) } else { 1 };
    let work = |first_image: usize, count: usize, padded: &[f32], tiles: std::ops::Range<usize>| {
        let columns = count * positions;
        with_scratch((depth + shape.cout) * TILE + SLACK, |scratch| {
            let (panel, result) = scratch.split_at_mut(depth * TILE + SLACK);
            let mut tile_runs = Vec::new();
            for tile in tiles {
                let start = tile * TILE;
                let width = TILE.min(columns - start);
                runs(shape, start, width, &mut tile_runs);
                gather(&offsets, &tile_runs, padded, panel);
                let whole = width.next_multiple_of(16);
                match &packed {
                    Some(weight) => bfloat16::product(weight, whole, panel, TILE, result, TILE, Start::Zero),
                    None => {
                        let weight = View::rows(weight, depth);
                        gemm(shape.cout, whole, depth, weight, panel, TILE, result, TILE, Start::Zero);
                    }
                }
                for c in 0..shape.cout {
                    let row = &mut result[c * TILE..c * TILE + width];
                    finish(row, bias.map_or(0.0, |b| b[c]), rectify);
                    let mut at = 0;
                    while at < width {
                        let (n, q) = ((start + at) / positions, (start + at) % positions);
                        let len = (positions - q).min(width - at);
                        let to = (first_image + n) * output_len + c * positions + q;
                        // SAFETY: every output position belongs to one tile of one group.
                        unsafe { shared.slice(to, len) }.copy_from_slice(&row[at..at + len]);
                        at += len;
                    }
                }
            }
        });
    };
    for_each(groups, |g| {
        let first = g * group;
        let count = group.min(images - first);
        // An image whose positions nearly fill vectors is a matrix as it stands; others share tiles.
        if shape.pointwise() && positions.next_multiple_of(MAX_LANES) * 8 <= positions * 9 {
            for n in first..first + count {
                // SAFETY: each image belongs to one group.
                let target = unsafe { shared.slice(n * output_len, output_len) };
                let source = &x[n * input_len..][..input_len];
                gemm(
                    shape.cout,
                    positions,
                    depth,
                    View::rows(weight, depth),
                    source,
                    positions,
                    target,
                    positions,
                    Start::Zero,
                );
                for (c, row) in target.chunks_exact_mut(positions).enumerate() {
                    finish(row, bias.map_or(0.0, |b| b[c]), rectify);
                }
            }
            return;
        }
        with_scratch(count * shape.cin * p.plane + SLACK, |padded| {
            let len = count * shape.cin * p.plane;
            pad_into(shape, &x[first * input_len..][..count * input_len], &mut padded[..len]);
            let tiles = (count * positions).div_ceil(TILE);
            let padded = &*padded;
            let share = tiles.div_ceil(split);
            for_each(split, |part| {
                work(first, count, padded, (part * share).min(tiles)..((part + 1) * share).min(tiles));
            });
        });
    });
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

/// Builds a tile of the im2col matrix: row k holds the padded image at `offsets[k]` beyond each run's source.
fn gather(offsets: &[usize], runs: &[Run], padded: &[f32], panel: &mut [f32]) {
    vectorized(
        #[inline(always)]
        || {
            for (k, offset) in offsets.iter().enumerate() {
                let row = k * TILE;
                for run in runs {
                    let from = run.source + offset;
                    let mut done = 0;
                    // Whole vectors overrun a run's end; the next run, row or panel overwrites what they leave there.
                    while done < run.len {
                        let source: &[f32] = &padded[from + done..from + done + SLACK];
                        panel[row + run.at + done..row + run.at + done + SLACK].copy_from_slice(source);
                        done += SLACK;
                    }
                }
            }
        },
    );
}

/// The weights of the transposed convolution: channels swapped, taps reversed.
pub fn flip_weight(shape: &ConvShape, weight: &[f32]) -> Vec<f32> {
    let taps = shape.taps();
    let mut flipped = vec![0.0; weight.len()];
    for o in 0..shape.cout {
        for i in 0..shape.cin {
            let source = &weight[(o * shape.cin + i) * taps..][..taps];
            let target = &mut flipped[(i * shape.cout + o) * taps..][..taps];
            for (d, s) in target.iter_mut().zip(source.iter().rev()) {
                *d = *s;
            }
        }
    }
    flipped
}

/// Whether the input gradient is a plain convolution with [`flip_weight`]'s weights.
pub fn uses_flipped_weight(shape: &ConvShape) -> bool {
    let [kh, kw] = shape.kernel;
    let [top, left, bottom, right] = shape.pad;
    shape.stride == 1 && top < kh && bottom < kh && left < kw && right < kw
}

/// Input gradient. `flipped` are the weights of [`flip_weight`] where [`uses_flipped_weight`], else the plain ones.
pub fn input_gradient(shape: &ConvShape, images: usize, dy: &[f32], weight: &[f32], dx: &mut [f32]) {
    if uses_flipped_weight(shape) {
        forward(&shape.transposed(), images, dy, weight, None, Rectify::None, dx);
        return;
    }
    let [oh, ow] = shape.output();
    let positions = oh * ow;
    let (input_len, output_len) = (shape.cin * shape.input[0] * shape.input[1], shape.cout * positions);
    let p = shape.padded();
    let depth = shape.depth();
    let offsets = shape.offsets();
    let shared = Shared::new(dx);
    // Tiles end with their image: the order in which overlapping patches are added must not depend on the batch.
    for_each(images, |n| {
        with_scratch(shape.cin * p.plane, |padded| {
            padded.fill(0.0);
            with_scratch((depth + shape.cout) * TILE, |scratch| {
                let (panel, gradient) = scratch.split_at_mut(depth * TILE);
                let mut tile_runs = Vec::new();
                for start in (0..positions).step_by(TILE) {
                    let width = TILE.min(positions - start);
                    runs(shape, start, width, &mut tile_runs);
                    for c in 0..shape.cout {
                        let from = n * output_len + c * positions + start;
                        gradient[c * TILE..c * TILE + width].copy_from_slice(&dy[from..from + width]);
                    }
                    let whole = width.next_multiple_of(16);
                    gemm(
                        depth,
                        whole,
                        shape.cout,
                        View::transposed(weight, depth),
                        gradient,
                        TILE,
                        panel,
                        TILE,
                        Start::Zero,
                    );
                    for (k, offset) in offsets.iter().enumerate() {
                        for run in &tile_runs {
                            let target = &mut padded[run.source + offset..][..run.len];
                            let source = &panel[k * TILE + run.at..][..run.len];
                            target.iter_mut().zip(source).for_each(|(d, s)| *d += s);
                        }
                    }
                }
            });
            // SAFETY: each task has its own image.
            let target = unsafe { shared.slice(n * input_len, input_len) };
            unpad_from(shape, padded, target);
        });
    });
}

/// Images whose weight gradients are summed by one task; fixed, so that the sum's order is.
const GRADIENT_CHUNK: usize = 16;
/// Output positions whose patches are laid out at a time for the weight gradient.
const GRADIENT_ROWS: usize = 128;

/// Weight gradient `[cout, cin, kh, kw]`, summed over the images.
///
/// The reduction runs over positions and the vectors over (tap, channel): images are laid out channels-last, so that a
/// patch is `kh` contiguous runs. Small images share a product, so that its reduction is long.
pub fn weight_gradient(shape: &ConvShape, images: usize, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let [oh, ow] = shape.output();
    let positions = oh * ow;
    let [kh, kw] = shape.kernel;
    let (cin, cout, depth) = (shape.cin, shape.cout, shape.depth());
    let output_len = cout * positions;
    let chunks = images.div_ceil(GRADIENT_CHUNK).max(1);
    let total = dw.len();
    let mut partial = vec![0.0; chunks * total];
    let shared = Shared::new(&mut partial);
    let together = (GRADIENT_ROWS / positions.max(1)).max(1);
    for_each(chunks, |chunk| {
        // SAFETY: each chunk has its own part.
        let sum = unsafe { shared.slice(chunk * total, total) };
        let last = images.min((chunk + 1) * GRADIENT_CHUNK);
        with_scratch(channels_last_len(shape), |padded| {
            padded.fill(0.0);
            with_scratch(GRADIENT_ROWS.max(together * positions) * depth, |patches| {
                for first in (chunk * GRADIENT_CHUNK..last).step_by(together) {
                    let count = together.min(last - first);
                    if together == 1 {
                        let dy = &dy[first * output_len..][..output_len];
                        channels_last(shape, first, x, padded);
                        for start in (0..positions).step_by(GRADIENT_ROWS) {
                            let rows = GRADIENT_ROWS.min(positions - start);
                            lay_out(shape, padded, start..start + rows, patches);
                            let gradient = View { data: &dy[start..], row: positions, col: 1 };
                            gemm(cout, depth, rows, gradient, patches, depth, sum, depth, Start::Accumulate);
                        }
                        continue;
                    }
                    let rows = count * positions;
                    with_scratch(cout * rows, |gradients| {
                        for n in 0..count {
                            channels_last(shape, first + n, x, padded);
                            lay_out(shape, padded, 0..positions, &mut patches[n * positions * depth..]);
                            let dy = &dy[(first + n) * output_len..][..output_len];
                            for (c, plane) in dy.chunks_exact(positions).enumerate() {
                                gradients[c * rows + n * positions..][..positions].copy_from_slice(plane);
                            }
                        }
                        let gradient = View::rows(gradients, rows);
                        gemm(cout, depth, rows, gradient, patches, depth, sum, depth, Start::Accumulate);
                    });
                }
            });
        });
    });
    let (sum, rest) = partial.split_at_mut(total);
    for part in rest.chunks_exact(total) {
        sum.iter_mut().zip(part).for_each(|(d, s)| *d += s);
    }
    for (filter, sum) in dw.chunks_exact_mut(depth).zip(sum.chunks_exact(depth)) {
        transpose(sum, cin, kh * kw, cin, filter);
    }
}

/// Height and width with padding.
fn padded_size(shape: &ConvShape) -> [usize; 2] {
    [shape.input[0] + shape.pad[0] + shape.pad[2], shape.input[1] + shape.pad[1] + shape.pad[3]]
}

fn channels_last_len(shape: &ConvShape) -> usize {
    let [height, width] = padded_size(shape);
    height * width * shape.cin
}

/// Copies image `n` into the middle of a padded image with its channels last.
fn channels_last(shape: &ConvShape, n: usize, x: &[f32], padded: &mut [f32]) {
    let [h, w] = shape.input;
    let [_, width] = padded_size(shape);
    let image = &x[n * shape.cin * h * w..][..shape.cin * h * w];
    for y in 0..h {
        let at = ((y + shape.pad[0]) * width + shape.pad[1]) * shape.cin;
        transpose(&image[y * w..], h * w, shape.cin, w, &mut padded[at..]);
    }
}

/// One patch (tap by tap, channels last) for each output position of `range`.
fn lay_out(shape: &ConvShape, padded: &[f32], range: std::ops::Range<usize>, patches: &mut [f32]) {
    let [_, ow] = shape.output();
    let [_, width] = padded_size(shape);
    let run = shape.kernel[1] * shape.cin;
    for (p, patch) in range.zip(patches.chunks_exact_mut(shape.depth())) {
        let (i, j) = (p / ow * shape.stride, p % ow * shape.stride);
        for (ky, line) in patch.chunks_exact_mut(run).enumerate() {
            let from = ((i + ky) * width + j) * shape.cin;
            line.copy_from_slice(&padded[from..from + run]);
        }
    }
}

/// Bias gradient `[cout]`: the output gradient summed over images and positions.
pub fn bias_gradient(channels: usize, positions: usize, dy: &[f32], db: &mut [f32]) {
    db.fill(0.0);
    for image in dy.chunks_exact(channels * positions) {
        for (d, plane) in db.iter_mut().zip(image.chunks_exact(positions)) {
            *d += plane.iter().sum::<f32>();
        }
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
            forward(&s, n, &x, &w, None, Rectify::None, &mut y);
            prop_assert!(close(&y, &naive(&s, n, &x, &w)));

            let mut expected = vec![0.0; x.len()];
            each(&s, n, |xi, wi, oi| expected[xi] += f64::from(w[wi]) * f64::from(dy[oi]));
            let weights = if uses_flipped_weight(&s) { flip_weight(&s, &w) } else { w.clone() };
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
            let mut y = vec![0.0; n * s.cout * oh * ow];
            forward(&s, n, &x, &w, Some(&b), Rectify::Relu, &mut y);
            let mut dx = vec![0.0; x.len()];
            let weights = if uses_flipped_weight(&s) { flip_weight(&s, &w) } else { w.clone() };
            input_gradient(&s, n, &y, &weights, &mut dx);
            for i in 0..n {
                let mut one = vec![0.0; s.cout * oh * ow];
                forward(&s, 1, &x[i * image..][..image], &w, Some(&b), Rectify::Relu, &mut one);
                prop_assert_eq!(&one[..], &y[i * one.len()..][..one.len()]);
                let mut d = vec![0.0; image];
                input_gradient(&s, 1, &one, &weights, &mut d);
                prop_assert_eq!(&d[..], &dx[i * image..][..image]);
            }
        }
    }
}
