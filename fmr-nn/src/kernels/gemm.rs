//! `C = A·B (+ C)` on host slices: the one inner loop under convolution, linear layers and attention.
//!
//! Each value of C is one chain of multiply-adds over k in ascending order that starts from C's old value (or zero).
//! The bits therefore depend neither on how the work is cut into tiles nor on the number of threads.

use super::bfloat16;
use super::simd::{Lanes, MAX_LANES, VectorJob, dispatch};

/// A matrix read element by element: `(i, j)` stands at `i * row + j * col`.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The values.
    pub data: &'a [f32],
    /// Distance of rows.
    pub row: usize,
    /// Distance of columns.
    pub col: usize,
}

impl<'a> View<'a> {
    /// Row-major matrix with `cols` columns.
    pub fn rows(data: &'a [f32], cols: usize) -> Self {
        Self { data, row: cols, col: 1 }
    }

    /// Transpose of a row-major matrix that has `cols` columns.
    pub fn transposed(data: &'a [f32], cols: usize) -> Self {
        Self { data, row: 1, col: cols }
    }
}

/// `out[c][r] = m[r][c]` for `rows` rows at distance `row` and `columns` columns; blocked so that both sides stay cached.
pub fn transpose(m: &[f32], row: usize, rows: usize, columns: usize, out: &mut [f32]) {
    for r0 in (0..rows).step_by(16) {
        let r1 = (r0 + 16).min(rows);
        for c in 0..columns {
            let target = &mut out[c * rows + r0..c * rows + r1];
            for (r, value) in (r0..r1).zip(target) {
                *value = m[r * row + c];
            }
        }
    }
}

/// Where the output starts from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// C is overwritten.
    Zero,
    /// C is added to.
    Accumulate,
}

/// `C[m×n] = A[m×k]·B[k×n]`, B and C row-major with row distances `ldb` and `ldc`.
///
/// # Panics
/// If a slice is too short for the shape.
#[expect(clippy::too_many_arguments, reason = "the operands of a matrix product")]
pub fn gemm(m: usize, n: usize, k: usize, a: View<'_>, b: &[f32], ldb: usize, c: &mut [f32], ldc: usize, start: Start) {
    if m > 0
        && k > 0
        && let Some(a) = bfloat16::pack(m, k, a, n)
    {
        assert!(n <= ldc && c.len() >= (m - 1) * ldc + n, "C too short");
        assert!(n <= ldb && b.len() >= (k - 1) * ldb + n, "B too short");
        return bfloat16::product(&a, n, b, ldb, c, ldc, start);
    }
    gemm_each(1, [0; 2], m, n, k, a, b, ldb, c, ldc, start);
}

/// `count` products with the same B, each A and C `steps` further on than the one before; operands are never rounded.
///
/// # Panics
/// If a slice is too short for the shape.
#[expect(clippy::too_many_arguments, reason = "the operands of several matrix products")]
pub fn gemm_each(
    count: usize,
    steps: [usize; 2],
    m: usize,
    n: usize,
    k: usize,
    a: View<'_>,
    b: &[f32],
    ldb: usize,
    c: &mut [f32],
    ldc: usize,
    start: Start,
) {
    if count == 0 || m == 0 || n == 0 {
        return;
    }
    let last = steps.map(|step| (count - 1) * step);
    assert!(n <= ldc && c.len() >= last[1] + (m - 1) * ldc + n, "C too short");
    if k == 0 {
        if start == Start::Zero {
            for i in (0..count).flat_map(|at| (0..m).map(move |i| at * steps[1] + i * ldc)) {
                c[i..i + n].fill(0.0);
            }
        }
        return;
    }
    assert!(a.data.len() > last[0] + (m - 1) * a.row + (k - 1) * a.col, "A too short");
    assert!(n <= ldb && b.len() >= (k - 1) * ldb + n, "B too short");
    let job = Job {
        count,
        steps,
        m,
        n,
        k,
        a: a.data.as_ptr(),
        a_row: a.row,
        a_col: a.col,
        b: b.as_ptr(),
        ldb,
        c: c.as_mut_ptr(),
        ldc,
        accumulate: start == Start::Accumulate,
    };
    // SAFETY: the assertions above bound every access of `Job::each`.
    unsafe { dispatch(&job) };
}

