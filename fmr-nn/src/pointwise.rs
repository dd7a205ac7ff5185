//! Activations as operations on tensors.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::device::is_host;
use crate::kernels::buffers;
use crate::kernels::conv::Rectify;
use crate::kernels::parallel::for_parts;
use crate::kernels::simd::{exp, sigmoid, specialised, vectorized};
use crate::ops::{Host, HostOp, OpRef, Saved, apply};
use crate::standard;

/// Activations that stand alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pointwise {
    /// max(0, x).
    Relu,
    /// min(max(0, x), 6).
    Relu6,
    /// x · sigmoid(1.702 x), OpenAI CLIP's.
    QuickGelu,
    /// x · Φ(x), exact.
    Gelu,
    /// x · sigmoid(x).
    Silu,
    /// x where x > 0, else 0.2 x; for discriminators.
    LeakyRelu,
}

impl Pointwise {
    #[inline(always)]
    fn value(self, x: f32) -> f32 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::QuickGelu => x * sigmoid(1.702 * x),
            Self::Gelu => x * normal_cdf(x),
            Self::Silu => x * sigmoid(x),
            Self::LeakyRelu => {
                if x > 0.0 {
                    x
                } else {
                    0.2 * x
                }
            }
        }
    }

    #[inline(always)]
    fn slope(self, x: f32) -> f32 {
        match self {
            Self::Relu => f32::from(u8::from(x > 0.0)),
            Self::Relu6 => f32::from(u8::from(x > 0.0 && x < 6.0)),
            Self::QuickGelu => {
                let s = sigmoid(1.702 * x);
                s * (1.0 + 1.702 * x * (1.0 - s))
            }
            Self::Gelu => normal_cdf(x) + x * bell(x) * 0.398_942_3,
            Self::Silu => {
                let s = sigmoid(x);
                s * (1.0 + x * (1.0 - s))
            }
            Self::LeakyRelu => {
                if x > 0.0 {
                    1.0
                } else {
                    0.2
                }
            }
        }
    }
}

/// e^(-x²/2).
#[inline(always)]
fn bell(x: f32) -> f32 {
    exp(-0.5 * x * x)
}

/// Standard normal distribution function: the tail is `bell(x)` times a function of 1 / (1 + 0.3 |x|) that varies little,
/// here a polynomial which is right to a relative 5e-8 on [0, 9] (fitted by least squares, reweighted towards equal errors).
/// What rounding adds is less than in ½ (1 + erf(x / √2)).
#[inline(always)]
fn normal_cdf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.3 * x.abs());
    let p = 0.037_535_72;
    let p = p * t - 0.165_019_72;
    let p = p * t + 0.219_971_37;
    let p = p * t - 0.066_402_71;
    let p = p * t + 0.135_420_24;
    let p = p * t + 0.097_783_92;
    let p = p * t + 0.121_105_7;
    let p = p * t + 0.119_605_49;
    let tail = bell(x) * (p * t);
    if x > 0.0 { 1.0 - tail } else { tail }
}

impl HostOp for Pointwise {
    fn forward(&self, [x, ..]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let kind = *self;
        let mut y = buffers::take(x.data.len());
        for_parts(&mut y, 1, |at, y| {
            let x = &x.data[at..at + y.len()];
            vectorized(
                #[inline(always)]
                || {
                    specialised!(kind, KIND in Pointwise::[Relu, Relu6, QuickGelu, Gelu, Silu, LeakyRelu], {
                        for (y, x) in y.iter_mut().zip(x) {
                            *y = KIND.value(*x);
                        }
                    });
                },
            );
        });
        (y, x.shape.to_vec())
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [true, false, false], output: false }
    }

    fn backward(&self, [x, ..]: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let kind = *self;
        let mut dx = buffers::take(x.data.len());
        for_parts(&mut dx, 1, |at, dx| {
            let (x, dy) = (&x.data[at..at + dx.len()], &dy.data[at..at + dx.len()]);
            vectorized(
                #[inline(always)]
                || {
                    specialised!(kind, KIND in Pointwise::[Relu, Relu6, QuickGelu, Gelu, Silu, LeakyRelu], {
                        for ((g, x), d) in dx.iter_mut().zip(x).zip(dy) {
                            *g = d * KIND.slope(*x);
                        }
                    });
                },
            );
        });
        [Some(dx), None, None]
    }
}

/// An elementwise activation.
pub fn pointwise<const D: usize>(x: Tensor<D>, kind: Pointwise) -> Tensor<D> {
    if !is_host(&x.device()) {
        return standard::pointwise(x, kind);
    }
    let op: OpRef = Arc::new(kind);
    apply::<D, 1, 1, D>(x, None, None, op)
}

/// A tensor cut off as `cut` says.
pub fn rectify<const D: usize>(x: Tensor<D>, cut: Rectify) -> Tensor<D> {
    match cut {
        Rectify::None => x,
        Rectify::Relu => pointwise(x, Pointwise::Relu),
        Rectify::Relu6 => pointwise(x, Pointwise::Relu6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gelu_is_that_of_the_normal_distribution() {
        // Values of the distribution function to twelve places.
        let known = [
            (-6.0, 9.865_876_450_4e-10),
            (-3.0, 1.349_898_031_630e-3),
            (-1.5, 6.680_720_126_886e-2),
            (-0.5, 3.085_375_387_260e-1),
            (0.0, 0.5),
            (0.25, 5.987_063_256_829e-1),
            (1.0, 8.413_447_460_685e-1),
            (2.0, 9.772_498_680_518e-1),
            (5.0, 9.999_997_133_484e-1),
        ];
        for (x, cdf) in known {
            assert!((f64::from(normal_cdf(x)) - cdf).abs() < 1e-7, "at {x}: {}", normal_cdf(x));
            let expected = f64::from(x) * cdf;
            assert!((f64::from(Pointwise::Gelu.value(x)) - expected).abs() <= 1e-7 * f64::from(x.abs()));
        }
    }

    #[test]
    fn slopes_are_those_of_the_values() {
        for kind in [Pointwise::QuickGelu, Pointwise::Gelu, Pointwise::Silu, Pointwise::LeakyRelu] {
            for x in (-40..40).map(|i| 0.1 * i as f32 + 0.05) {
                let h = 0.01;
                let slope = (kind.value(x + h) - kind.value(x - h)) / (2.0 * h);
                assert!((slope - kind.slope(x)).abs() < 1e-3, "{kind:?} at {x}: {slope} and {}", kind.slope(x));
            }
        }
    }
}
