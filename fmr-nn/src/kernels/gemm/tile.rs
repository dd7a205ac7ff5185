//! The inner loop of every product: a tile of C held in registers while k runs over a block of A and B.

use super::panels::{LOW, Panels, full_height};
use crate::kernels::simd::{Lanes, VectorJob, fetch};

/// Columns of the widest tile of any instruction set.
pub(super) const WIDEST: usize = 48;
/// Most values of k in a block.
pub(super) const DEEPEST: usize = 256;

/// Floats of a line of the cache.
const LINE: usize = 16;

/// Floats of A between the value that is used and the one that is fetched: what some hundreds of nanoseconds use up. A is
/// read once a strip, and large weights come from memory each time.
const AHEAD: usize = 1024;

/// Where the rows of A stand.
#[derive(Clone, Copy)]
pub(super) enum Rows {
    /// In panels: see `panels`.
    InPanels,
    /// As in a matrix whose values are `row` and `col` apart.
    Apart {
        /// Distance of rows.
        row: usize,
        /// Distance of columns.
        col: usize,
    },
}

/// `C[m×n] = A[m×k]·B[k×n]`, or added to C.
pub(super) struct Product {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) a: *const f32,
    pub(super) rows_of_a: Rows,
    /// Columns of the whole of A.
    pub(super) depth: usize,
    /// The first of the `k` columns that are used.
    pub(super) first: usize,
    pub(super) b: *const f32,
    /// Distances of rows and columns of B.
    pub(super) b_steps: [usize; 2],
    pub(super) c: *mut f32,
    pub(super) ldc: usize,
    pub(super) accumulate: bool,
    /// Room for `WIDEST * DEEPEST` values of B.
    pub(super) strip: *mut f32,
}

/// Part of B under a tile's columns.
#[derive(Clone, Copy)]
struct Strip {
    at: *const f32,
    pitch: usize,
    depth: usize,
}

impl VectorJob for Product {
    /// # Safety
    /// The operands must be readable and writable in the shape that the fields give, and the instruction set of `V`
    /// available.
    #[inline(always)]
    unsafe fn run<V: Lanes>(&self) {
        // SAFETY: by the contract.
        unsafe {
            // Sums for 8 × 3 vectors fit the 32 registers of AVX-512, for 6 × 2 the 16 of AVX2.
            match V::REGISTERS {
                32 => self.strips::<V, { full_height(32) }, 3>(),
                16 => self.strips::<V, { full_height(16) }, 2>(),
                _ => self.strips::<V, LOW, 1>(),
            }
        }
    }
}

impl Product {
    /// # Safety
    /// See `run`.
    #[inline(always)]
    unsafe fn strips<V: Lanes, const HIGH: usize, const WIDE: usize>(&self) {
        // A strip of a block fills about half of the first-level cache and is used for all rows.
        let deepest = if WIDE == 3 { DEEPEST / 2 } else { DEEPEST };
        let mut j = 0;
        while j < self.n {
            let vectors = match (self.n - j).div_ceil(V::N) {
                // Two and two rather than three and one: narrow tiles load more for each product.
                4 if WIDE == 3 => 2,
                left => left.min(WIDE),
            };
            let width = (vectors * V::N).min(self.n - j);
            let mut k = 0;
            while k < self.k {
                let depth = deepest.min(self.k - k);
                // SAFETY: the strip lies inside B.
                unsafe {
                    let strip = self.strip::<V>(k, depth, j, width, vectors);
                    self.rows::<V, HIGH, WIDE>(k, strip, j, width, vectors);
                }
                k += depth;
            }
            j += width;
        }
    }

