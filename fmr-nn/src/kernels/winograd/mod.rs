//! 3 × 3 convolution of stride 1 by minimal filtering, F(2 × 2, 3 × 3): a tile of 2 × 2 outputs costs 16
//! multiplications a pair of channels instead of 36.
//!
//! Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016. Patches of 4 × 4 inputs and the kernels are
//! transformed by small matrices of 0, ±1 and ±½; each of the 16 components is then a matrix product over the channels,
//! and the sums are transformed back. Rounding errors are about those of the direct sum: every transform is a few
//! additions. A tile is computed from its own patch alone, so that the bits depend neither on the batch nor on the threads.

mod transforms;

use std::ops::Range;

use super::conv::{ConvShape, Rectify, group};
use super::gemm::{Start, View, gemm_each};
use super::parallel::{Shared, for_each, threads, with_scratch};
use super::simd::{MAX_LANES, dispatch};
use transforms::{InputJob, OutputJob, PadJob};

/// Components of a transformed patch.
const PARTS: usize = 16;
/// Output channels whose weights lie side by side: the rows of the product's register tile.
const ROWS: usize = 8;
/// Output channels whose sums are kept at a time.
const BLOCK: usize = 64;
/// Tiles that the transforms take at once, all of one image: a chunk.
const CHUNK: usize = MAX_LANES;
/// Chunks of a block, whose products are taken at once.
const CHUNKS: usize = 3;
/// Tiles of a block: three AVX-512 vectors.
const TILE: usize = CHUNKS * CHUNK;
/// Floats between components, a line of the cache: at distances that are powers of two they would displace each other.
const GAP: usize = 16;

/// Whether the convolution can be computed here, and gains by it.
pub fn suits(shape: &ConvShape) -> bool {
    let grid = Grid::of(shape);
    shape.kernel == [3, 3] && shape.stride == 1 && shape.cin >= 16 && grid.high * grid.wide >= CHUNK
}

/// Weights `[cout, cin, 3, 3]` as [`forward`] reads them: component by component, eight output channels side by side.
pub fn transform(shape: &ConvShape, weight: &[f32]) -> Vec<f32> {
    let (cin, cout) = (shape.cin, shape.cout);
    let part = cout.div_ceil(ROWS) * cin * ROWS;
    let mut out = vec![0.0; PARTS * part];
    let expand = |[a, b, c]: [f32; 3]| [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c];
    for (o, filter) in weight.chunks_exact(cin * 9).enumerate() {
        for (i, taps) in filter.chunks_exact(9).enumerate() {
            let columns = [0, 1, 2].map(|x| expand([taps[x], taps[3 + x], taps[6 + x]]));
            let at = (o / ROWS * cin + i) * ROWS + o % ROWS;
            for y in 0..4 {
                for (x, value) in expand([columns[0][y], columns[1][y], columns[2][y]]).into_iter().enumerate() {
                    out[(4 * y + x) * part + at] = value;
                }
            }
        }
    }
    out
}

/// `out[n, cout, oh, ow] = x[n, cin, h, w] ⋆ weight + bias`, cut off as `rectify` says, with the weights of [`transform`].
///
/// # Panics
/// If the shape does not [suit](suits) or a slice is too short for it.
pub fn forward(
    shape: &ConvShape,
    images: usize,
    x: &[f32],
    transformed: &[f32],
    bias: Option<&[f32]>,
    rectify: Rectify,
    out: &mut [f32],
) {
    assert!(suits(shape), "no shape for minimal filtering: {shape:?}");
    let grid = Grid::of(shape);
    let input_len = shape.cin * shape.input[0] * shape.input[1];
    let output_len = shape.cout * shape.output().iter().product::<usize>();
    assert!(x.len() >= images * input_len && out.len() >= images * output_len, "images too short");
    assert!(transformed.len() == PARTS * shape.cout.div_ceil(ROWS) * ROWS * shape.cin, "weights of another shape");
    let layer = Layer { shape, grid, transformed, bias, rectify };
    let shared = Shared::new(out);
    let group = group(images, grid.high * grid.wide);
    let groups = images.div_ceil(group);
    // With fewer groups than threads the blocks of a group are shared out instead.
    let split = if groups < threads() { (group * grid.chunks()).div_ceil(2 * CHUNKS) } else { 1 };
    for_each(groups, |g| {
        let first = g * group;
        let count = group.min(images - first);
        let len = count * shape.cin * grid.plane();
        // Chunks read whole vectors beyond the last plane.
        with_scratch(len + 2 * MAX_LANES, |padded| {
            padded[len..].fill(0.0);
            grid.pad_into(shape, &x[first * input_len..][..count * input_len], &mut padded[..len]);
            let padded = &*padded;
            let blocks = (count * grid.chunks()).div_ceil(CHUNKS);
            let share = blocks.div_ceil(split);
            for_each(split, |part| {
                let range = (part * share).min(blocks)..((part + 1) * share).min(blocks);
                layer.run(first, count, padded, range, &shared);
            });
        });
    });
}