struct Job {
    count: usize,
    /// Distances of A and of C between products.
    steps: [usize; 2],
    m: usize,
    n: usize,
    k: usize,
    a: *const f32,
    a_row: usize,
    a_col: usize,
    b: *const f32,
    ldb: usize,
    c: *mut f32,
    ldc: usize,
    accumulate: bool,
}

impl VectorJob for Job {
    /// # Safety
    /// Operands must be as `gemm_each` asserts, and the instruction set of `V` available.
    #[inline(always)]
    unsafe fn run<V: Lanes>(&self) {
        // SAFETY: by the contract.
        unsafe {
            // As many rows as there are registers for.
            if V::N == MAX_LANES { self.each::<V, 8>() } else { self.each::<V, 4>() }
        }
    }
}

impl Job {
    /// The products one after another.
    ///
    /// # Safety
    /// Operands must be as `gemm_each` asserts, and the instruction set of `V` available.
    #[inline(always)]
    unsafe fn each<V: Lanes, const MR: usize>(&self) {
        for at in 0..self.count {
            // SAFETY: inside the operands by the contract.
            unsafe {
                let (a, c) = (self.a.add(at * self.steps[0]), self.c.add(at * self.steps[1]));
                Self { a, c, ..*self }.tiles::<V, MR>();
            }
        }
    }

    /// Tiles of `MR` rows by three vectors: 24 accumulators with AVX-512, 12 with AVX2.
    ///
    /// # Safety
    /// The operands of this product must be as `gemm_each` asserts, and the instruction set of `V` available.
    #[inline(always)]
    unsafe fn tiles<V: Lanes, const MR: usize>(&self) {
        let mut j = 0;
        while j < self.n {
            let left = self.n - j;
            // Two and two rather than three and one: narrow tiles load more for each product.
            let width = if left.div_ceil(V::N) == 4 { 2 * V::N } else { left.min(3 * V::N) };
            let mut i = 0;
            // SAFETY: `i < m` and `j + width <= n` bound the tile; see the function's contract.
            unsafe {
                while i + MR <= self.m {
                    self.columns::<V, MR>(i, j, width);
                    i += MR;
                }
                if self.m - i >= 4 && MR > 4 {
                    self.columns::<V, 4>(i, j, width);
                    i += 4;
                }
                if self.m - i >= 2 {
                    self.columns::<V, 2>(i, j, width);
                    i += 2;
                }
                if self.m - i >= 1 {
                    self.columns::<V, 1>(i, j, width);
                }
            }
            j += width;
        }
    }

    /// # Safety
    /// As `tiles`, with rows `i..i + MR` and columns `j..j + width` inside the matrices.
    #[inline(always)]
    unsafe fn columns<V: Lanes, const MR: usize>(&self, i: usize, j: usize, width: usize) {
        // SAFETY: passed on.
        unsafe {
            match width.div_ceil(V::N) {
                1 => self.tile::<V, MR, 1>(i, j, width),
                2 => self.tile::<V, MR, 2>(i, j, width),
                _ => self.tile::<V, MR, 3>(i, j, width),
            }
        }
    }

    /// # Safety
    /// As `columns`, and `width` in `(NV - 1) * V::N + 1 ..= NV * V::N`.
    #[inline(always)]
    unsafe fn tile<V: Lanes, const MR: usize, const NV: usize>(&self, i: usize, j: usize, width: usize) {
        let rest = width - (NV - 1) * V::N;
        // SAFETY: all addresses lie inside the operands by the contract; of a partial last vector only its part is touched.
        unsafe {
            let c = self.c.add(i * self.ldc + j);
            let mut acc = [[V::splat(0.0); NV]; MR];
            if self.accumulate {
                for (r, row) in acc.iter_mut().enumerate() {
                    for (v, lane) in row.iter_mut().enumerate() {
                        let p = c.add(r * self.ldc + v * V::N);
                        *lane = if v + 1 == NV { V::load_first(p, rest) } else { V::load(p) };
                    }
                }
            }
            let a = self.a.add(i * self.a_row);
            let b = self.b.add(j);
            if rest == V::N {
                for kk in 0..self.k {
                    let row = b.add(kk * self.ldb);
                    let mut lanes = [V::splat(0.0); NV];
                    for (v, lane) in lanes.iter_mut().enumerate() {
                        *lane = V::load(row.add(v * V::N));
                    }
                    step::<V, MR, NV>(&mut acc, &lanes, a.add(kk * self.a_col), self.a_row);
                }
            } else {
                for kk in 0..self.k {
                    let row = b.add(kk * self.ldb);
                    let mut lanes = [V::splat(0.0); NV];
                    for (v, lane) in lanes.iter_mut().enumerate() {
                        let p = row.add(v * V::N);
                        *lane = if v + 1 == NV { V::load_first(p, rest) } else { V::load(p) };
                    }
                    step::<V, MR, NV>(&mut acc, &lanes, a.add(kk * self.a_col), self.a_row);
                }
            }
            for (r, row) in acc.iter().enumerate() {
                for (v, lane) in row.iter().enumerate() {
                    let p = c.add(r * self.ldc + v * V::N);
                    if v + 1 == NV && rest < V::N {
                        lane.store_first(p, rest);
                    } else {
                        lane.store(p);
                    }
                }
            }
        }
    }
}