    /// The strip as it stands, or copied where that is faster. A partial vector is filled up with zeros.
    ///
    /// # Safety
    /// See `run`; rows `k..k + depth` and columns `j..j + width` lie inside B.
    #[inline(always)]
    unsafe fn strip<V: Lanes>(&self, k: usize, depth: usize, j: usize, width: usize, vectors: usize) -> Strip {
        let (whole, pitch) = (width == vectors * V::N, vectors * V::N);
        let [row, col] = self.b_steps;
        // SAFETY: by the contract; the room for a strip is as large as the deepest and widest one.
        unsafe {
            let from = self.b.add(k * row + j * col);
            if col == 1 && whole && !self.copies::<V>(vectors) {
                return Strip { at: from, pitch: row, depth };
            }
            if col == 1 {
                self.copy::<V>(from, depth, width, vectors);
            } else {
                if !whole {
                    std::ptr::write_bytes(self.strip, 0, depth * pitch);
                }
                for first in (0..width).step_by(8) {
                    let count = (width - first).min(8);
                    for r in 0..depth {
                        for c in first..first + count {
                            *self.strip.add(r * pitch + c) = *from.add(r * row + c * col);
                        }
                    }
                }
            }
            Strip { at: self.strip, pitch, depth }
        }
    }

    /// Whether rows of B, which all rows of A need, are worth a copy. Wide ones are fetched as well where they stand; those of
    /// one line each gain, most of all if their distance makes them compete for few places.
    #[inline(always)]
    fn copies<V: Lanes>(&self, vectors: usize) -> bool {
        let row = self.b_steps[0];
        let enough = if row.is_multiple_of(1024) { 40 } else { 80 };
        vectors * V::N <= LINE && row > 2 * WIDEST && self.m >= enough
    }

    /// Copies rows of B, `b_steps[0]` apart, into the strip.
    ///
    /// # Safety
    /// See `strip`.
    #[inline(always)]
    unsafe fn copy<V: Lanes>(&self, from: *const f32, depth: usize, width: usize, vectors: usize) {
        let last = (vectors - 1) * V::N;
        for r in 0..depth {
            // SAFETY: by the contract.
            unsafe {
                let (from, to) = (from.add(r * self.b_steps[0]), self.strip.add(r * vectors * V::N));
                for at in (0..last).step_by(V::N) {
                    V::load(from.add(at)).store(to.add(at));
                }
                V::load_first(from.add(last), width - last).store(to.add(last));
            }
        }
    }

    /// # Safety
    /// See `run`; the strip holds columns `j..j + width` from row `k` of B on.
    #[inline(always)]
    unsafe fn rows<V: Lanes, const HIGH: usize, const WIDE: usize>(
        &self,
        k: usize,
        strip: Strip,
        j: usize,
        width: usize,
        vectors: usize,
    ) {
        for (i, height) in Panels::of(self.m).each() {
            // SAFETY: the panel and the tile lie inside A and C.
            unsafe {
                let tile = Tile {
                    a: match self.rows_of_a {
                        Rows::InPanels => self.a.add(i * self.depth + (self.first + k) * height),
                        Rows::Apart { row, col } => self.a.add(i * row + (self.first + k) * col),
                    },
                    rows_of_a: self.rows_of_a,
                    strip,
                    c: self.c.add(i * self.ldc + j),
                    ldc: self.ldc,
                    accumulate: self.accumulate || k > 0,
                    rows: height.min(self.m - i),
                    rest: width - (vectors - 1) * V::N,
                };
                match (height == HIGH, vectors) {
                    (true, 3) if WIDE == 3 => tile.of_height::<V, HIGH, 3>(),
                    (true, 2) if WIDE >= 2 => tile.of_height::<V, HIGH, 2>(),
                    (true, _) => tile.of_height::<V, HIGH, 1>(),
                    (false, 3) if WIDE == 3 => tile.of_height::<V, LOW, 3>(),
                    (false, 2) if WIDE >= 2 => tile.of_height::<V, LOW, 2>(),
                    (false, _) => tile.of_height::<V, LOW, 1>(),
                }
            }
        }
    }
}

struct Tile {
    a: *const f32,
    rows_of_a: Rows,
    strip: Strip,
    c: *mut f32,
    ldc: usize,
    accumulate: bool,
    /// Rows that exist.
    rows: usize,
    /// Columns of the last vector that exist.
    rest: usize,
}

