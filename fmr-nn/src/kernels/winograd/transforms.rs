//! The transforms of a chunk's patches and of its sums.

use super::grid::{CHUNK, Chunk, Grid};
use super::matrices::{EDGE, SIDE, inputs, outputs};
use crate::kernels::conv::Rectify;
use crate::kernels::parallel::Shared;
use crate::kernels::simd::{Lanes, VectorJob};

/// Bᵀ·d·B of a chunk's patches in every channel.
pub(super) struct InputJob<'a, const M: usize> {
    pub(super) cin: usize,
    /// Distance of components.
    pub(super) part: usize,
    /// Distance of channels.
    pub(super) tiles: usize,
    pub(super) grid: Grid<M>,
    pub(super) chunk: &'a Chunk,
    pub(super) padded: *const f32,
    pub(super) inputs: *mut f32,
}

impl<const M: usize> VectorJob for InputJob<'_, M> {
    /// # Safety
    /// `cin` planes and two vectors must be readable at `padded`, the components of a block writable at `inputs`, and the
    /// instruction set of `V` available.
    #[inline(always)]
    unsafe fn run<V: Lanes>(&self) {
        let (phase, pitch) = (self.grid.phase(), self.grid.pitch());
        for channel in 0..self.cin {
            for half in (0..CHUNK).step_by(V::N) {
                // SAFETY: by the contract.
                unsafe {
                    let plane = self.padded.add(channel * self.grid.plane() + self.chunk.origin);
                    let mut rows = [[V::splat(0.0); EDGE]; EDGE];
                    for x in 0..M + 2 {
                        let mut column = [V::splat(0.0); EDGE];
                        for (y, value) in column.iter_mut().enumerate().take(M + 2) {
                            let p = plane.add((y % M * M + x % M) * phase + y / M * pitch + x / M);
                            *value = self.chunk.read::<V>(p, half);
                        }
                        for (row, value) in rows.iter_mut().zip(inputs::<V, M>(column)) {
                            row[x] = value;
                        }
                    }
                    let mut to = self.inputs.add(channel * self.tiles + half);
                    for row in rows.iter().take(M + 2) {
                        for value in inputs::<V, M>(*row).iter().take(M + 2) {
                            value.store(to);
                            to = to.wrapping_add(self.part);
                        }
                    }
                }
            }
        }
    }
}

/// Aᵀ·m·A of a chunk's sums in some channels.
pub(super) struct OutputJob<'a, const M: usize> {
    pub(super) products: *const f32,
    /// Distance of components.
    pub(super) sums: usize,
    /// Distance of channels.
    pub(super) tiles: usize,
    pub(super) bias: Option<&'a [f32]>,
    pub(super) channels: usize,
    pub(super) rectify: Rectify,
    pub(super) chunk: &'a Chunk,
    pub(super) grid: Grid<M>,
    /// Height and width of the output.
    pub(super) size: [usize; 2],
    /// Output plane of the first channel.
    pub(super) plane: usize,
    pub(super) out: &'a Shared,
}

/// Rows of a chunk's tiles side by side.
type Rows = [[f32; SIDE * CHUNK]; SIDE];

impl<const M: usize> VectorJob for OutputJob<'_, M> {
    /// # Safety
    /// A chunk of each channel, `tiles` apart, must be readable at `products` and at each multiple of `sums` beyond, and the
    /// instruction set of `V` available.
    #[inline(always)]
    unsafe fn run<V: Lanes>(&self) {
        let [oh, ow] = self.size;
        let mut rows: Rows = [[0.0; SIDE * CHUNK]; SIDE];
        for channel in 0..self.channels {
            let bias = self.bias.map_or(0.0, |b| b[channel]);
            let plane = (self.plane + channel) * oh * ow;
            if let [[0, CHUNK, i, j]] = self.chunk.runs[..] {
                let (i, j) = (M * (self.grid.first + i), M * j);
                if i + M <= oh && j + M * CHUNK <= ow {
                    // Whole tiles in a row are written to their places.
                    // SAFETY: every output position belongs to one tile of one block; all rows lie inside the image.
                    unsafe {
                        let to = self.out.place(plane + i * ow + j, (M - 1) * ow + M * CHUNK);
                        self.tiles::<V>(channel, bias, to, ow);
                    }
                    continue;
                }
            }
            // SAFETY: by the contract.
            unsafe { self.tiles::<V>(channel, bias, rows.as_mut_ptr().cast(), SIDE * CHUNK) };
            for [lane, len, i, j] in self.chunk.runs.iter().copied() {
                let (i, j) = (M * (self.grid.first + i), M * j);
                let len = (M * len).min(ow - j);
                for (y, row) in rows.iter().enumerate().take(M.min(oh - i)) {
                    // SAFETY: every output position belongs to one tile of one block; the run lies inside the row.
                    unsafe {
                        let to = self.out.slice(plane + (i + y) * ow + j, len).as_mut_ptr();
                        copy::<V>(row.as_ptr().add(M * lane), to, len);
                    }
                }
            }
        }
    }
}

