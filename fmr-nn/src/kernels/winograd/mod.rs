//! 3 × 3 convolution of stride 1 by minimal filtering: a tile of 2 × 2 outputs costs 16 multiplications a pair of channels
//! instead of 36, one of 4 × 4 outputs costs 36 instead of 144.
//!
//! Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016. Patches of inputs and the kernels are
//! transformed by small matrices; each component is then a matrix product over the channels, and the sums
//! are transformed back. A tile is computed from its own patch alone, so that the bits depend neither on the batch nor on
//! the threads.

mod grid;
mod matrices;
mod transforms;

use std::cell::Cell;
use std::ops::Range;

use super::conv::{ConvShape, Rectify, group};
use super::gemm::{Left, Order, Start, View, pack, packed_len, product};
use super::parallel::{Shared, for_each, threads, with_scratch};
use super::simd::{MAX_LANES, dispatch};
use grid::{CHUNK, Chunk, Grid};
use transforms::{InputJob, OutputJob};

/// Output channels whose sums are kept at a time, and whose weights lie together.
const BLOCK: usize = 64;
/// Chunks of a block, whose products are taken at once: a strip of the widest product.
const CHUNKS: usize = 3;
/// Floats of transformed weights that stay in the cache from block to block; more are read for larger blocks.
const LIGHT: usize = 1 << 20;
/// Floats between components, a line of the cache: at distances that are powers of two they would displace each other.
const GAP: usize = 16;

/// Size of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tile {
    /// 2 × 2 outputs: rounding errors about those of the direct sum.
    Two,
    /// 4 × 4 outputs: fewest products; rounding errors about twice those of the direct sum.
    Four,
}

impl Tile {
    fn side(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// Components of a transformed patch.
    fn parts(self) -> usize {
        (self.side() + 2) * (self.side() + 2)
    }
}

thread_local! {
    /// The largest tile that this thread may use.
    static LARGEST: Cell<Option<Tile>> = const { Cell::new(Some(Tile::Four)) };
}

/// Forbids larger tiles than this on this thread from now on; none forbids minimal filtering.
pub fn limit_this_thread(largest: Option<Tile>) {
    LARGEST.set(largest);
}

/// The tile with which a convolution is computed fastest; none where the direct sum is better, or alone suits the shape.
pub fn tile(shape: &ConvShape) -> Option<Tile> {
    let allowed = |tile: Tile| LARGEST.get().is_some_and(|largest| tile <= largest);
    if shape.kernel != [3, 3] || shape.stride != 1 || shape.cin < 16 {
        return None;
    }
    let (two, four) = (Grid::<2>::of(shape).tiles(), Grid::<4>::of(shape).tiles());
    // Weights for large tiles take four times the memory of plain ones: few of them, or often used.
    let enough = match shape.cin * shape.cout {
        pairs if pairs <= 128 * 128 => CHUNK,
        pairs if pairs <= 256 * 256 => 2 * CHUNKS * CHUNK,
        _ => usize::MAX,
    };
    if four >= enough && allowed(Tile::Four) {
        return Some(Tile::Four);
    }
    (two >= CHUNK && allowed(Tile::Two)).then_some(Tile::Two)
}

/// The weights of a convolution as [`forward`] reads them: a block of output channels after the other, in it component by
/// component, each laid out for a product.
#[derive(Debug)]
pub struct Weights {
    tile: Tile,
    panels: Vec<f32>,
}

impl Weights {
    /// Of `[cout, cin, 3, 3]`, for tiles of a size.
    ///
    /// # Panics
    /// If the kernel is not 3 × 3.
    pub fn new(shape: &ConvShape, tile: Tile, weight: &[f32]) -> Self {
        assert!(shape.kernel == [3, 3] && shape.stride == 1, "no shape for minimal filtering: {shape:?}");
        let panels = match tile {
            Tile::Two => transform::<2>(shape, weight),
            Tile::Four => transform::<4>(shape, weight),
        };
        Self { tile, panels }
    }