impl Tile {
    /// # Safety
    /// The instruction set of `V` is available, A and B are readable, and C writable, as the fields say.
    #[inline(always)]
    unsafe fn of_height<V: Lanes, const ROWS: usize, const VECTORS: usize>(&self) {
        // SAFETY: passed on.
        unsafe {
            match self.rows_of_a {
                Rows::InPanels => {
                    let mut sums = self.old::<V, ROWS, VECTORS>();
                    let (mut a, mut b) = (self.a, self.strip.at);
                    for _ in 0..self.strip.depth {
                        fetch(a.wrapping_add(AHEAD));
                        step::<V, ROWS, VECTORS>(&mut sums, a, 1, b);
                        a = a.wrapping_add(ROWS);
                        b = b.wrapping_add(self.strip.pitch);
                    }
                    self.store(&sums);
                }
                // Rows beyond the last would lie outside of A: they go one by one.
                Rows::Apart { row, col } if self.rows == ROWS => {
                    let mut sums = self.old::<V, ROWS, VECTORS>();
                    for k in 0..self.strip.depth {
                        step::<V, ROWS, VECTORS>(
                            &mut sums,
                            self.a.add(k * col),
                            row,
                            self.strip.at.add(k * self.strip.pitch),
                        );
                    }
                    self.store(&sums);
                }
                Rows::Apart { row, col } => {
                    for r in 0..self.rows {
                        let (a, c) = (self.a.add(r * row), self.c.add(r * self.ldc));
                        let one = Self { a, c, rows: 1, ..*self };
                        let mut sums = one.old::<V, 1, VECTORS>();
                        for k in 0..self.strip.depth {
                            let b = self.strip.at.add(k * self.strip.pitch);
                            step::<V, 1, VECTORS>(&mut sums, a.add(k * col), row, b);
                        }
                        one.store(&sums);
                    }
                }
            }
        }
    }

    /// What the sums start from.
    ///
    /// # Safety
    /// See `of_height`.
    #[inline(always)]
    unsafe fn old<V: Lanes, const ROWS: usize, const VECTORS: usize>(&self) -> [[V; VECTORS]; ROWS] {
        // SAFETY: only values of C that exist are read.
        unsafe {
            let mut sums = [[V::splat(0.0); VECTORS]; ROWS];
            if self.accumulate {
                for (r, row) in sums.iter_mut().enumerate() {
                    if r == self.rows {
                        break;
                    }
                    for (v, lane) in row.iter_mut().enumerate() {
                        let p = self.c.add(r * self.ldc + v * V::N);
                        *lane =
                            if v + 1 == VECTORS && self.rest < V::N { V::load_first(p, self.rest) } else { V::load(p) };
                    }
                }
            }
            sums
        }
    }

    /// # Safety
    /// See `of_height`.
    #[inline(always)]
    unsafe fn store<V: Lanes, const ROWS: usize, const VECTORS: usize>(&self, sums: &[[V; VECTORS]; ROWS]) {
        for (r, row) in sums.iter().enumerate() {
            if r == self.rows {
                break;
            }
            for (v, lane) in row.iter().enumerate() {
                // SAFETY: only values of C that exist are written.
                unsafe {
                    let p = self.c.add(r * self.ldc + v * V::N);
                    if v + 1 == VECTORS && self.rest < V::N {
                        lane.store_first(p, self.rest);
                    } else {
                        lane.store(p);
                    }
                }
            }
        }
    }
}

/// One k: the values of A at distance `row` from `a` times a row of B.
///
/// # Safety
/// `ROWS` values of A and `VECTORS` vectors of B must be readable, and the instruction set of `V` available.
#[inline(always)]
unsafe fn step<V: Lanes, const ROWS: usize, const VECTORS: usize>(
    sums: &mut [[V; VECTORS]; ROWS],
    a: *const f32,
    row: usize,
    b: *const f32,
) {
    // SAFETY: by the contract.
    unsafe {
        let mut lanes = [V::splat(0.0); VECTORS];
        for (v, lane) in lanes.iter_mut().enumerate() {
            *lane = V::load(b.add(v * V::N));
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            let w = V::splat(*a.add(r * row));
            for (sum, x) in sums.iter_mut().zip(&lanes) {
                *sum = w.mul_add(*x, *sum);
            }
        }
    }
}