/// # Safety
/// `len` floats must be readable at `from` and writable at `to`, and the instruction set of `V` available.
#[inline(always)]
unsafe fn copy<V: Lanes>(from: *const f32, to: *mut f32, len: usize) {
    let mut at = 0;
    while at < len {
        // SAFETY: by the contract.
        unsafe {
            let (from, to) = (from.add(at), to.add(at));
            at += match len - at {
                left if left >= V::N => {
                    V::load(from).store(to);
                    V::N
                }
                // A load that reaches beyond what one store has written would wait for both.
                left if left >= 8 => {
                    to.cast::<[f32; 8]>().write(from.cast::<[f32; 8]>().read());
                    8
                }
                left => {
                    V::load_first(from, left).store_first(to, left);
                    left
                }
            };
        }
    }
}

impl<const M: usize> OutputJob<'_, M> {
    /// Writes a chunk's outputs in one channel to `M` rows at `to`, which are `row` apart.
    ///
    /// # Safety
    /// As `run`; `M * CHUNK` floats of each row must be writable.
    #[inline(always)]
    unsafe fn tiles<V: Lanes>(&self, channel: usize, bias: f32, to: *mut f32, row: usize) {
        for half in (0..CHUNK).step_by(V::N) {
            // SAFETY: by the contract.
            unsafe {
                let products = self.products.add(channel * self.tiles + half);
                let mut sums = [[V::splat(0.0); EDGE]; SIDE];
                for x in 0..M + 2 {
                    let mut column = [V::splat(0.0); EDGE];
                    for (y, value) in column.iter_mut().enumerate().take(M + 2) {
                        *value = V::load(products.add(((M + 2) * y + x) * self.sums));
                    }
                    for (row, value) in sums.iter_mut().zip(outputs::<V, M>(column)) {
                        row[x] = value;
                    }
                }
                let bias = V::splat(bias);
                for (y, sums) in sums.iter().enumerate().take(M) {
                    let mut values = outputs::<V, M>(*sums);
                    for value in values.iter_mut().take(M) {
                        *value = self.finished(value.add(bias));
                    }
                    for (i, value) in collect::<V, M>(values).iter().enumerate().take(M) {
                        value.store(to.add(y * row + M * half + i * V::N));
                    }
                }
            }
        }
    }

    /// # Safety
    /// The instruction set of `V` must be available.
    #[inline(always)]
    unsafe fn finished<V: Lanes>(&self, v: V) -> V {
        // SAFETY: by the contract.
        unsafe {
            match self.rectify {
                Rectify::None => v,
                Rectify::Relu => v.max(V::splat(0.0)),
                Rectify::Relu6 => v.max(V::splat(0.0)).min(V::splat(6.0)),
            }
        }
    }
}

/// Floats of `M` vectors in turn.
///
/// # Safety
/// The instruction set of `V` must be available.
#[inline(always)]
unsafe fn collect<V: Lanes, const M: usize>([a, b, c, d]: [V; SIDE]) -> [V; SIDE] {
    // SAFETY: by the contract.
    unsafe {
        if M == 2 {
            let [first, second] = a.zip(b);
            return [first, second, c, d];
        }
        let ([even, even_on], [odd, odd_on]) = (a.zip(c), b.zip(d));
        let ([first, second], [third, fourth]) = (even.zip(odd), even_on.zip(odd_on));
        [first, second, third, fourth]
    }
}
