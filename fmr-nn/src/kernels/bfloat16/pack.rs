//! Operands rounded to bfloat16 and laid out as the kernels read them.

use std::arch::x86_64::{
    __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_permutexvar_epi16,
    _mm512_storeu_si512,
};

use super::super::gemm::View;
use super::{DEPTH, ROWS, TILE};

/// Rows of A as tiles of 16 × 32, one after another along k, zeros beyond the edges.
///
/// # Safety
/// AVX-512 with BF16 must be there; `a` and `out` large enough.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn pack_a(m: usize, k: usize, depth: usize, a: View<'_>, out: &mut [u16]) {
    for (t, tile) in out.chunks_exact_mut(TILE).enumerate() {
        let (i0, k0) = (t / depth * ROWS, t % depth * DEPTH);
        for (r, row) in tile.chunks_exact_mut(DEPTH).enumerate() {
            let i = i0 + r;
            if i >= m {
                row.fill(0);
                continue;
            }
            let mut values = [0.0_f32; DEPTH];
            let source = if a.col == 1 && k0 + DEPTH <= k {
                a.data[i * a.row + k0..][..DEPTH].as_ptr()
            } else {
                for (v, kk) in values.iter_mut().zip(k0..k) {
                    *v = a.data[i * a.row + kk * a.col];
                }
                values.as_ptr()
            };
            // SAFETY: 32 floats are readable and 32 halves writable.
            unsafe {
                let rounded = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(source.add(16)), _mm512_loadu_ps(source));
                store(rounded, row.as_mut_ptr());
            }
        }
    }
}

/// Columns of B as tiles of 32 × 16 in pairs of rows, one after another along k, zeros beyond the edges.
///
/// # Safety
/// As [`pack_a`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn pack_b(n: usize, k: usize, depth: usize, b: &[f32], ldb: usize, out: &mut [u16]) {
    let mut order = [0_u16; DEPTH];
    for (i, o) in order.iter_mut().enumerate() {
        *o = (i / 2 + i % 2 * 16) as u16;
    }
    // SAFETY: 64 bytes are readable.
    let order = unsafe { _mm512_loadu_si512(order.as_ptr().cast()) };
    let zeros = [0.0_f32; 16];
    for (t, tile) in out.chunks_exact_mut(TILE).enumerate() {
        let (j0, k0) = (t / depth * ROWS, t % depth * DEPTH);
        let width = n.saturating_sub(j0).min(16);
        for (pair, values) in tile.chunks_exact_mut(2 * ROWS).enumerate() {
            let mut buffers = [zeros; 2];
            let row = |kk: usize, buffer: &mut [f32; 16]| {
                if kk >= k || width == 0 {
                    zeros.as_ptr()
                } else if width == 16 {
                    b[kk * ldb + j0..][..16].as_ptr()
                } else {
                    buffer[..width].copy_from_slice(&b[kk * ldb + j0..][..width]);
                    buffer.as_ptr()
                }
            };
            let [first, second] = &mut buffers;
            let (even, odd) = (row(k0 + 2 * pair, first), row(k0 + 2 * pair + 1, second));
            // SAFETY: 16 floats are readable at both, 32 halves writable.
            unsafe {
                let rounded = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(odd), _mm512_loadu_ps(even));
                let mixed = _mm512_permutexvar_epi16(order, std::mem::transmute::<__m512bh, __m512i>(rounded));
                _mm512_storeu_si512(values.as_mut_ptr().cast(), mixed);
            }
        }
    }
}

/// # Safety
/// 64 bytes must be writable at `to`, and AVX-512 there.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn store(values: __m512bh, to: *mut u16) {
    // SAFETY: same size; by the contract.
    unsafe { _mm512_storeu_si512(to.cast(), std::mem::transmute::<__m512bh, __m512i>(values)) }
}