/// The tiles of an image.
#[derive(Clone, Copy)]
struct Grid {
    high: usize,
    wide: usize,
}

impl Grid {
    fn of(shape: &ConvShape) -> Self {
        let [oh, ow] = shape.output();
        Self { high: oh.div_ceil(2), wide: ow.div_ceil(2) }
    }

    fn chunks(self) -> usize {
        (self.high * self.wide).div_ceil(CHUNK)
    }

    /// Distance of rows of a quarter plane; a tile reads its own place and the next one.
    fn pitch(self) -> usize {
        self.wide + 1
    }

    fn quarter(self) -> usize {
        (self.high + 1) * self.pitch()
    }

    /// Floats of a padded channel.
    fn plane(self) -> usize {
        4 * self.quarter()
    }

    /// Copies planes with their padding, split by the parities of row and column: what tiles in a row read at one place of
    /// their patches then lies side by side.
    fn pad_into(self, shape: &ConvShape, x: &[f32], padded: &mut [f32]) {
        let [h, w] = shape.input;
        let planes = padded.len() / self.plane();
        assert!(x.len() >= planes * h * w, "images too short");
        let job = PadJob {
            grid: self,
            input: shape.input,
            pad: shape.pad,
            planes,
            x: x.as_ptr(),
            padded: padded.as_mut_ptr(),
        };
        // SAFETY: the assertion and the division bound every access.
        unsafe { dispatch(&job) };
    }
}

/// Sixteen tiles of an image, or its last ones.
struct Chunk {
    /// Image in the group.
    image: usize,
    /// Place of the first tile in a quarter plane.
    origin: usize,
    /// Distances of the tiles' places from it: less than two vectors.
    at: [i32; CHUNK],
    /// Whether these count from 0 to 15.
    straight: bool,
    /// Runs of tiles in a row: first lane, length, row and column of the first tile.
    runs: Vec<[usize; 4]>,
}

impl Chunk {
    fn new(grid: Grid, number: usize) -> Self {
        let first = number % grid.chunks() * CHUNK;
        let place = |tile: usize| tile / grid.wide * grid.pitch() + tile % grid.wide;
        let last = (grid.high * grid.wide).min(first + CHUNK);
        let origin = place(first);
        let at = std::array::from_fn(|lane| (place((first + lane).min(last - 1)) - origin) as i32);
        let mut runs = Vec::new();
        let mut tile = first;
        while tile < last {
            let column = tile % grid.wide;
            let len = (grid.wide - column).min(last - tile);
            runs.push([tile - first, len, tile / grid.wide, column]);
            tile += len;
        }
        let straight = runs.len() == 1;
        Self { image: number / grid.chunks(), origin, at, straight, runs }
    }
}

struct Layer<'a> {
    shape: &'a ConvShape,
    grid: Grid,
    transformed: &'a [f32],
    bias: Option<&'a [f32]>,
    rectify: Rectify,
}

