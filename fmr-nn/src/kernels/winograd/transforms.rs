//! What a convolution by minimal filtering does besides its products: padding, and the transforms of inputs and sums.

use super::super::conv::Rectify;
use super::super::parallel::Shared;
use super::super::simd::{Lanes, VectorJob};
use super::{CHUNK, Chunk, Grid, TILE};

/// Planes to be padded and split.
pub(super) struct PadJob {
    pub(super) grid: Grid,
    pub(super) input: [usize; 2],
    pub(super) pad: [usize; 4],
    pub(super) planes: usize,
    pub(super) x: *const f32,
    pub(super) padded: *mut f32,
}

impl VectorJob for PadJob {
    /// # Safety
    /// `planes` planes must be readable at `x`, as many of the grid writable at `padded`, and the instruction set of `V`
    /// available.
    #[inline(always)]
    unsafe fn run<V: Lanes>(&self) {
        let ([_, w], [_, left, ..], pitch) = (self.input, self.pad, self.grid.pitch());
        // A few places beyond whole vectors are cheaper one by one.
        let vectors = if pitch % V::N <= 2 { pitch - pitch % V::N } else { pitch };
        for plane in 0..self.planes {
            for column in (0..vectors).step_by(V::N) {
                let len = V::N.min(pitch - column);
                let span = |at: usize| (left.saturating_sub(at).min(V::N), (left + w).saturating_sub(at).min(V::N), at);
                let (first, second) = (span(2 * column), span(2 * column + V::N));
                for row in 0..2 * (self.grid.high + 1) {
                    // SAFETY: only values of the image are read; `len` places are left in the rows of both quarters.
                    unsafe {
                        let mut pair = [V::splat(0.0); 2];
                        if let Some(line) = self.line(plane, row) {
                            let (from, to, at) = first;
                            let before = V::load_span(line.wrapping_add(at), from, to);
                            let (from, to, at) = second;
                            pair = before.unzip(V::load_span(line.wrapping_add(at), from, to));
                        }
                        let to = self.padded.add(self.place(plane, row) + column);
                        pair[0].store_first(to, len);
                        pair[1].store_first(to.add(self.grid.quarter()), len);
                    }
                }
            }
            for column in vectors..pitch {
                for row in 0..2 * (self.grid.high + 1) {
                    for (odd, at) in [2 * column, 2 * column + 1].into_iter().enumerate() {
                        let line = self.line(plane, row).filter(|_| (left..left + w).contains(&at));
                        // SAFETY: as above.
                        unsafe {
                            let value = line.map_or(0.0, |line| *line.wrapping_add(at));
                            *self.padded.add(self.place(plane, row) + odd * self.grid.quarter() + column) = value;
                        }
                    }
                }
            }
        }
    }
}

impl PadJob {
    /// Where a row of a padded plane would begin if it had its padding; none for those that are nothing else.
    #[inline(always)]
    fn line(&self, plane: usize, row: usize) -> Option<*const f32> {
        let ([h, w], [top, left, ..]) = (self.input, self.pad);
        let inside = (top..top + h).contains(&row);
        inside.then(|| self.x.wrapping_add((plane * h + row - top) * w).wrapping_sub(left))
    }

    /// Where a row's even columns begin.
    #[inline(always)]
    fn place(&self, plane: usize, row: usize) -> usize {
        (4 * plane + row % 2 * 2) * self.grid.quarter() + row / 2 * self.grid.pitch()
    }
}

/// Bᵀ·d·B of a chunk's patches in every channel.
pub(super) struct InputJob<'a> {
    pub(super) cin: usize,
    /// Distance of components.
    pub(super) part: usize,
    pub(super) grid: Grid,
    pub(super) chunk: &'a Chunk,
    pub(super) padded: *const f32,
    pub(super) inputs: *mut f32,
}

impl VectorJob for InputJob<'_> {
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
                            v.store(to.add((4 * y + x) * self.part));
                        }
                    }
                }
            }
        }
    }
}

/// Aᵀ·m·A of a chunk's sums in some channels.
pub(super) struct OutputJob<'a> {
    pub(super) products: *const f32,
    /// Distance of components.
    pub(super) sums: usize,
    pub(super) bias: Option<&'a [f32]>,
    pub(super) channels: usize,
    pub(super) rectify: Rectify,
    pub(super) chunk: &'a Chunk,
    /// Height and width of the output.
    pub(super) size: [usize; 2],
    /// Output plane of the first channel.
    pub(super) plane: usize,
    pub(super) out: &'a Shared,
}

impl VectorJob for OutputJob<'_> {
    /// # Safety
    /// A chunk of each channel, `TILE` apart, must be readable at `products` and at each multiple of `sums` beyond, and the
    /// instruction set of `V` available.
    #[inline(always)]
    unsafe fn run<V: Lanes>(&self) {
        let [oh, ow] = self.size;
        // The upper and the lower rows of the tiles.
        let mut rows = [[0.0; 2 * CHUNK]; 2];
        for channel in 0..self.channels {
            let bias = self.bias.map_or(0.0, |b| b[channel]);
            // SAFETY: by the contract.
            unsafe { self.tiles::<V>(channel, bias, &mut rows) };
            let plane = (self.plane + channel) * oh * ow;
            for [lane, len, i, j] in self.chunk.runs.iter().copied() {
                let len = (2 * len).min(ow - 2 * j);
                for (y, row) in rows.iter().enumerate().take(oh - 2 * i) {
                    // SAFETY: every output position belongs to one tile of one block; the run lies inside the row.
                    unsafe {
                        let to = self.out.slice(plane + (2 * i + y) * ow + 2 * j, len).as_mut_ptr();
                        let from = row.as_ptr().add(2 * lane);
                        let mut at = 0;
                        while at < len {
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
            }
        }
    }
}

impl OutputJob<'_> {
    /// # Safety
    /// As `run`, with a channel of its own.
    #[inline(always)]
    unsafe fn tiles<V: Lanes>(&self, channel: usize, bias: f32, rows: &mut [[f32; 2 * CHUNK]; 2]) {
        for half in (0..CHUNK).step_by(V::N) {
            // SAFETY: by the contract.
            unsafe {
                let products = self.products.add(channel * TILE + half);
                let mut halves = [[V::splat(0.0); 4]; 2];
                let [upper, lower] = &mut halves;
                for (x, (upper, lower)) in upper.iter_mut().zip(lower).enumerate() {
                    let column = products.add(x * self.sums);
                    let m0 = V::load(column);
                    let m1 = V::load(column.add(4 * self.sums));
                    let m2 = V::load(column.add(8 * self.sums));
                    let m3 = V::load(column.add(12 * self.sums));
                    *upper = m0.add(m1.add(m2));
                    *lower = m1.sub(m2).sub(m3);
                }
                let bias = V::splat(bias);
                for ([c0, c1, c2, c3], row) in halves.into_iter().zip(rows.iter_mut()) {
                    let even = self.finished(c0.add(c1.add(c2)).add(bias));
                    let odd = self.finished(c1.sub(c2).sub(c3).add(bias));
                    let [first, second] = even.zip(odd);
                    first.store(row.as_mut_ptr().add(2 * half));
                    second.store(row.as_mut_ptr().add(2 * half + V::N));
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
