//! The product itself: operands packed, blocks computed with what the processor has, sums put in place.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU8, Ordering};

use super::super::gemm::{Start, View};
use super::pack::{pack_a, pack_b};
use super::{COLUMNS, DEPTH, ROWS, TILE, dots, tiles};

/// What multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// AMX.
    Tiles,
    /// AVX-512 BF16.
    Dots,
}

/// The unit in use: 0 for none.
static ENABLED: AtomicU8 = AtomicU8::new(0);

/// Rounds the operands of large matrix products to bfloat16 from now on, if this processor has instructions for it; says
/// whether it has.
pub fn enable() -> bool {
    let code = match best() {
        None => 0,
        Some(Unit::Tiles) => 1,
        Some(Unit::Dots) => 2,
    };
    ENABLED.store(code, Ordering::Relaxed);
    code != 0
}

/// Whether products round their operands.
pub fn enabled() -> bool {
    unit().is_some()
}

fn unit() -> Option<Unit> {
    match ENABLED.load(Ordering::Relaxed) {
        0 => None,
        1 => Some(Unit::Tiles),
        _ => Some(Unit::Dots),
    }
}

fn has_dots() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bf16")
}

/// The fastest unit of this processor. Packing needs the instructions that come with [`Unit::Dots`].
fn best() -> Option<Unit> {
    has_dots().then(|| if tiles::available() { Unit::Tiles } else { Unit::Dots })
}

#[derive(Default)]
struct Scratch {
    b: Vec<u16>,
    c: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
    /// Room of the last left operand, to be used again.
    static PACKED: Cell<Vec<u16>> = const { Cell::new(Vec::new()) };
}

/// The left operand of a product as tiles.
#[derive(Debug)]
pub(in super::super) struct Packed {
    unit: Unit,
    m: usize,
    k: usize,
    tiles: Vec<u16>,
}

/// Tiles of `A[m×k]` for a product with `n` columns; none where [`enable`] found no instructions, or the shape is too
/// small for them to pay.
pub(in super::super) fn pack(m: usize, k: usize, a: View<'_>, n: usize) -> Option<Packed> {
    let unit = unit()?;
    (m >= 8 && n >= 16 && k >= 16).then(|| Packed::new(unit, m, k, a))
}

impl Packed {
    fn new(unit: Unit, m: usize, k: usize, a: View<'_>) -> Self {
        assert!(a.data.len() > (m - 1) * a.row + (k - 1) * a.col, "A too short");
        let depth = k.div_ceil(DEPTH);
        let mut tiles = PACKED.take();
        tiles.resize(m.div_ceil(ROWS) * depth * TILE, 0);
        // SAFETY: `unit` was found on this processor; the operand is as asserted.
        unsafe { pack_a(m, k, depth, a, &mut tiles) };
        Self { unit, m, k, tiles }
    }

    /// Rows of tile row `i` and, with tiles, of the one below: all that `block` gets at once.
    ///
    /// # Safety
    /// `b` points at three rows of `depth` tiles, `block` holds 32 × 48 floats, tiles are configured where they are used.
    unsafe fn rows(&self, i: usize, depth: usize, b: *const u16, block: &mut [f32]) -> usize {
        let left = self.m - i * ROWS;
        // SAFETY: tile row `i` exists, and `i + 1` where more than 16 rows are left; the rest is the contract.
        unsafe {
            let a = self.tiles.as_ptr().add(i * depth * TILE);
            let out = block.as_mut_ptr();
            match self.unit {
                Unit::Tiles if left > ROWS => tiles::tall_block(a, b, depth, out),
                Unit::Tiles => tiles::flat_block(a, b, depth, out),
                Unit::Dots => {
                    for row in (0..left.min(2 * ROWS)).step_by(dots::HEIGHT) {
                        let a = a.add(row / ROWS * depth * TILE + row % ROWS * DEPTH);
                        dots::block(a, b, depth, out.add(row * COLUMNS));
                    }
                }
            }
        }
        left.min(2 * ROWS)
    }
}

