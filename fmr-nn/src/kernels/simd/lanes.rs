//! Vectors of each instruction set, as one trait that kernels are written against.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, __m256i, __m512, _mm256_add_ps, _mm256_andnot_si256, _mm256_blendv_ps, _mm256_castpd_ps, _mm256_castps_pd,
    _mm256_castsi256_ps, _mm256_fmadd_ps, _mm256_i32gather_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_maskload_ps,
    _mm256_maskstore_ps, _mm256_max_ps, _mm256_min_ps, _mm256_permute2f128_ps, _mm256_permute4x64_pd, _mm256_set1_ps,
    _mm256_shuffle_ps, _mm256_storeu_ps, _mm256_sub_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps, _mm512_add_ps,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_max_ps,
    _mm512_min_ps, _mm512_permutex2var_ps, _mm512_set1_ps, _mm512_setr_epi32, _mm512_storeu_ps, _mm512_sub_ps,
};

/// Widest vector of any instruction set, in floats; scratch panels are padded to it.
pub const MAX_LANES: usize = 16;

/// A vector of `N` floats.
///
/// # Safety
/// All methods may only be called where the instruction set of the type is available; `load` and `store` need `N`
/// readable or writable floats at the pointer.
pub unsafe trait Lanes: Copy {
    /// Number of floats.
    const N: usize;
    /// Vectors that the registers of the instruction set hold.
    const REGISTERS: usize;
    /// All lanes equal to `x`.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn splat(x: f32) -> Self;
    /// Unaligned load.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn load(p: *const f32) -> Self;
    /// Unaligned store.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn store(self, p: *mut f32);
    /// The first `len <= N` floats at `p`, zeros beyond; nothing beyond is read.
    ///
    /// # Safety
    /// See the trait, with `len` in the place of `N`.
    #[inline(always)]
    unsafe fn load_first(p: *const f32, len: usize) -> Self {
        // SAFETY: passed on.
        unsafe { Self::load_span(p, 0, len) }
    }
    /// Floats `from..to` at `p` in their lanes, zeros in the others, with `to <= N`; nothing else is read, and `p` itself may
    /// lie outside the memory.
    ///
    /// # Safety
    /// See the trait, with the span in the place of `N`.
    #[inline(always)]
    unsafe fn load_span(p: *const f32, from: usize, to: usize) -> Self {
        let mut buffer = [0.0; MAX_LANES];
        // SAFETY: the caller guarantees the span; the buffer holds a whole vector.
        unsafe {
            if from < to {
                std::ptr::copy_nonoverlapping(p.wrapping_add(from), buffer.as_mut_ptr().add(from), to - from);
            }
            Self::load(buffer.as_ptr())
        }
    }
    /// Stores the first `len <= N` floats; nothing beyond is written.
    ///
    /// # Safety
    /// See the trait, with `len` in the place of `N`.
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, len: usize) {
        let mut buffer = [0.0; MAX_LANES];
        // SAFETY: the buffer holds a whole vector; the caller guarantees `len` floats.
        unsafe {
            self.store(buffer.as_mut_ptr());
            std::ptr::copy_nonoverlapping(buffer.as_ptr(), p, len.min(Self::N));
        }
    }
    /// `self * b + c`.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    /// `self + b`.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn add(self, b: Self) -> Self;
    /// `self - b`.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn sub(self, b: Self) -> Self;
    /// The greater of `self` and `b`; `b` where one is not a number.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn max(self, b: Self) -> Self;
    /// The lesser of `self` and `b`; `b` where one is not a number.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn min(self, b: Self) -> Self;
    /// Of `self` followed by `b`, the floats at even and those at odd places.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn unzip(self, b: Self) -> [Self; 2];
    /// Floats of `self` and `b` in turn: the undoing of [`Lanes::unzip`].
    ///
    /// # Safety
    /// See the trait.
    unsafe fn zip(self, b: Self) -> [Self; 2];
    /// The first `lanes` floats of `self`, then those of `b`.
    ///
    /// # Safety
    /// See the trait.
    #[inline(always)]
    unsafe fn join(self, b: Self, lanes: usize) -> Self {
        let mut all = [0.0; 2 * MAX_LANES];
        // SAFETY: the buffer holds two vectors; where both stand, the first `lanes` floats are of `self`.
        unsafe {
            b.store(all.as_mut_ptr().add(MAX_LANES));
            self.store(all.as_mut_ptr());
            let lanes = lanes.min(Self::N);
            std::ptr::copy_nonoverlapping(
                all.as_ptr().add(MAX_LANES + lanes),
                all.as_mut_ptr().add(lanes),
                Self::N - lanes,
            );
            Self::load(all.as_ptr())
        }
    }
    /// The floats at the distances `at[..N]` from `p`, each less than `2 * MAX_LANES`.
    ///
    /// # Safety
    /// See the trait; `2 * MAX_LANES` floats must be readable at `p`, and `N` distances at `at`.
    unsafe fn pick(p: *const f32, at: *const i32) -> Self;
}

