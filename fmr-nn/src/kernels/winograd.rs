//! 3 × 3 convolution of stride 1 by minimal filtering, F(2 × 2, 3 × 3): a tile of 2 × 2 outputs costs 16
//! multiplications a pair of channels instead of 36.
//!
//! Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016. Patches of 4 × 4 inputs and the kernels are
//! transformed by small matrices of 0, ±1 and ±½; each of the 16 components is then a matrix product over the channels,
//! and the sums are transformed back. Rounding errors are about those of the direct sum: every transform is a few
//! additions. A tile is computed from its own patch alone, so that the bits depend neither on the batch nor on the threads.

use std::ops::Range;

use super::conv::{ConvShape, Rectify, TILE, finish, group};
use super::gemm::{Start, View, gemm_each};
use super::parallel::{Shared, for_each, threads, with_scratch};
use super::simd::{Isa, Lanes, MAX_LANES, Portable, isa, vectorized};

/// Components of a transformed patch.
const PARTS: usize = 16;
/// Output channels whose weights lie side by side: the rows of the product's register tile.
const ROWS: usize = 8;
/// Output channels whose sums are kept at a time.
const BLOCK: usize = 64;
/// Tiles that the transforms take at once, all of one image: a chunk.
const CHUNK: usize = MAX_LANES;
/// Chunks of a block, whose products are taken at once.
const CHUNKS: usize = TILE / CHUNK;

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
        let [top, left, ..] = shape.pad;
        vectorized(
            #[inline(always)]
            || {
                for (plane, source) in padded.chunks_exact_mut(self.plane()).zip(x.chunks_exact(h * w)) {
                    let (upper, lower) = plane.split_at_mut(2 * self.quarter());
                    for (parity, half) in [upper, lower].into_iter().enumerate() {
                        let (even, odd) = half.split_at_mut(self.quarter());
                        let rows = even.chunks_exact_mut(self.pitch()).zip(odd.chunks_exact_mut(self.pitch()));
                        for (i, (even, odd)) in rows.enumerate() {
                            let y = (2 * i + parity).wrapping_sub(top);
                            let line = source.get(y.saturating_mul(w)..).and_then(|s| s.get(..w));
                            spread(line.unwrap_or(&[]), left, even, odd);
                        }
                    }
                }
            },
        );
    }
}