impl Layer<'_> {
    /// Blocks of a group of `count` images that begins with image `first`.
    fn run(&self, first: usize, count: usize, padded: &[f32], blocks: Range<usize>, out: &Shared) {
        let (cin, cout) = (self.shape.cin, self.shape.cout);
        let total = count * self.grid.chunks();
        let all = total.div_ceil(CHUNKS);
        let (part, sums) = (cin * TILE + GAP, BLOCK.min(cout.next_multiple_of(ROWS)) * TILE + GAP);
        with_scratch(PARTS * (part + sums), |scratch| {
            let (inputs, products) = scratch.split_at_mut(PARTS * part);
            for block in blocks {
                // Blocks of nearly the same size: narrow products are slower.
                let numbers = block * total / all..(block + 1) * total / all;
                let chunks: Vec<Chunk> = numbers.map(|number| Chunk::new(self.grid, number)).collect();
                self.transform_inputs(&chunks, padded, inputs);
                for channel in (0..cout).step_by(BLOCK) {
                    let channels = channel..(channel + BLOCK).min(cout);
                    self.multiply(channels.clone(), chunks.len() * CHUNK, inputs, products);
                    self.transform_outputs(channels, first, &chunks, products, out);
                }
            }
        });
    }

    fn transform_inputs(&self, chunks: &[Chunk], padded: &[f32], inputs: &mut [f32]) {
        let (cin, plane, part) = (self.shape.cin, self.grid.plane(), inputs.len() / PARTS);
        assert!(part >= cin * TILE && chunks.len() <= CHUNKS);
        for (k, chunk) in chunks.iter().enumerate() {
            let first = chunk.image * cin * plane;
            // The farthest read: the last channel's last quarter, a row and a place on, two vectors from the origin.
            assert!(first + cin * plane + 2 * MAX_LANES <= padded.len() && chunk.origin < self.grid.quarter());
            let job = InputJob {
                cin,
                grid: self.grid,
                part,
                chunk,
                padded: padded[first..].as_ptr(),
                inputs: inputs[k * CHUNK..].as_mut_ptr(),
            };
            // SAFETY: the assertions bound every access.
            unsafe { dispatch(&job) };
        }
    }

    /// One product a component: the sums over the input channels.
    fn multiply(&self, channels: Range<usize>, width: usize, inputs: &[f32], products: &mut [f32]) {
        let cin = self.shape.cin;
        let [weights, part, sums] = [self.transformed.len(), inputs.len(), products.len()].map(|len| len / PARTS);
        for component in 0..PARTS {
            let inputs = &inputs[component * part..][..cin * TILE];
            let groups = channels.start / ROWS..channels.end.div_ceil(ROWS);
            let weight = &self.transformed[component * weights + groups.start * cin * ROWS..];
            let weight = View { data: weight, row: 1, col: ROWS };
            let (to, steps) = (&mut products[component * sums..][..sums], [cin * ROWS, ROWS * TILE]);
            gemm_each(groups.len(), steps, ROWS, width, cin, weight, inputs, TILE, to, TILE, Start::Zero);
        }
    }

    /// Sums transformed back, finished and put where they belong.
    fn transform_outputs(
        &self,
        channels: Range<usize>,
        first: usize,
        chunks: &[Chunk],
        products: &[f32],
        out: &Shared,
    ) {
        let sums = products.len() / PARTS;
        assert!(channels.len() * TILE <= sums && chunks.len() <= CHUNKS);
        for (k, chunk) in chunks.iter().enumerate() {
            let job = OutputJob {
                products: products[k * CHUNK..].as_ptr(),
                sums,
                bias: self.bias.map(|b| &b[channels.clone()]),
                channels: channels.len(),
                rectify: self.rectify,
                chunk,
                size: self.shape.output(),
                plane: (first + chunk.image) * self.shape.cout + channels.start,
                out,
            };
            // SAFETY: the assertion bounds every access.
            unsafe { dispatch(&job) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::conv;
    use proptest::prelude::*;

    fn values(len: usize, seed: u32) -> Vec<f32> {
        let mut s = seed.wrapping_mul(0x9E37_79B9) | 1;
        (0..len)
            .map(|_| {
                s ^= s << 13;
                s ^= s >> 17;
                s ^= s << 5;
                (s >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    fn shapes() -> impl Strategy<Value = (ConvShape, usize)> {
        (16usize..20, 1usize..75, 3usize..34, 3usize..34, proptest::array::uniform4(0usize..3), 1usize..6)
            .prop_map(|(cin, cout, h, w, pad, n)| {
                (ConvShape { cin, cout, input: [h, w], kernel: [3, 3], stride: 1, pad }, n)
            })
            .prop_filter("too few outputs", |(s, _)| suits(s))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn equals_the_direct_sum((s, n) in shapes(), biased: bool, seed: u32) {
            let [oh, ow] = s.output();
            let x = values(n * s.cin * s.input[0] * s.input[1], seed);
            let w = values(s.cout * s.depth(), seed ^ 77);
            let b = values(s.cout, seed ^ 3);
            let bias = biased.then_some(&b[..]);
            let (mut fast, mut direct) = (vec![0.0; n * s.cout * oh * ow], vec![0.0; n * s.cout * oh * ow]);
            forward(&s, n, &x, &transform(&s, &w), bias, Rectify::Relu, &mut fast);
            conv::forward(&s, n, &x, &w, bias, Rectify::Relu, &mut direct);
            for (a, b) in fast.iter().zip(&direct) {
                prop_assert!((a - b).abs() < 1e-4, "{a} instead of {b}");
            }
        }

        #[test]
        fn bits_do_not_depend_on_the_batch((s, n) in shapes(), seed: u32) {
            let [oh, ow] = s.output();
            let image = s.cin * s.input[0] * s.input[1];
            let x = values(n * image, seed);
            let w = transform(&s, &values(s.cout * s.depth(), seed ^ 77));
            let mut y = vec![0.0; n * s.cout * oh * ow];
            forward(&s, n, &x, &w, None, Rectify::None, &mut y);
            for i in 0..n {
                let mut one = vec![0.0; s.cout * oh * ow];
                forward(&s, 1, &x[i * image..][..image], &w, None, Rectify::None, &mut one);
                prop_assert_eq!(&one[..], &y[i * one.len()..][..one.len()]);
            }
        }

        #[test]
        fn bits_do_not_depend_on_the_threads((s, n) in shapes(), seed: u32) {
            let [oh, ow] = s.output();
            let x = values(n * s.cin * s.input[0] * s.input[1], seed);
            let w = transform(&s, &values(s.cout * s.depth(), seed ^ 77));
            let (mut many, mut one) = (vec![0.0; n * s.cout * oh * ow], vec![0.0; n * s.cout * oh * ow]);
            forward(&s, n, &x, &w, None, Rectify::None, &mut many);
            crate::kernels::parallel::run_serially_on_this_thread(true);
            forward(&s, n, &x, &w, None, Rectify::None, &mut one);
            crate::kernels::parallel::run_serially_on_this_thread(false);
            prop_assert_eq!(many, one);
        }
    }
}
