//! The standard normal distribution, as far as intervals and tests need it.

use std::f64::consts::SQRT_2;

/// z with P(|Z| ≤ z) = `confidence`; 1.96 for 0.95.
pub(super) fn two_sided(confidence: f64) -> f64 {
    upper((1.0 - confidence) / 2.0)
}

/// z ≥ 0 with P(Z > z) = `tail`, for a tail of at most one half: the inverse of [`libm::erfc`], by bisection to the
/// last digit.
fn upper(tail: f64) -> f64 {
    // Beyond 40 the tail is below the smallest positive number.
    let (mut lo, mut hi) = (0.0, 40.0);
    loop {
        let middle = (lo + hi) / 2.0;
        if middle <= lo || middle >= hi {
            return middle;
        }
        if libm::erfc(middle / SQRT_2) / 2.0 > tail {
            lo = middle;
        } else {
            hi = middle;
        }
    }
}

/// z with P(Z ≤ z) = `p`.
pub(super) fn quantile(p: f64) -> f64 {
    if p < 0.5 { -upper(p) } else { upper(1.0 - p) }
}

/// P(|Z| ≥ |z|).
pub(super) fn two_sided_p(z: f64) -> f64 {
    libm::erfc(z.abs() / SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_tables() {
        for (confidence, z) in
            [(0.9, 1.644_853_626_951_472_2), (0.95, 1.959_963_984_540_054), (0.99, 2.575_829_303_548_900_4)]
        {
            assert!((two_sided(confidence) / z - 1.0).abs() < 1e-14, "{confidence}: {}", two_sided(confidence));
            assert!((two_sided_p(z) - (1.0 - confidence)).abs() < 1e-15);
        }
    }

    #[test]
    fn extreme_tails_end() {
        assert_eq!(upper(0.5), 0.0);
        assert!(upper(1e-300) > 37.0 && upper(0.0) > 37.0);
    }
}
