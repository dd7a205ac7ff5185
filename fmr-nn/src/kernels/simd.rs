//! Vector lanes and run-time choice of the instruction set.
//!
//! Every kernel computes each output as one chain of fused multiply-adds in a fixed order, so that AVX-512 and AVX2
//! give the same bits; only the portable fallback, which has no fused operation, may differ in the last ones.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, __m256i, __m512, _mm256_add_ps, _mm256_andnot_si256, _mm256_castpd_ps, _mm256_castps_pd, _mm256_fmadd_ps,
    _mm256_i32gather_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_max_ps,
    _mm256_min_ps, _mm256_permute2f128_ps, _mm256_permute4x64_pd, _mm256_set1_ps, _mm256_shuffle_ps, _mm256_storeu_ps,
    _mm256_sub_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_max_ps, _mm512_min_ps,
    _mm512_permutex2var_ps, _mm512_set1_ps, _mm512_setr_epi32, _mm512_storeu_ps, _mm512_sub_ps,
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
    unsafe fn pick(p: *const f32, at: *const i32) -> Self {
        // SAFETY: the caller guarantees AVX2, 8 distances, and readable floats there.
        unsafe { _mm256_i32gather_ps::<4>(p, _mm256_loadu_si256(at.cast())) }
    }
}

/// Eight floats in plain Rust, for machines without AVX2.
#[derive(Clone, Copy)]
pub struct Portable([f32; 8]);

// SAFETY: needs no instruction set; pointers as the trait says.
unsafe impl Lanes for Portable {
    const N: usize = 8;
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
            c.0[i] += self.0[i] * b.0[i];
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

/// Instruction sets that the kernels know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// 512-bit vectors.
    Avx512,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// Plain Rust.
    Portable,
}

/// The best instruction set of this machine; `FMR_ISA=avx2|portable` asks for a lesser one.
pub fn isa() -> Isa {
    static ISA: std::sync::OnceLock<Isa> = std::sync::OnceLock::new();
    *ISA.get_or_init(|| {
        let asked = std::env::var("FMR_ISA").unwrap_or_default();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 && is_x86_feature_detected!("avx512f") && asked.is_empty() {
                return Isa::Avx512;
            }
            if avx2 && asked != "portable" {
                return Isa::Avx2;
            }
        }
        let _ = asked;
        Isa::Portable
    })
}

/// Work written for vectors of any size.
pub trait VectorJob {
    /// Does it.
    ///
    /// # Safety
    /// The instruction set of `V` must be available, and the job's pointers as it says.
    unsafe fn run<V: Lanes>(&self);
}

/// Does a job with the best vectors of this machine.
///
/// # Safety
/// The job's pointers must be as it says.
#[inline]
pub unsafe fn dispatch(job: &impl VectorJob) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn with_avx512(job: &impl VectorJob) {
        // SAFETY: the feature is enabled here; the caller of `dispatch` answers for the pointers.
        unsafe { job.run::<__m512>() }
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn with_avx2(job: &impl VectorJob) {
        // SAFETY: as in `with_avx512`.
        unsafe { job.run::<__m256>() }
    }
    // SAFETY: the instruction set is the detected one; the rest by the contract.
    unsafe {
        match isa() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => with_avx512(job),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => with_avx2(job),
            _ => job.run::<Portable>(),
        }
    }
}

/// Runs plain loops compiled for the best instruction set, so that the compiler vectorises them accordingly.
///
/// `f` must be a closure marked `#[inline(always)]`: without it the compiler may keep it a function of its own, compiled
/// for the least processor of the target.
#[inline]
pub fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
        fn with_avx512<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        #[target_feature(enable = "avx2,fma")]
        fn with_avx2<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        match isa() {
            // SAFETY: `isa` found AVX-512F; every processor with it that this project knows has VL, DQ and BW.
            Isa::Avx512
                if is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw") =>
            {
                // SAFETY: all enabled features were just detected.
                return unsafe { with_avx512(f) };
            }
            // SAFETY: `isa` found AVX2 and FMA.
            Isa::Avx512 | Isa::Avx2 => return unsafe { with_avx2(f) },
            Isa::Portable => {}
        }
    }
    f()
}

/// A loop for each variant of a choice, `$known` being the variant as a constant: a choice inside a loop keeps it from
/// being vectorised.
macro_rules! specialised {
    ($choice:expr, $known:ident in $type:ident::[$($variant:ident),+], $body:expr) => {
        match $choice {
            $($type::$variant => {
                const $known: $type = $type::$variant;
                $body
            })+
        }
    };
}
pub(crate) use specialised;

/// e^x to about 2 units in the last place for x in [-87, 88]; saturates outside. Written so that loops over it vectorise.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    // Round to nearest by the magic-number trick: vectorises on every instruction set.
    let magic = 12_582_912.0_f32;
    let t = x * std::f32::consts::LOG2_E + magic;
    let n = t - magic;
    let r = x - n * 0.693_359_4;
    let r = r + n * 2.121_944_4e-4;
    let p = 1.987_569_2e-4_f32;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    // The low bits of `t` hold n; a conversion to an integer, which must look out for NaN, would not vectorise.
    let scale = f32::from_bits(t.to_bits().wrapping_sub(magic.to_bits()).wrapping_add(127) << 23);
    p * scale
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
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

    #[test]
    fn the_exponential_is_that_of_the_standard_library() {
        for k in -8_000..=8_000 {
            let x = f64::from(k) * 0.01;
            let single = f64::from(exp(x as f32));
            assert!((single / f64::from(x as f32).exp() - 1.0).abs() < 4e-7, "e^{x} = {single}");
        }
        assert!(exp(-1e9) < 1e-37);
    }
}
