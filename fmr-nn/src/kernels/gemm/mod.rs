//! `C = A·B (+ C)` on host slices: the one inner loop under convolution, linear layers and attention.
//!
//! Each value of C is one chain of multiply-adds over k in ascending order that starts from C's old value (or zero).
//! The bits therefore depend neither on how the work is cut into tiles and blocks nor on the number of threads.
//!
//! The blocks are those of Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008: a strip of
//! B stays in the first-level cache while the panels of A pass by; sums stay in registers.

mod panels;
mod tile;

use std::ops::Range;

use super::bfloat16;
use super::parallel::with_scratch;
use super::simd::dispatch;
pub use panels::{Left, Order, pack, packed_len};
use tile::{DEEPEST, Product, Rows, WIDEST};

/// A matrix read element by element: `(i, j)` stands at `i * row + j * col`.
#[derive(Debug, Clone, Copy)]
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

/// `C[m×n] = A[m×k]·B[k×n]`, C row-major with row distance `ldc`.
///
/// # Panics
/// If a slice is too short for the shape.
#[expect(clippy::too_many_arguments, reason = "the operands of a matrix product")]
pub fn gemm(m: usize, n: usize, k: usize, a: View<'_>, b: View<'_>, c: &mut [f32], ldc: usize, start: Start) {
    if m == 0 || n == 0 {
        return;
    }
    assert!(n <= ldc && c.len() >= (m - 1) * ldc + n, "C too short");
    if k == 0 {
        if start == Start::Zero {
            (0..m).for_each(|i| c[i * ldc..i * ldc + n].fill(0.0));
        }
        return;
    }
    assert!(a.data.len() > (m - 1) * a.row + (k - 1) * a.col, "A too short");
    assert!(b.data.len() > (k - 1) * b.row + (n - 1) * b.col, "B too short");
    if let Some(a) = bfloat16::pack(m, k, a, n) {
        return rounded(&a, n, k, b, c, ldc, start);
    }
    // Laying out A costs as much as some columns of the product.
    if n <= FEW_COLUMNS {
        return product(Left { m, k, order: Order::Plain(a) }, 0..k, n, b, c, ldc, start);
    }
    with_scratch(packed_len(m, k), |panels| {
        pack(m, k, a, panels);
        product(Left { m, k, order: Order::Panels(panels) }, 0..k, n, b, c, ldc, start);
    });
}

fn rounded(a: &bfloat16::Packed, n: usize, k: usize, b: View<'_>, c: &mut [f32], ldc: usize, start: Start) {
    if b.col == 1 {
        return bfloat16::product(a, n, b.data, b.row, c, ldc, start);
    }
    with_scratch(n * k, |rows| {
        transpose(b.data, b.col, n, k, rows);
        bfloat16::product(a, n, rows, n, c, ldc, start);
    });
}

/// Columns for which A is read where it stands.
const FEW_COLUMNS: usize = 64;

/// `C[m×n] = A[m×depth]·B[depth×n]` with the columns `depth` of a matrix; operands are never rounded. B has the rows of
/// these columns alone.
///
/// # Panics
/// If a slice is too short for the shape, or `depth` is empty.
pub fn product(a: Left<'_>, depth: Range<usize>, n: usize, b: View<'_>, c: &mut [f32], ldc: usize, start: Start) {
    let k = depth.len();
    if a.m == 0 || n == 0 {
        return;
    }
    assert!(k > 0 && depth.end <= a.k, "columns outside of A");
    let (values, rows_of_a) = match a.order {
        Order::Panels(panels) => {
            assert_eq!(panels.len(), packed_len(a.m, a.k), "panels of a different shape");
            (panels.as_ptr(), Rows::InPanels)
        }
        Order::Plain(view) => {
            assert!(view.data.len() > (a.m - 1) * view.row + (a.k - 1) * view.col, "A too short");
            (view.data.as_ptr(), Rows::Apart { row: view.row, col: view.col })
        }
    };
    assert!(n <= ldc && c.len() >= (a.m - 1) * ldc + n, "C too short");
    assert!(b.data.len() > (k - 1) * b.row + (n - 1) * b.col, "B too short");
    with_scratch(WIDEST * DEEPEST, |strip| {
        let job = Product {
            m: a.m,
            n,
            k,
            a: values,
            first: depth.start,
            rows_of_a,
            depth: a.k,
            b: b.data.as_ptr(),
            b_steps: [b.row, b.col],
            c: c.as_mut_ptr(),
            ldc,
            accumulate: start == Start::Accumulate,
            strip: strip.as_mut_ptr(),
        };
        // SAFETY: the assertions above bound every access.
        unsafe { dispatch(&job) };
    });
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
        fn equals_the_plain_sum(
            m in 1usize..40, n in 1usize..120, k in 1usize..40, transposed: bool, b_transposed: bool, add: bool, seed: u64,
        ) {
            let a = values(m * k, seed);
            let b = values(k * n, seed ^ 1);
            let c0 = values(m * n, seed ^ 2);
            let mut c = c0.clone();
            let view = if transposed { View::transposed(&a, m) } else { View::rows(&a, k) };
            let right = if b_transposed { View::transposed(&b, k) } else { View::rows(&b, n) };
            gemm(m, n, k, view, right, &mut c, n, if add { Start::Accumulate } else { Start::Zero });
            for i in 0..m {
                for j in 0..n {
                    let mut sum = if add { f64::from(c0[i * n + j]) } else { 0.0 };
                    for p in 0..k {
                        sum += f64::from(a[i * view.row + p * view.col]) * f64::from(b[p * right.row + j * right.col]);
                    }
                    prop_assert!((sum - f64::from(c[i * n + j])).abs() < 1e-4);
                }
            }
        }

        #[test]
        fn panels_give_the_same_bits_as_the_matrix(
            m in 1usize..40, n in 1usize..120, k in 1usize..300, cut in 1usize..300, seed: u64,
        ) {
            let cut = cut.min(k);
            let a = values(m * k, seed);
            let b = values(k * n, seed ^ 1);
            let mut whole = vec![0.0; m * n];
            gemm(m, n, k, View::rows(&a, k), View::rows(&b, n), &mut whole, n, Start::Zero);
            let mut panels = vec![f32::NAN; packed_len(m, k)];
            pack(m, k, View::rows(&a, k), &mut panels);
            for order in [Order::Panels(&panels), Order::Plain(View::rows(&a, k))] {
                let left = Left { m, k, order };
                let mut parts = vec![f32::NAN; m * n];
                product(left, 0..cut, n, View::rows(&b, n), &mut parts, n, Start::Zero);
                if cut < k {
                    product(left, cut..k, n, View::rows(&b[cut * n..], n), &mut parts, n, Start::Accumulate);
                }
                prop_assert_eq!(&whole, &parts);
            }
        }

        #[test]
        fn bits_do_not_depend_on_the_tiling(m in 1usize..12, n in 2usize..100, k in 1usize..30, cut in 1usize..99, seed: u64) {
            let cut = cut.min(n - 1);
            let a = values(m * k, seed);
            let b = values(k * n, seed ^ 1);
            let mut whole = vec![0.0; m * n];
            gemm(m, n, k, View::rows(&a, k), View::rows(&b, n), &mut whole, n, Start::Zero);
            let mut parts = vec![0.0; m * n];
            gemm(m, cut, k, View::rows(&a, k), View::rows(&b, n), &mut parts, n, Start::Zero);
            gemm(m, n - cut, k, View::rows(&a, k), View::rows(&b[cut..], n), &mut parts[cut..], n, Start::Zero);
            prop_assert_eq!(whole, parts);
        }
    }
}