    fn len(tile: Tile, shape: &ConvShape) -> usize {
        let (whole, rest) = (shape.cout / BLOCK, shape.cout % BLOCK);
        tile.parts() * (whole * packed_len(BLOCK, shape.cin) + packed_len(rest, shape.cin))
    }
}

fn transform<const M: usize>(shape: &ConvShape, weight: &[f32]) -> Vec<f32> {
    let cin = shape.cin;
    let edge = M + 2;
    let mut out = Vec::with_capacity(edge * edge * packed_len(shape.cout, cin));
    let mut components = vec![0.0; edge * edge * BLOCK * cin];
    for filters in weight.chunks(BLOCK * cin * 9) {
        let channels = filters.len() / (cin * 9);
        for (at, taps) in filters.chunks_exact(9).enumerate() {
            let columns = [0, 1, 2].map(|x| matrices::weights::<M>([0, 3, 6].map(|y| f64::from(taps[y + x]))));
            for y in 0..edge {
                let row = matrices::weights::<M>([0, 1, 2].map(|x: usize| columns[x][y]));
                for (x, value) in row.into_iter().enumerate().take(edge) {
                    components[(edge * y + x) * BLOCK * cin + at] = value as f32;
                }
            }
        }
        for component in components.chunks_exact(BLOCK * cin) {
            let first = out.len();
            out.resize(first + packed_len(channels, cin), 0.0);
            pack(channels, cin, View::rows(component, cin), &mut out[first..]);
        }
    }
    out
}

/// `out[n, cout, oh, ow] = x[n, cin, h, w] ⋆ weights + bias`, cut off as `rectify` says.
///
/// # Panics
/// If the weights are of a different shape or a slice is too short for it.
pub fn forward(
    shape: &ConvShape,
    images: usize,
    x: &[f32],
    weights: &Weights,
    bias: Option<&[f32]>,
    rectify: Rectify,
    out: &mut [f32],
) {
    let input_len = shape.cin * shape.input[0] * shape.input[1];
    let output_len = shape.cout * shape.output().iter().product::<usize>();
    assert!(x.len() >= images * input_len && out.len() >= images * output_len, "images too short");
    assert!(weights.panels.len() == Weights::len(weights.tile, shape), "weights of a different shape");
    if images == 0 || output_len == 0 {
        return;
    }
    let (panels, out) = (&weights.panels[..], Shared::new(out));
    match weights.tile {
        Tile::Two => Layer::<2> { shape, panels, bias, rectify, out }.run(images, x),
        Tile::Four => Layer::<4> { shape, panels, bias, rectify, out }.run(images, x),
    }
}

struct Layer<'a, const M: usize> {
    shape: &'a ConvShape,
    panels: &'a [f32],
    bias: Option<&'a [f32]>,
    rectify: Rectify,
    out: Shared,
}