/// A mask of the first `len` of sixteen lanes.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn first(len: usize) -> u16 {
    ((1_u32 << len.min(16)) - 1) as u16
}

/// A mask of the first `len` of eight lanes.
///
/// # Safety
/// AVX2 must be available.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn first_of_eight(len: usize) -> __m256i {
    const ONES_THEN_ZEROS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: eight integers from the eighth at most lie inside the table.
    unsafe { _mm256_loadu_si256(ONES_THEN_ZEROS.as_ptr().add(8 - len.min(8)).cast()) }
}

#[cfg(target_arch = "x86_64")]
// SAFETY: thin wrappers; the contract is the trait's.
unsafe impl Lanes for __m512 {
    const N: usize = 16;
    const REGISTERS: usize = 32;
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the caller guarantees AVX-512F.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller guarantees AVX-512F and 16 readable floats.
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller guarantees AVX-512F and 16 writable floats.
        unsafe { _mm512_storeu_ps(p, self) }
    }
    #[inline(always)]
    unsafe fn load_span(p: *const f32, from: usize, to: usize) -> Self {
        // SAFETY: the caller guarantees AVX-512F and the span; lanes that are masked out touch no memory.
        unsafe { _mm512_maskz_loadu_ps(first(to) & !first(from), p) }
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, len: usize) {
        // SAFETY: the caller guarantees AVX-512F and `len` writable floats; lanes that are masked out touch no memory.
        unsafe { _mm512_mask_storeu_ps(p, first(len), self) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: the caller guarantees AVX-512F.
        unsafe { _mm512_fmadd_ps(self, b, c) }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        // SAFETY: the caller guarantees AVX-512F.
        unsafe { _mm512_add_ps(self, b) }
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        // SAFETY: the caller guarantees AVX-512F.
        unsafe { _mm512_sub_ps(self, b) }
    }
    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        // SAFETY: the caller guarantees AVX-512F.
        unsafe { _mm512_max_ps(self, b) }
    }
    #[inline(always)]
    unsafe fn min(self, b: Self) -> Self {
        // SAFETY: the caller guarantees AVX-512F.
        unsafe { _mm512_min_ps(self, b) }
    }
    #[inline(always)]
    unsafe fn unzip(self, b: Self) -> [Self; 2] {
        // SAFETY: the caller guarantees AVX-512F.
        unsafe {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            [_mm512_permutex2var_ps(self, even, b), _mm512_permutex2var_ps(self, odd, b)]
        }
    }
    #[inline(always)]
    unsafe fn zip(self, b: Self) -> [Self; 2] {
        // SAFETY: the caller guarantees AVX-512F.
        unsafe {
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            [_mm512_permutex2var_ps(self, low, b), _mm512_permutex2var_ps(self, high, b)]
        }
    }
    #[inline(always)]
    unsafe fn pick(p: *const f32, at: *const i32) -> Self {
        // SAFETY: the caller guarantees AVX-512F, 32 readable floats and 16 distances.
        unsafe { _mm512_permutex2var_ps(Self::load(p), _mm512_loadu_si512(at.cast()), Self::load(p.add(16))) }
    }
}

