//! Matrix products with operands rounded to bfloat16 and sums in single precision, on processors with matrix tiles.
//!
//! For training only: an evaluation never rounds its operands. [`enable`] switches the whole process over; where the
//! processor or the system has no tiles, products stay in single precision.

use std::sync::atomic::{AtomicBool, Ordering};

static ENABLED: AtomicBool = AtomicBool::new(false);

/// Rounds the operands of large matrix products to bfloat16 from now on, if this processor has matrix tiles; says
/// whether it has.
pub fn enable() -> bool {
    let available = available();
    ENABLED.store(available, Ordering::Relaxed);
    available
}

/// Whether [`enable`] found tiles.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) fn enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn available() -> bool {
    false
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use tiles::available;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) use tiles::{pack, product};

/// Stands in where there are no tiles: never made.
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub(super) enum Packed {}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub(super) fn pack(_: usize, _: usize, _: super::gemm::View<'_>, _: usize) -> Option<Packed> {
    None
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub(super) fn product(a: &Packed, _: usize, _: &[f32], _: usize, _: &mut [f32], _: usize, _: super::gemm::Start) {
    match *a {}
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod tiles {
    use std::arch::asm;
    use std::arch::x86_64::{
        __cpuid_count, __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_loadu_ps, _mm512_loadu_si512,
        _mm512_permutexvar_epi16, _mm512_storeu_si512,
    };
    use std::cell::{Cell, RefCell};

    use super::super::gemm::{Start, View};

    /// Rows of a tile.
    const ROWS: usize = 16;
    /// Bfloat16 values of a tile's row.
    const DEPTH: usize = 32;
    /// Values of a tile.
    const TILE: usize = ROWS * DEPTH;
    /// Output columns of a block: three tiles.
    const COLUMNS: usize = 48;

    /// Whether processor and system offer tiles of bfloat16; asks the system for their use.
    pub(super) fn available() -> bool {
        if !is_x86_feature_detected!("avx512f")
            || !is_x86_feature_detected!("avx512bw")
            || !is_x86_feature_detected!("avx512bf16")
        {
            return false;
        }
        // Leaf 7: bit 22 of EDX is AMX-BF16, bit 24 AMX-TILE.
        let leaf = __cpuid_count(7, 0);
        let wanted = (1 << 22) | (1 << 24);
        if leaf.edx & wanted != wanted {
            return false;
        }
        // arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA): the kernel grants tiles to a process on demand.
        let result: i64;
        // SAFETY: a system call that changes no memory; the registers it clobbers are declared.
        unsafe {
            asm!("syscall", inlateout("rax") 158_i64 => result, in("rdi") 0x1023_i64, in("rsi") 18_i64,
                out("rcx") _, out("r11") _, options(nostack));
        }
        result == 0
    }

    #[repr(C, align(64))]
    struct Config([u8; 64]);

    /// All eight tiles with 16 rows of 64 bytes.
    static CONFIG: Config = {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        let mut i = 0;
        while i < 8 {
            bytes[16 + 2 * i] = 64;
            bytes[48 + i] = 16;
            i += 1;
        }
        Config(bytes)
    };

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
    pub(in super::super) struct Packed {
        m: usize,
        k: usize,
        tiles: Vec<u16>,
    }

    /// Tiles of `A[m×k]` for a product with `n` columns; none where [`super::enable`] found no tiles, or the shape is too
    /// small for them to pay.
    pub(in super::super) fn pack(m: usize, k: usize, a: View<'_>, n: usize) -> Option<Packed> {
        (super::enabled() && m >= 8 && n >= 16 && k >= 16).then(|| Packed::new(m, k, a))
    }

    impl Packed {
        fn new(m: usize, k: usize, a: View<'_>) -> Self {
            assert!(a.data.len() > (m - 1) * a.row + (k - 1) * a.col, "A too short");
            let depth = k.div_ceil(DEPTH);
            let mut tiles = PACKED.take();
            tiles.resize(m.div_ceil(ROWS) * depth * TILE, 0);
            // SAFETY: `enable` found the instructions; the operand is as asserted.
            unsafe { pack_a(m, k, depth, a, &mut tiles) };
            Self { m, k, tiles }
        }
    }

    impl Drop for Packed {
        fn drop(&mut self) {
            PACKED.set(std::mem::take(&mut self.tiles));
        }
    }

    /// `C[m×n] = A[m×k]·B[k×n] (+ C)` with row distances `ldb` and `ldc`.
    pub(in super::super) fn product(
        a: &Packed,
        n: usize,
        b: &[f32],
        ldb: usize,
        c: &mut [f32],
        ldc: usize,
        start: Start,
    ) {
        let (m, k) = (a.m, a.k);
        assert!(n <= ldb && b.len() >= (k - 1) * ldb + n, "B too short");
        assert!(n <= ldc && c.len() >= (m - 1) * ldc + n, "C too short");
        SCRATCH.with_borrow_mut(|scratch| {
            let (depth, mt, nt) = (k.div_ceil(DEPTH), m.div_ceil(ROWS), n.div_ceil(COLUMNS) * 3);
            scratch.b.resize(nt * depth * TILE, 0);
            scratch.c.resize(2 * ROWS * COLUMNS, 0.0);
            // SAFETY: `enable` found the instructions; the buffers hold all tiles; operands are as asserted.
            unsafe {
                pack_b(n, k, depth, b, ldb, &mut scratch.b);
                asm!("ldtilecfg [{}]", in(reg) &raw const CONFIG, options(nostack, readonly));
            }
            let block = &mut scratch.c[..];
            for j in (0..nt).step_by(3) {
                let mut i = 0;
                while i < mt {
                    let tall = i + 1 < mt;
                    // SAFETY: the tiles `i`, `i + 1` of A and `j..j + 3` of B exist; the block holds six tiles.
                    unsafe {
                        let (a0, b0) =
                            (a.tiles.as_ptr().add(i * depth * TILE), scratch.b.as_ptr().add(j * depth * TILE));
                        if tall {
                            tall_block(a0, b0, depth, block.as_mut_ptr());
                        } else {
                            flat_block(a0, b0, depth, block.as_mut_ptr());
                        }
                    }
                    let rows = if tall { 2 * ROWS } else { ROWS };
                    let width = COLUMNS.min(n - j * ROWS);
                    for (r, values) in block.chunks_exact(COLUMNS).take(rows.min(m - i * ROWS)).enumerate() {
                        let target = &mut c[(i * ROWS + r) * ldc + j * ROWS..][..width];
                        match start {
                            Start::Zero => target.copy_from_slice(&values[..width]),
                            Start::Accumulate => target.iter_mut().zip(values).for_each(|(t, v)| *t += v),
                        }
                    }
                    i += if tall { 2 } else { 1 };
                }
            }
            // SAFETY: frees the tiles that `ldtilecfg` took.
            unsafe { asm!("tilerelease", options(nostack, nomem)) };
        });
    }

    /// Rows of A as tiles of 16 × 32, one after another along k, zeros beyond the edges.
    ///
    /// # Safety
    /// AVX-512 with BF16 must be there; `a` and `out` large enough.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn pack_a(m: usize, k: usize, depth: usize, a: View<'_>, out: &mut [u16]) {
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
    unsafe fn pack_b(n: usize, k: usize, depth: usize, b: &[f32], ldb: usize, out: &mut [u16]) {
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

    /// Six output tiles from two of A and three of B at a time.
    ///
    /// # Safety
    /// Tiles are configured; `a` points at two rows of `depth` tiles, `b` at three, `out` at 32 × 48 floats.
    unsafe fn tall_block(a: *const u16, b: *const u16, depth: usize, out: *mut f32) {
        let row = depth * TILE * 2;
        // SAFETY: all addresses are inside the operands by the contract; tiles are declared as clobbered.
        unsafe {
            asm!(
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", "tilezero tmm4", "tilezero tmm5",
                "2:",
                "tileloadd tmm6, [{a} + {stride}*1]",
                "tileloadd tmm7, [{b} + {stride}*1]",
                "tdpbf16ps tmm0, tmm6, tmm7",
                "tileloadd tmm7, [{b1} + {stride}*1]",
                "tdpbf16ps tmm1, tmm6, tmm7",
                "tileloadd tmm7, [{b2} + {stride}*1]",
                "tdpbf16ps tmm2, tmm6, tmm7",
                "tileloadd tmm6, [{a1} + {stride}*1]",
                "tdpbf16ps tmm5, tmm6, tmm7",
                "tileloadd tmm7, [{b1} + {stride}*1]",
                "tdpbf16ps tmm4, tmm6, tmm7",
                "tileloadd tmm7, [{b} + {stride}*1]",
                "tdpbf16ps tmm3, tmm6, tmm7",
                "add {a}, 1024", "add {a1}, 1024", "add {b}, 1024", "add {b1}, 1024", "add {b2}, 1024",
                "dec {count}",
                "jnz 2b",
                "mov {stride}, 192",
                "tilestored [{out} + {stride}*1], tmm0",
                "tilestored [{out} + {stride}*1 + 64], tmm1",
                "tilestored [{out} + {stride}*1 + 128], tmm2",
                "tilestored [{out} + {stride}*1 + 3072], tmm3",
                "tilestored [{out} + {stride}*1 + 3136], tmm4",
                "tilestored [{out} + {stride}*1 + 3200], tmm5",
                a = inout(reg) a => _,
                a1 = inout(reg) a.byte_add(row) => _,
                b = inout(reg) b => _,
                b1 = inout(reg) b.byte_add(row) => _,
                b2 = inout(reg) b.byte_add(2 * row) => _,
                count = inout(reg) depth => _,
                stride = inout(reg) 64_usize => _,
                out = in(reg) out,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }

    /// Three output tiles from one of A and three of B at a time.
    ///
    /// # Safety
    /// As [`tall_block`], with one row of A.
    unsafe fn flat_block(a: *const u16, b: *const u16, depth: usize, out: *mut f32) {
        let row = depth * TILE * 2;
        // SAFETY: as in `tall_block`.
        unsafe {
            asm!(
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2",
                "2:",
                "tileloadd tmm3, [{a} + {stride}*1]",
                "tileloadd tmm4, [{b} + {stride}*1]",
                "tileloadd tmm5, [{b1} + {stride}*1]",
                "tileloadd tmm6, [{b2} + {stride}*1]",
                "tdpbf16ps tmm0, tmm3, tmm4",
                "tdpbf16ps tmm1, tmm3, tmm5",
                "tdpbf16ps tmm2, tmm3, tmm6",
                "add {a}, 1024", "add {b}, 1024", "add {b1}, 1024", "add {b2}, 1024",
                "dec {count}",
                "jnz 2b",
                "mov {stride}, 192",
                "tilestored [{out} + {stride}*1], tmm0",
                "tilestored [{out} + {stride}*1 + 64], tmm1",
                "tilestored [{out} + {stride}*1 + 128], tmm2",
                a = inout(reg) a => _,
                b = inout(reg) b => _,
                b1 = inout(reg) b.byte_add(row) => _,
                b2 = inout(reg) b.byte_add(2 * row) => _,
                count = inout(reg) depth => _,
                stride = inout(reg) 64_usize => _,
                out = in(reg) out,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, out("tmm4") _, out("tmm5") _, out("tmm6") _,
                options(nostack),
            );
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn equals_the_sum_of_rounded_products() {
            if !available() {
                eprintln!("skipped: this processor has no matrix tiles");
                return;
            }
            let value = |i: usize| ((i * 37 % 61) as f32 - 30.0) / 8.0;
            for (m, n, k) in [(8, 16, 16), (24, 48, 216), (33, 100, 77), (16, 49, 32), (70, 144, 129)] {
                for transposed in [false, true] {
                    let a: Vec<f32> = (0..m * k).map(value).collect();
                    let b: Vec<f32> = (0..k * n).map(|i| value(i + 5)).collect();
                    let view = if transposed { View::transposed(&a, m) } else { View::rows(&a, k) };
                    let mut c = vec![1.0; m * n];
                    let packed = Packed::new(m, k, view);
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
    }
}
