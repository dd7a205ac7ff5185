//! Vector lanes and run-time choice of the instruction set.
//!
//! Every kernel computes each output as one chain of fused multiply-adds in a fixed order, so that AVX-512 and AVX2
//! give the same bits; only the portable fallback, which has no fused operation, may differ in the last ones.

mod lanes;

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};

pub use lanes::{Lanes, MAX_LANES, Portable};

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

impl Isa {
    /// Vectors that its registers hold.
    pub fn registers(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => __m512::REGISTERS,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => __m256::REGISTERS,
            _ => Portable::REGISTERS,
        }
    }
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

/// Asks for the line of the cache that holds `p`, which is read soon. Any address will do: nothing is read yet.
#[inline(always)]
pub fn fetch(p: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instruction, which reads no memory that the program sees.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(p.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
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