#[cfg(target_arch = "x86_64")]
// SAFETY: thin wrappers; the contract is the trait's.
unsafe impl Lanes for __m256 {
    const N: usize = 8;
    const REGISTERS: usize = 16;
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the caller guarantees AVX2 and FMA.
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller guarantees AVX2 and 8 readable floats.
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller guarantees AVX2 and 8 writable floats.
        unsafe { _mm256_storeu_ps(p, self) }
    }
    #[inline(always)]
    unsafe fn load_span(p: *const f32, from: usize, to: usize) -> Self {
        // SAFETY: the caller guarantees AVX2 and the span; lanes that are masked out touch no memory.
        unsafe { _mm256_maskload_ps(p, _mm256_andnot_si256(first_of_eight(from), first_of_eight(to))) }
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, len: usize) {
        // SAFETY: the caller guarantees AVX2 and `len` writable floats; lanes that are masked out touch no memory.
        unsafe { _mm256_maskstore_ps(p, first_of_eight(len), self) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: the caller guarantees AVX2 and FMA.
        unsafe { _mm256_fmadd_ps(self, b, c) }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        // SAFETY: the caller guarantees AVX2.
        unsafe { _mm256_add_ps(self, b) }
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        // SAFETY: the caller guarantees AVX2.
        unsafe { _mm256_sub_ps(self, b) }
    }
    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        // SAFETY: the caller guarantees AVX2.
        unsafe { _mm256_max_ps(self, b) }
    }
    #[inline(always)]
    unsafe fn min(self, b: Self) -> Self {
        // SAFETY: the caller guarantees AVX2.
        unsafe { _mm256_min_ps(self, b) }
    }
    #[inline(always)]
    unsafe fn unzip(self, b: Self) -> [Self; 2] {
        // SAFETY: the caller guarantees AVX2.
        unsafe {
            // Both halves hold two of `self`, then two of `b`.
            let even = _mm256_castps_pd(_mm256_shuffle_ps::<0x88>(self, b));
            let odd = _mm256_castps_pd(_mm256_shuffle_ps::<0xDD>(self, b));
            // A closure around these would not be inlined: it lacks the instruction set.
            [
                _mm256_castpd_ps(_mm256_permute4x64_pd::<0xD8>(even)),
                _mm256_castpd_ps(_mm256_permute4x64_pd::<0xD8>(odd)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn zip(self, b: Self) -> [Self; 2] {
        // SAFETY: the caller guarantees AVX2.
        unsafe {
            let (low, high) = (_mm256_unpacklo_ps(self, b), _mm256_unpackhi_ps(self, b));
            [_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high)]
        }
    }
    #[inline(always)]
    unsafe fn join(self, b: Self, lanes: usize) -> Self {
        // SAFETY: the caller guarantees AVX2.
        unsafe { _mm256_blendv_ps(b, self, _mm256_castsi256_ps(first_of_eight(lanes))) }
    }
    #[inline(always)]
    unsafe fn pick(p: *const f32, at: *const i32) -> Self {
        // SAFETY: the caller guarantees AVX2, 8 distances, and readable floats there.
        unsafe { _mm256_i32gather_ps::<4>(p, _mm256_loadu_si256(at.cast())) }
    }
}

/// Eight floats in plain Rust, for machines without AVX2: two registers of SSE2 or NEON.
#[derive(Clone, Copy)]
pub struct Portable([f32; 8]);

/// Whether every processor of the target multiplies and adds in one instruction, as those with NEON do.
const FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

// SAFETY: needs no instruction set; pointers as the trait says.
unsafe impl Lanes for Portable {
    const N: usize = 8;
    const REGISTERS: usize = if cfg!(target_arch = "aarch64") { 16 } else { 8 };
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; 8])
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller guarantees 8 readable floats; arrays of floats have the alignment of a float.
        Self(unsafe { p.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller guarantees 8 writable floats.
        unsafe { p.cast::<[f32; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, mut c: Self) -> Self {
        for i in 0..8 {
            c.0[i] = if FUSED { self.0[i].mul_add(b.0[i], c.0[i]) } else { c.0[i] + self.0[i] * b.0[i] };
        }
        c
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + b.0[i]))
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - b.0[i]))
    }
    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        Self(std::array::from_fn(|i| if self.0[i] > b.0[i] { self.0[i] } else { b.0[i] }))
    }
    #[inline(always)]
    unsafe fn min(self, b: Self) -> Self {
        Self(std::array::from_fn(|i| if self.0[i] < b.0[i] { self.0[i] } else { b.0[i] }))
    }
    #[inline(always)]
    unsafe fn unzip(self, b: Self) -> [Self; 2] {
        let at = |i: usize| if i < 8 { self.0[i] } else { b.0[i - 8] };
        [0, 1].map(|odd| Self(std::array::from_fn(|i| at(2 * i + odd))))
    }
    #[inline(always)]
    unsafe fn zip(self, b: Self) -> [Self; 2] {
        let at = |i: usize| if i.is_multiple_of(2) { self.0[i / 2] } else { b.0[i / 2] };
        [0, 8].map(|first| Self(std::array::from_fn(|i| at(first + i))))
    }
    #[inline(always)]
    unsafe fn pick(p: *const f32, at: *const i32) -> Self {
        // SAFETY: the caller guarantees 8 distances, and readable floats there.
        Self(std::array::from_fn(|i| unsafe { *p.add(*at.add(i) as usize) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every partial and rearranging operation of a kind of vector, against its definition.
    ///
    /// # Safety
    /// The instruction set of `V` must be available.
    unsafe fn check<V: Lanes>() {
        let values: [f32; 2 * MAX_LANES] = std::array::from_fn(|i| i as f32 - 7.5);
        let all = |v: V| -> Vec<f32> {
            let mut out = vec![0.0; V::N];
            // SAFETY: by the contract; `out` holds a vector.
            unsafe { v.store(out.as_mut_ptr()) };
            out
        };
        let (first, second) = values[..2 * V::N].split_at(V::N);
        // SAFETY: by the contract; every address lies inside `values` or `out`, or its lane is left out.
        unsafe {
            let (a, b) = (V::load(first.as_ptr()), V::load(second.as_ptr()));
            let [even, odd] = a.unzip(b);
            assert_eq!(all(even), values[..2 * V::N].iter().step_by(2).copied().collect::<Vec<_>>());
            assert_eq!(all(odd), values[1..2 * V::N].iter().step_by(2).copied().collect::<Vec<_>>());
            let [low, high] = even.zip(odd);
            assert_eq!((all(low), all(high)), (first.to_vec(), second.to_vec()));
            assert!(all(a.max(V::splat(0.0))).iter().zip(first).all(|(m, v)| *m == v.max(0.0)));
            assert!(all(a.min(V::splat(0.0))).iter().zip(first).all(|(m, v)| *m == v.min(0.0)));
            for lanes in 0..=V::N {
                let expected: Vec<f32> = first[..lanes].iter().chain(&second[lanes..]).copied().collect();
                assert_eq!(all(a.join(b, lanes)), expected);
            }
            for from in 0..=V::N {
                for to in 0..=V::N {
                    let kept = |i: usize| if (from..to).contains(&i) { first[i] } else { 0.0 };
                    assert_eq!(all(V::load_span(first.as_ptr(), from, to)), (0..V::N).map(kept).collect::<Vec<_>>());
                }
                let mut out = vec![1.0; V::N];
                a.store_first(out.as_mut_ptr(), from);
                assert!(out[..from] == first[..from] && out[from..].iter().all(|v| *v == 1.0));
            }
            // Nothing lies before the first value.
            let before = first.as_ptr().wrapping_sub(1);
            assert_eq!(all(V::load_span(before, 1, 3))[..3], [0.0, first[0], first[1]]);
        }
    }

    #[test]
    fn vectors_of_every_instruction_set_agree() {
        // SAFETY: needs no instruction set.
        unsafe { check::<Portable>() };
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                // SAFETY: just detected.
                unsafe { check::<__m256>() };
            }
            if is_x86_feature_detected!("avx512f") {
                // SAFETY: just detected.
                unsafe { check::<__m512>() };
            }
        }
    }
}
