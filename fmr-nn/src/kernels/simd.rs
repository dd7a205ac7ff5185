//! Vector lanes and run-time choice of the instruction set.
//!
//! Every kernel computes each output as one chain of fused multiply-adds in a fixed order, so that AVX-512 and AVX2
//! give the same bits; only the portable fallback, which has no fused operation, may differ in the last ones.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, __m512, _mm256_add_ps, _mm256_fmadd_ps, _mm256_i32gather_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_set1_ps, _mm256_storeu_ps, _mm256_sub_ps, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_permutex2var_ps, _mm512_set1_ps,
    _mm512_storeu_ps, _mm512_sub_ps,
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
        let mut buffer = [0.0; MAX_LANES];
        // SAFETY: the caller guarantees `len` floats; the buffer holds a whole vector.
        unsafe {
            std::ptr::copy_nonoverlapping(p, buffer.as_mut_ptr(), len.min(Self::N));
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
    unsafe fn load_first(p: *const f32, len: usize) -> Self {
        // SAFETY: the caller guarantees AVX-512F and `len` readable floats; lanes that are masked out touch no memory.
        unsafe { _mm512_maskz_loadu_ps(first(len), p) }
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

/// e^x in double precision to about 1e-12 for x in [-700, 700]; saturates outside. Loops over it vectorise, as with [`exp`].
#[inline(always)]
pub fn exp_double(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    let magic = 6_755_399_441_055_744.0_f64;
    let t = x * std::f64::consts::LOG2_E + magic;
    let n = t - magic;
    let r = x - n * 0.693_147_180_369_123_8;
    let r = r - n * 1.908_214_929_270_587_7e-10;
    // The series of e^r for |r| ≤ ln 2 / 2.
    let p = (1..=11).rev().fold(1.0, |p, k| 1.0 + r * p / f64::from(k));
    let scale = f64::from_bits(t.to_bits().wrapping_sub(magic.to_bits()).wrapping_add(1023) << 52);
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

    #[test]
    fn exponentials_are_those_of_the_standard_library() {
        for k in -8_000..=8_000 {
            let x = f64::from(k) * 0.01;
            let (single, double) = (f64::from(exp(x as f32)), exp_double(x));
            assert!((double / x.exp() - 1.0).abs() < 1e-12, "e^{x} = {double}");
            assert!((single / f64::from(x as f32).exp() - 1.0).abs() < 4e-7, "e^{x} = {single}");
        }
        assert!(exp_double(-1e9) < 1e-300 && exp(-1e9) < 1e-37);
    }
}
