//! The direct sum: columns of the im2col matrix are built a tile and a block of taps at a time and multiplied at once, while
//! they are in the cache.

use std::ops::Range;

use super::{ConvShape, Rectify, finish, group, pad_into, unpad_from};
use crate::kernels::bfloat16;
use crate::kernels::gemm::{Left, Order, Start, View, pack, packed_len, product};
use crate::kernels::parallel::{Shared, for_each, threads, with_scratch};
use crate::kernels::simd::{MAX_LANES, vectorized};

/// Columns of a tile: a multiple of every instruction set's strips.
const TILE: usize = 96;
/// Taps whose columns are built at a time.
const BLOCK: usize = 256;
/// Room for whole-vector copies past the end of a row.
const SLACK: usize = 16;

/// The weights of a convolution in the order that its kernel reads.
#[derive(Debug)]
pub struct Weights<'a> {
    m: usize,
    k: usize,
    values: Values<'a>,
}

#[derive(Debug)]
enum Values<'a> {
    Plain(View<'a>),
    Panels(Vec<f32>),
    Rounded(bfloat16::Packed),
}

impl Weights<'static> {
    /// Of `[cout, cin, kh, kw]`, for [`forward`].
    pub fn ahead(shape: &ConvShape, weight: &[f32]) -> Self {
        Self::of(shape.cout, shape.depth(), View::rows(weight, shape.depth()))
    }

    /// Of `[cout, cin, kh, kw]`, for [`input_gradient`].
    pub fn back(shape: &ConvShape, weight: &[f32]) -> Self {
        if is_a_convolution(shape) {
            return Self::ahead(&shape.transposed(), &flip_weight(shape, weight));
        }
        Self::of(shape.depth(), shape.cout, View::transposed(weight, shape.depth()))
    }

    fn of(m: usize, k: usize, weight: View<'_>) -> Self {
        Self::rounded(m, k, weight).unwrap_or_else(|| {
            let mut panels = vec![0.0; packed_len(m, k)];
            pack(m, k, weight, &mut panels);
            Self { m, k, values: Values::Panels(panels) }
        })
    }

    fn rounded(m: usize, k: usize, weight: View<'_>) -> Option<Self> {
        let rounded = (m > 0 && k > 0).then(|| bfloat16::pack(m, k, weight, TILE)).flatten()?;
        Some(Self { m, k, values: Values::Rounded(rounded) })
    }
}

impl<'a> Weights<'a> {
    /// Those of a 1 × 1 kernel or of a stride, as they are: many models have more of them than of all others, and a second
    /// copy would save little time. For [`forward`], or `back` for [`input_gradient`]. None for other convolutions.
    pub fn in_place(shape: &ConvShape, weight: &'a [f32], back: bool) -> Option<Self> {
        if shape.taps() != 1 && (shape.stride == 1 || back && is_a_convolution(shape)) {
            return None;
        }
        let depth = shape.depth();
        let (m, k, view) = if back {
            (depth, shape.cout, View::transposed(weight, depth))
        } else {
            (shape.cout, depth, View::rows(weight, depth))
        };
        Some(Weights::rounded(m, k, view).unwrap_or(Self { m, k, values: Values::Plain(view) }))
    }

    /// Taps of a block, of `depth` in all: sums over rounded values are not taken in parts.
    fn deepest(&self, depth: usize) -> usize {
        match self.values {
            Values::Rounded(_) => depth,
            _ => BLOCK.min(depth),
        }
    }

    /// The product of some columns of the weights with a matrix whose rows are `pitch` apart, added to the result but for
    /// the first columns.
    fn times(&self, columns: Range<usize>, matrix: &[f32], result: &mut [f32], width: usize, pitch: usize) {
        let order = match &self.values {
            Values::Plain(view) => Order::Plain(*view),
            Values::Panels(panels) => Order::Panels(panels),
            Values::Rounded(weight) => {
                return bfloat16::product(weight, width, matrix, pitch, result, pitch, Start::Zero);
            }
        };
        let start = if columns.start == 0 { Start::Zero } else { Start::Accumulate };
        let left = Left { m: self.m, k: self.k, order };
        product(left, columns, width, View::rows(matrix, pitch), result, pitch, start);
    }
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

/// `out[n, cout, oh, ow] = x[n, cin, h, w] ⋆ weights + bias`, cut off as `rectify` says.
pub fn forward(
    shape: &ConvShape,
    images: usize,
    x: &[f32],
    weights: &Weights<'_>,
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
    // With fewer groups than threads the tiles of a group are shared out instead.
    let split = if groups < threads() { (group * positions).div_ceil(TILE).div_ceil(4).max(1) } else { 1 };
    let work = |first_image: usize, count: usize, padded: &[f32], tiles: std::ops::Range<usize>| {
        let columns = count * positions;
        let block = weights.deepest(depth);
        with_scratch((block + shape.cout) * TILE + SLACK, |scratch| {
            let (result, panel) = scratch.split_at_mut(shape.cout * TILE);
            let mut tile_runs = Vec::new();
            for tile in tiles {
                let start = tile * TILE;
                let width = TILE.min(columns - start);
                runs(shape, start, width, &mut tile_runs);
                let whole = width.next_multiple_of(MAX_LANES);
                for first in (0..depth).step_by(block) {
                    let columns = first..depth.min(first + block);
                    gather(&offsets[columns.clone()], &tile_runs, padded, panel);
                    weights.times(columns, panel, result, whole, TILE);
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
                weights.times(0..depth, source, target, positions, positions);
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

/// Input gradient, with the weights of [`Weights::back`].
pub fn input_gradient(shape: &ConvShape, images: usize, dy: &[f32], weights: &Weights<'_>, dx: &mut [f32]) {
    if is_a_convolution(shape) {
        forward(&shape.transposed(), images, dy, weights, None, Rectify::None, dx);
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
                    weights.times(0..shape.cout, gradient, panel, width.next_multiple_of(MAX_LANES), TILE);
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

/// Whether the input gradient is a plain convolution of the output gradient.
pub fn is_a_convolution(shape: &ConvShape) -> bool {
    let [kh, kw] = shape.kernel;
    let [top, left, bottom, right] = shape.pad;
    shape.stride == 1 && top < kh && bottom < kh && left < kw && right < kw
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