/// # Safety
/// `MR` values at distance `a_row` from `a` must be readable, and the instruction set of `V` available.
#[inline(always)]
unsafe fn step<V: Lanes, const MR: usize, const NV: usize>(
    acc: &mut [[V; NV]; MR],
    b: &[V; NV],
    a: *const f32,
    a_row: usize,
) {
    for (r, row) in acc.iter_mut().enumerate() {
        // SAFETY: by the contract.
        unsafe {
            let w = V::splat(*a.add(r * a_row));
            for (lane, x) in row.iter_mut().zip(b) {
                *lane = w.mul_add(*x, *lane);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(len: usize, seed: u64) -> Vec<f32> {
        let mut s = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        (0..len)
            .map(|_| {
                s ^= s << 13;
                s ^= s >> 7;
                s ^= s << 17;
                (s >> 40) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    proptest! {
        #[test]
        fn equals_the_plain_sum(m in 1usize..20, n in 1usize..120, k in 1usize..40, transposed: bool, add: bool, seed: u64) {
            let a = values(m * k, seed);
            let b = values(k * n, seed ^ 1);
            let c0 = values(m * n, seed ^ 2);
            let mut c = c0.clone();
            let view = if transposed { View::transposed(&a, m) } else { View::rows(&a, k) };
            gemm(m, n, k, view, &b, n, &mut c, n, if add { Start::Accumulate } else { Start::Zero });
            for i in 0..m {
                for j in 0..n {
                    let mut sum = if add { f64::from(c0[i * n + j]) } else { 0.0 };
                    for p in 0..k {
                        sum += f64::from(a[i * view.row + p * view.col]) * f64::from(b[p * n + j]);
                    }
                    prop_assert!((sum - f64::from(c[i * n + j])).abs() < 1e-4);
                }
            }
        }

        #[test]
        fn several_products_equal_one_after_another(
            count in 1usize..5, m in 1usize..10, n in 1usize..60, k in 1usize..20, seed: u64,
        ) {
            let a = values(count * m * k, seed);
            let b = values(k * n, seed ^ 1);
            let mut together = vec![0.0; count * m * n];
            gemm_each(count, [m * k, m * n], m, n, k, View::rows(&a, k), &b, n, &mut together, n, Start::Zero);
            let mut apart = vec![0.0; count * m * n];
            for (a, c) in a.chunks_exact(m * k).zip(apart.chunks_exact_mut(m * n)) {
                gemm_each(1, [0; 2], m, n, k, View::rows(a, k), &b, n, c, n, Start::Zero);
            }
            prop_assert_eq!(together, apart);
        }

        #[test]
        fn bits_do_not_depend_on_the_tiling(m in 1usize..12, n in 2usize..100, k in 1usize..30, cut in 1usize..99, seed: u64) {
            let cut = cut.min(n - 1);
            let a = values(m * k, seed);
            let b = values(k * n, seed ^ 1);
            let mut whole = vec![0.0; m * n];
            gemm(m, n, k, View::rows(&a, k), &b, n, &mut whole, n, Start::Zero);
            let mut parts = vec![0.0; m * n];
            gemm(m, cut, k, View::rows(&a, k), &b, n, &mut parts, n, Start::Zero);
            gemm(m, n - cut, k, View::rows(&a, k), &b[cut..], n, &mut parts[cut..], n, Start::Zero);
            prop_assert_eq!(whole, parts);
        }
    }
}