impl Drop for Packed {
    fn drop(&mut self) {
        PACKED.set(std::mem::take(&mut self.tiles));
    }
}

/// `C[m×n] = A[m×k]·B[k×n] (+ C)` with row distances `ldb` and `ldc`.
pub(in super::super) fn product(a: &Packed, n: usize, b: &[f32], ldb: usize, c: &mut [f32], ldc: usize, start: Start) {
    let (m, k) = (a.m, a.k);
    assert!(n <= ldb && b.len() >= (k - 1) * ldb + n, "B too short");
    assert!(n <= ldc && c.len() >= (m - 1) * ldc + n, "C too short");
    SCRATCH.with_borrow_mut(|scratch| {
        let (depth, nt) = (k.div_ceil(DEPTH), n.div_ceil(COLUMNS) * 3);
        scratch.b.resize(nt * depth * TILE, 0);
        scratch.c.resize(2 * ROWS * COLUMNS, 0.0);
        // SAFETY: the unit was found on this processor; the buffer holds all tiles; operands are as asserted.
        unsafe { pack_b(n, k, depth, b, ldb, &mut scratch.b) };
        // SAFETY: as above.
        let _taken = (a.unit == Unit::Tiles).then(|| unsafe { tiles::Taken::new() });
        let block = &mut scratch.c[..];
        for j in (0..nt).step_by(3) {
            let width = COLUMNS.min(n - j * ROWS);
            for i in (0..m.div_ceil(ROWS)).step_by(2) {
                // SAFETY: the tiles `j..j + 3` of B exist; the block holds six tiles.
                let rows = unsafe { a.rows(i, depth, scratch.b.as_ptr().add(j * depth * TILE), block) };
                for (r, values) in block.chunks_exact(COLUMNS).take(rows).enumerate() {
                    let target = &mut c[(i * ROWS + r) * ldc + j * ROWS..][..width];
                    match start {
                        Start::Zero => target.copy_from_slice(&values[..width]),
                        Start::Accumulate => target.iter_mut().zip(values).for_each(|(t, v)| *t += v),
                    }
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equals_the_sum_of_rounded_products(unit: Unit) {
        let value = |i: usize| ((i * 37 % 61) as f32 - 30.0) / 8.0;
        for (m, n, k) in [(8, 16, 16), (24, 48, 216), (33, 100, 77), (16, 49, 32), (70, 144, 129)] {
            for transposed in [false, true] {
                let a: Vec<f32> = (0..m * k).map(value).collect();
                let b: Vec<f32> = (0..k * n).map(|i| value(i + 5)).collect();
                let view = if transposed { View::transposed(&a, m) } else { View::rows(&a, k) };
                let mut c = vec![1.0; m * n];
                let packed = Packed::new(unit, m, k, view);
                product(&packed, n, &b, n, &mut c, n, Start::Accumulate);
                for i in 0..m {
                    for j in 0..n {
                        // The values are exact in bfloat16.
                        let sum: f32 = (0..k).map(|p| a[i * view.row + p * view.col] * b[p * n + j]).sum();
                        assert!((c[i * n + j] - 1.0 - sum).abs() < 1e-2 * sum.abs().max(1.0), "{m} {n} {k}");
                    }
                }
            }
        }
    }

    #[test]
    fn tiles_sum_rounded_products() {
        match best() {
            Some(Unit::Tiles) => equals_the_sum_of_rounded_products(Unit::Tiles),
            _ => eprintln!("skipped: this processor has no matrix tiles"),
        }
    }

    #[test]
    fn dots_sum_rounded_products() {
        match best() {
            Some(_) => equals_the_sum_of_rounded_products(Unit::Dots),
            None => eprintln!("skipped: this processor has no dot products of bfloat16"),
        }
    }
}