/// A row with `left` zeros before it and zeros after it, split by column parity.
#[inline(always)]
fn spread(line: &[f32], left: usize, even: &mut [f32], odd: &mut [f32]) {
    let (first, second) = if left.is_multiple_of(2) { (even, odd) } else { (odd, even) };
    let (pairs, last) = line.as_chunks::<2>();
    let (first_before, first) = first.split_at_mut(left / 2);
    let (second_before, second) = second.split_at_mut(left.div_ceil(2));
    first_before.fill(0.0);
    second_before.fill(0.0);
    let (first_values, first_rest) = first.split_at_mut(pairs.len());
    let (second_values, second_rest) = second.split_at_mut(pairs.len());
    for ((a, b), [x, y]) in first_values.iter_mut().zip(second_values).zip(pairs) {
        (*a, *b) = (*x, *y);
    }
    first_rest.fill(0.0);
    second_rest.fill(0.0);
    first_rest.iter_mut().zip(last).for_each(|(to, v)| *to = *v);
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
        let (part, sums) = (cin * TILE, BLOCK.min(cout.next_multiple_of(ROWS)) * TILE);
        with_scratch(PARTS * (part + sums), |scratch| {
            let (inputs, products) = scratch.split_at_mut(PARTS * part);
            for block in blocks {
                let numbers = block * CHUNKS..((block + 1) * CHUNKS).min(total);
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
        let (cin, plane) = (self.shape.cin, self.grid.plane());
        assert!(inputs.len() >= PARTS * cin * TILE && chunks.len() <= CHUNKS);
        for (k, chunk) in chunks.iter().enumerate() {
            let first = chunk.image * cin * plane;
            // The farthest read: the last channel's last quarter, a row and a place on, two vectors from the origin.
            assert!(first + cin * plane + 2 * MAX_LANES <= padded.len() && chunk.origin < self.grid.quarter());
            let job = InputJob {
                cin,
                grid: self.grid,
                chunk,
                padded: padded[first..].as_ptr(),
                inputs: inputs[k * CHUNK..].as_mut_ptr(),
            };
            // SAFETY: the assertions bound every access, and the instruction set is the detected one.
            unsafe {
                match isa() {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => inputs_avx512(&job),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => inputs_avx2(&job),
                    _ => job.run::<Portable>(),
                }
            }
        }
    }

    /// One product a component: the sums over the input channels.
    fn multiply(&self, channels: Range<usize>, width: usize, inputs: &[f32], products: &mut [f32]) {
        let cin = self.shape.cin;
        let (weights, sums) = (self.transformed.len() / PARTS, products.len() / PARTS);
        for component in 0..PARTS {
            let inputs = &inputs[component * cin * TILE..][..cin * TILE];
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
        let [oh, ow] = self.shape.output();
        let sums = products.len() / PARTS;
        assert!(channels.len() * TILE <= sums && chunks.len() <= CHUNKS);
        vectorized(
            #[inline(always)]
            || {
                for (k, chunk) in chunks.iter().enumerate() {
                    for (r, channel) in channels.clone().enumerate() {
                        let bias = self.bias.map_or(0.0, |b| b[channel]);
                        let products = products[r * TILE + k * CHUNK..].as_ptr();
                        let mut rows = [[0.0; 2 * CHUNK]; 2];
                        // SAFETY: the assertion bounds every access, and the instruction set is the detected one.
                        unsafe {
                            match isa() {
                                #[cfg(target_arch = "x86_64")]
                                Isa::Avx512 => outputs_avx512(products, sums, bias, self.rectify, &mut rows),
                                #[cfg(target_arch = "x86_64")]
                                Isa::Avx2 => outputs_avx2(products, sums, bias, self.rectify, &mut rows),
                                _ => outputs::<Portable>(products, sums, bias, self.rectify, &mut rows),
                            }
                        }
                        let plane = ((first + chunk.image) * self.shape.cout + channel) * oh * ow;
                        for [lane, len, i, j] in chunk.runs.iter().copied() {
                            let len = (2 * len).min(ow - 2 * j);
                            for (y, row) in rows.iter().enumerate().take(oh - 2 * i) {
                                // SAFETY: every output position belongs to one tile of one block.
                                let to = unsafe { out.slice(plane + (2 * i + y) * ow + 2 * j, len) };
                                copy(&row[2 * lane..2 * lane + len], to);
                            }
                        }
                    }
                }
            },
        );
    }
}

/// A copy of a few values, without a call.
#[inline(always)]
fn copy(from: &[f32], to: &mut [f32]) {
    let (eights, rest) = from.as_chunks::<8>();
    let (to_eights, to_rest) = to.as_chunks_mut::<8>();
    to_eights.iter_mut().zip(eights).for_each(|(to, from)| *to = *from);
    to_rest.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
}

/// Bᵀ·d·B of a chunk's patches in every channel.
struct InputJob<'a> {
    cin: usize,
    grid: Grid,
    chunk: &'a Chunk,
    padded: *const f32,
    inputs: *mut f32,
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn inputs_avx512(job: &InputJob<'_>) {
    // SAFETY: the caller of this function checked the buffers; the feature is enabled here.
    unsafe { job.run::<std::arch::x86_64::__m512>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn inputs_avx2(job: &InputJob<'_>) {
    // SAFETY: as in `inputs_avx512`.
    unsafe { job.run::<std::arch::x86_64::__m256>() }
}

impl InputJob<'_> {
    /// # Safety
    /// `cin` planes and two vectors must be readable at `padded`, the components of a block writable at `inputs`, and the
    /// instruction set of `V` available.
    #[inline(always)]
    unsafe fn run<V: Lanes>(&self) {
        let (quarter, pitch) = (self.grid.quarter(), self.grid.pitch());
        for channel in 0..self.cin {
            for half in (0..CHUNK).step_by(V::N) {
                // SAFETY: by the contract.
                unsafe {
                    let plane = self.padded.add(channel * self.grid.plane() + self.chunk.origin);
                    let at = self.chunk.at.as_ptr().add(half);
                    let patch = |y: usize, x: usize| {
                        let p = plane.add((y % 2 * 2 + x % 2) * quarter + y / 2 * pitch + x / 2);
                        if self.chunk.straight { V::load(p.add(half)) } else { V::pick(p, at) }
                    };
                    // Closures around additions would keep these from being inlined: they lack the instruction set.
                    let mut rows = [[V::splat(0.0); 4]; 4];
                    let [r0, r1, r2, r3] = &mut rows;
                    for (x, (((r0, r1), r2), r3)) in r0.iter_mut().zip(r1).zip(r2).zip(r3).enumerate() {
                        let [d0, d1, d2, d3] = [patch(0, x), patch(1, x), patch(2, x), patch(3, x)];
                        *r0 = d0.sub(d2);
                        *r1 = d1.add(d2);
                        *r2 = d2.sub(d1);
                        *r3 = d1.sub(d3);
                    }
                    let to = self.inputs.add(channel * TILE + half);
                    for (y, [c0, c1, c2, c3]) in rows.into_iter().enumerate() {
                        for (x, v) in [c0.sub(c2), c1.add(c2), c2.sub(c1), c1.sub(c3)].into_iter().enumerate() {
                            v.store(to.add((4 * y + x) * self.cin * TILE));
                        }
                    }
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn outputs_avx512(products: *const f32, sums: usize, bias: f32, rectify: Rectify, rows: &mut [[f32; 2 * CHUNK]; 2]) {
    // SAFETY: the caller of this function checked the buffers; the feature is enabled here.
    unsafe { outputs::<std::arch::x86_64::__m512>(products, sums, bias, rectify, rows) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn outputs_avx2(products: *const f32, sums: usize, bias: f32, rectify: Rectify, rows: &mut [[f32; 2 * CHUNK]; 2]) {
    // SAFETY: as in `outputs_avx512`.
    unsafe { outputs::<std::arch::x86_64::__m256>(products, sums, bias, rectify, rows) }
}

/// Aᵀ·m·A of a chunk's sums: its upper and its lower row of outputs.
///
/// # Safety
/// A chunk must be readable at `products` and at each multiple of `sums` beyond, and the instruction set of `V` available.
#[inline(always)]
unsafe fn outputs<V: Lanes>(
    products: *const f32,
    sums: usize,
    bias: f32,
    rectify: Rectify,
    rows: &mut [[f32; 2 * CHUNK]; 2],
) {
    // Even and odd columns of both rows.
    let mut columns = [[[0.0; CHUNK]; 2]; 2];
    for half in (0..CHUNK).step_by(V::N) {
        // SAFETY: by the contract.
        unsafe {
            let m = |y: usize, x: usize| V::load(products.add((4 * y + x) * sums + half));
            let mut halves = [[V::splat(0.0); 4]; 2];
            let [upper, lower] = &mut halves;
            for (x, (upper, lower)) in upper.iter_mut().zip(lower).enumerate() {
                let [m0, m1, m2, m3] = [m(0, x), m(1, x), m(2, x), m(3, x)];
                *upper = m0.add(m1.add(m2));
                *lower = m1.sub(m2).sub(m3);
            }
            for ([c0, c1, c2, c3], columns) in halves.into_iter().zip(&mut columns) {
                c0.add(c1.add(c2)).store(columns[0].as_mut_ptr().add(half));
                c1.sub(c2).sub(c3).store(columns[1].as_mut_ptr().add(half));
            }
        }
    }
    for (row, [even, odd]) in rows.iter_mut().zip(&columns) {
        for (pair, (even, odd)) in row.chunks_exact_mut(2).zip(even.iter().zip(odd)) {
            pair[0] = *even;
            pair[1] = *odd;
        }
        finish(row, bias, rectify);
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
