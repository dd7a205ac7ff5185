//! Products of packed operands by AVX-512's dot products of bfloat16 pairs.

use std::arch::x86_64::{
    __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::{COLUMNS, DEPTH, TILE};

/// Rows of a block: 24 accumulators, three vectors of B and one of A fill the registers.
pub(super) const HEIGHT: usize = 8;

/// Eight rows of output from as many rows of A's tiles and three tiles of B at a time.
///
/// # Safety
/// AVX-512 with BF16 must be there; `a` points at a row of a tile with seven more below it, the first of `depth` tiles,
/// `b` at three rows of `depth` tiles, `out` at 8 × 48 floats.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn block(a: *const u16, b: *const u16, depth: usize, out: *mut f32) {
    // SAFETY: all addresses are inside the operands by the contract.
    unsafe {
        let mut sums = [[_mm512_setzero_ps(); 3]; HEIGHT];
        for t in 0..depth {
            let (a, b) = (a.add(t * TILE), b.add(t * TILE));
            for pair in 0..DEPTH / 2 {
                let columns = [0, 1, 2].map(|v| load(b.add(v * depth * TILE + pair * DEPTH)));
                for (r, row) in sums.iter_mut().enumerate() {
                    let two = a.add(r * DEPTH + 2 * pair).cast::<i32>().read_unaligned();
                    let two = std::mem::transmute::<__m512i, __m512bh>(_mm512_set1_epi32(two));
                    for (sum, column) in row.iter_mut().zip(columns) {
                        *sum = _mm512_dpbf16_ps(*sum, two, column);
                    }
                }
            }
        }
        for (r, row) in sums.iter().enumerate() {
            for (v, sum) in row.iter().enumerate() {
                _mm512_storeu_ps(out.add(r * COLUMNS + v * 16), *sum);
            }
        }
    }
}

/// # Safety
/// 64 bytes must be readable at `from`, and AVX-512 there.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn load(from: *const u16) -> __m512bh {
    // SAFETY: same size; by the contract.
    unsafe { std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(from.cast())) }
}