impl<const M: usize> Layer<'_, M> {
    const PARTS: usize = (M + 2) * (M + 2);

    fn run(&self, images: usize, x: &[f32]) {
        let whole = Grid::<M>::of(self.shape);
        // Small images are taken together; large ones, and those that are fewer than threads, in bands of rows.
        let group = group(images, whole.tiles());
        let groups = images.div_ceil(group);
        let rows = whole.band(if groups < threads() { threads() } else { 1 });
        let bands = if group == 1 { whole.high.div_ceil(rows) } else { 1 };
        let input_len = self.shape.cin * self.shape.input[0] * self.shape.input[1];
        for_each(groups * bands, |task| {
            let first = task / bands * group;
            let count = group.min(images - first);
            let grid = if group == 1 { whole.rows(task % bands * rows, rows) } else { whole };
            let len = count * self.shape.cin * grid.plane();
            // Chunks read whole vectors beyond the last plane.
            with_scratch(len + 2 * MAX_LANES, |padded| {
                padded[len..].fill(0.0);
                grid.pad_into(self.shape, &x[first * input_len..][..count * input_len], &mut padded[..len]);
                self.group(grid, first, count, padded);
            });
        });
    }

    /// The blocks of a group of `count` images that begins with image `first`.
    fn group(&self, grid: Grid<M>, first: usize, count: usize, padded: &[f32]) {
        let (cin, cout) = (self.shape.cin, self.shape.cout);
        let chunks = count * grid.chunks();
        let most = if self.panels.len() > LIGHT { 2 * CHUNKS } else { CHUNKS };
        let (blocks, tiles) = (chunks.div_ceil(most), most * CHUNK);
        let (part, sums) = (cin * tiles + GAP, BLOCK.min(cout) * tiles + GAP);
        with_scratch(Self::PARTS * (part + sums), |scratch| {
            let (inputs, products) = scratch.split_at_mut(Self::PARTS * part);
            for block in 0..blocks {
                // Blocks of nearly the same size: narrow products are slower.
                let numbers = block * chunks / blocks..(block + 1) * chunks / blocks;
                let chunks: Vec<Chunk> = numbers.map(|number| Chunk::new(grid, number)).collect();
                self.transform_inputs(grid, &chunks, tiles, padded, inputs);
                for channel in (0..cout).step_by(BLOCK) {
                    let channels = channel..(channel + BLOCK).min(cout);
                    self.multiply(channels.clone(), tiles, chunks.len() * CHUNK, inputs, products);
                    self.transform_outputs(grid, channels, first, &chunks, tiles, products);
                }
            }
        });
    }

    fn transform_inputs(&self, grid: Grid<M>, chunks: &[Chunk], tiles: usize, padded: &[f32], inputs: &mut [f32]) {
        let (cin, plane, part) = (self.shape.cin, grid.plane(), inputs.len() / Self::PARTS);
        assert!(part >= cin * tiles && chunks.len() * CHUNK <= tiles);
        for (k, chunk) in chunks.iter().enumerate() {
            let first = chunk.image * cin * plane;
            // The farthest read: the last channel's last phase, a row and a place on, two vectors from the origin.
            assert!(first + cin * plane + 2 * MAX_LANES <= padded.len() && chunk.origin < grid.phase());
            let (padded, inputs) = (padded[first..].as_ptr(), inputs[k * CHUNK..].as_mut_ptr());
            let job = InputJob { cin, grid, part, tiles, chunk, padded, inputs };
            // SAFETY: the assertions bound every access.
            unsafe { dispatch(&job) };
        }
    }

    /// One product a component: the sums over the input channels.
    fn multiply(&self, channels: Range<usize>, tiles: usize, width: usize, inputs: &[f32], products: &mut [f32]) {
        let cin = self.shape.cin;
        let [part, sums] = [inputs.len(), products.len()].map(|len| len / Self::PARTS);
        // The blocks before this one are whole.
        let first = channels.start / BLOCK * Self::PARTS * packed_len(BLOCK, cin);
        let len = packed_len(channels.len(), cin);
        for component in 0..Self::PARTS {
            let inputs = &inputs[component * part..][..cin * tiles];
            let panels = &self.panels[first + component * len..][..len];
            let weight = Left { m: channels.len(), k: cin, order: Order::Panels(panels) };
            let to = &mut products[component * sums..][..sums];
            product(weight, 0..cin, width, View::rows(inputs, tiles), to, tiles, Start::Zero);
        }
    }

    /// Sums transformed back, finished and put where they belong.
    fn transform_outputs(
        &self,
        grid: Grid<M>,
        channels: Range<usize>,
        first: usize,
        chunks: &[Chunk],
        tiles: usize,
        products: &[f32],
    ) {
        let sums = products.len() / Self::PARTS;
        assert!(channels.len() * tiles <= sums && chunks.len() * CHUNK <= tiles);
        for (k, chunk) in chunks.iter().enumerate() {
            let job = OutputJob {
                products: products[k * CHUNK..].as_ptr(),
                sums,
                tiles,
                bias: self.bias.map(|b| &b[channels.clone()]),
                channels: channels.len(),
                rectify: self.rectify,
                chunk,
                grid,
                size: self.shape.output(),
                plane: (first + chunk.image) * self.shape.cout + channels.start,
                out: &self.out,
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
        (16usize..20, 1usize..75, 3usize..70, 3usize..70, proptest::array::uniform4(0usize..3), 1usize..6).prop_map(
            |(cin, cout, h, w, pad, n)| (ConvShape { cin, cout, input: [h, w], kernel: [3, 3], stride: 1, pad }, n),
        )
    }

    #[test]
    fn the_tile_fits_shape_and_limit() {
        let shape = |channels: usize, side: usize, kernel: usize, stride: usize| ConvShape {
            cin: channels,
            cout: channels,
            input: [side; 2],
            kernel: [kernel; 2],
            stride,
            pad: [kernel / 2; 4],
        };
        assert_eq!(tile(&shape(128, 224, 3, 1)), Some(Tile::Four));
        assert_eq!(tile(&shape(64, 16, 3, 1)), Some(Tile::Four));
        // Few tiles, or weights that are too large for how often they are used.
        assert_eq!(tile(&shape(128, 8, 3, 1)), Some(Tile::Two));
        assert_eq!(tile(&shape(256, 28, 3, 1)), Some(Tile::Two));
        assert_eq!(
            [shape(128, 4, 3, 1), shape(8, 64, 3, 1), shape(64, 64, 3, 2), shape(64, 64, 5, 1)].map(|s| tile(&s)),
            [None; 4]
        );
        limit_this_thread(Some(Tile::Two));
        assert_eq!(tile(&shape(128, 224, 3, 1)), Some(Tile::Two));
        limit_this_thread(None);
        assert_eq!(tile(&shape(128, 224, 3, 1)), None);
        limit_this_thread(Some(Tile::Four));
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
            conv::forward(&s, n, &x, &conv::Weights::ahead(&s, &w), bias, Rectify::Relu, &mut direct);
            for tile in [Tile::Two, Tile::Four] {
                forward(&s, n, &x, &Weights::new(&s, tile, &w), bias, Rectify::Relu, &mut fast);
                for (a, b) in fast.iter().zip(&direct) {
                    prop_assert!((a - b).abs() < 1e-4, "{a} instead of {b}");
                }
            }
        }

        #[test]
        fn bits_do_not_depend_on_the_batch((s, n) in shapes(), four: bool, seed: u32) {
            let [oh, ow] = s.output();
            let image = s.cin * s.input[0] * s.input[1];
            let x = values(n * image, seed);
            let tile = if four { Tile::Four } else { Tile::Two };
            let w = Weights::new(&s, tile, &values(s.cout * s.depth(), seed ^ 77));
            let mut y = vec![0.0; n * s.cout * oh * ow];
            forward(&s, n, &x, &w, None, Rectify::None, &mut y);
            for i in 0..n {
                let mut one = vec![0.0; s.cout * oh * ow];
                forward(&s, 1, &x[i * image..][..image], &w, None, Rectify::None, &mut one);
                prop_assert_eq!(&one[..], &y[i * one.len()..][..one.len()]);
            }
        }

        #[test]
        fn bits_do_not_depend_on_the_threads((s, n) in shapes(), four: bool, seed: u32) {
            let [oh, ow] = s.output();
            let x = values(n * s.cin * s.input[0] * s.input[1], seed);
            let tile = if four { Tile::Four } else { Tile::Two };
            let w = Weights::new(&s, tile, &values(s.cout * s.depth(), seed ^ 77));
            let (mut many, mut one) = (vec![0.0; n * s.cout * oh * ow], vec![0.0; n * s.cout * oh * ow]);
            forward(&s, n, &x, &w, None, Rectify::None, &mut many);
            crate::kernels::parallel::run_serially_on_this_thread(true);
            forward(&s, n, &x, &w, None, Rectify::None, &mut one);
            crate::kernels::parallel::run_serially_on_this_thread(false);
            prop_assert_eq!(many, one);
        }
    }
}
