//! The one-dimensional transforms of F(2, 3) and F(4, 3).
//!
//! F(4, 3) evaluates polynomials at 0, ±√½, ±√2 and infinity. Points whose products are near one keep rounding errors
//! small: they are about twice those of the direct sum, where the textbook's 0, ±1, ±2 give four times as much, and ten
//! times in the worst value. Opposite points share half of their work.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use crate::kernels::simd::Lanes;

/// Longest edge of a patch.
pub(super) const EDGE: usize = 6;
/// Longest edge of a tile.
pub(super) const SIDE: usize = 4;

/// G·g: three taps at the `M + 2` points.
pub(super) fn weights<const M: usize>([a, b, c]: [f64; 3]) -> [f64; EDGE] {
    let mut out = [0.0; EDGE];
    if M == 2 {
        out[..4].copy_from_slice(&[a, 0.5 * (a + b + c), 0.5 * (a - b + c), c]);
        return out;
    }
    let near = |s: f64| (a + s * std::f64::consts::FRAC_1_SQRT_2 * b + 0.5 * c) / -1.5;
    let far = |s: f64| (a + s * std::f64::consts::SQRT_2 * b + 2.0 * c) / 6.0;
    [a, near(1.0), near(-1.0), far(1.0), far(-1.0), c]
}

/// Bᵀ·d: `M + 2` inputs at the points.
///
/// # Safety
/// The instruction set of `V` must be available.
#[inline(always)]
pub(super) unsafe fn inputs<V: Lanes, const M: usize>(d: [V; EDGE]) -> [V; EDGE] {
    let [d0, d1, d2, d3, d4, d5] = d;
    // SAFETY: by the contract.
    unsafe {
        if M == 2 {
            return [d0.sub(d2), d1.add(d2), d2.sub(d1), d1.sub(d3), d4, d5];
        }
        let of = |x: f32| V::splat(x);
        let near = [of(-2.0).mul_add(d2, d4), of(-2.0).mul_add(d1, d3)];
        let far = [of(-0.5).mul_add(d2, d4), of(-0.5).mul_add(d1, d3)];
        [
            of(-2.5).mul_add(d2, d0.add(d4)),
            of(FRAC_1_SQRT_2).mul_add(near[1], near[0]),
            of(-FRAC_1_SQRT_2).mul_add(near[1], near[0]),
            of(SQRT_2).mul_add(far[1], far[0]),
            of(-SQRT_2).mul_add(far[1], far[0]),
            of(-2.5).mul_add(d3, d1.add(d5)),
        ]
    }
}

/// Aᵀ·m: `M` outputs of the products at the points.
///
/// # Safety
/// The instruction set of `V` must be available.
#[inline(always)]
pub(super) unsafe fn outputs<V: Lanes, const M: usize>(m: [V; EDGE]) -> [V; SIDE] {
    let [m0, m1, m2, m3, m4, m5] = m;
    // SAFETY: by the contract.
    unsafe {
        if M == 2 {
            return [m0.add(m1.add(m2)), m1.sub(m2).sub(m3), m4, m5];
        }
        let of = |x: f32| V::splat(x);
        let (near, far) = ([m1.add(m2), m1.sub(m2)], [m3.add(m4), m3.sub(m4)]);
        [
            m0.add(near[0]).add(far[0]),
            of(SQRT_2).mul_add(far[1], of(FRAC_1_SQRT_2).mul_add(near[1], of(0.0))),
            of(2.0).mul_add(far[0], of(0.5).mul_add(near[0], of(0.0))),
            of(2.0 * SQRT_2).mul_add(far[1], of(0.5 * FRAC_1_SQRT_2).mul_add(near[1], m5)),
        ]
    }
}
