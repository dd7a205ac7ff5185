//! Low-pass filters: Kaiser windows over a sinc, or over a jinc where the filter is round.

use std::f64::consts::PI;

use fmr_nn::functional::Fir;

/// What a filter is designed for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Design {
    /// Taps in each direction.
    pub taps: usize,
    /// Cut-off frequency.
    pub cutoff: f64,
    /// Width of the transition band.
    pub width: f64,
    /// Sampling rate.
    pub rate: f64,
    /// Whether the filter is round rather than separable.
    pub radial: bool,
}

impl Design {
    /// The taps, or none for a single one: it changes nothing.
    pub fn fir(&self) -> Option<Fir> {
        if self.taps < 2 {
            return None;
        }
        let window = kaiser(self.taps, self.attenuation());
        Some(if self.radial { self.round(&window) } else { self.separable(&window) })
    }

    /// Attenuation of the stop band that so many taps reach, in decibels.
    fn attenuation(&self) -> f64 {
        2.285 * (self.taps - 1) as f64 * PI * self.width / (self.rate / 2.0) + 7.95
    }

    /// How far tap `k` lies from the middle, in taps.
    fn offset(&self, k: usize) -> f64 {
        k as f64 - (self.taps - 1) as f64 / 2.0
    }

    fn separable(&self, window: &[f64]) -> Fir {
        let cutoff = self.cutoff / (self.rate / 2.0);
        let taps = window.iter().enumerate().map(|(k, v)| cutoff * sinc(cutoff * self.offset(k)) * v);
        Fir::Separable(normalised(&taps.collect::<Vec<_>>()))
    }

    fn round(&self, window: &[f64]) -> Fir {
        let place = |k: usize| self.offset(k) / self.rate;
        let mut taps = Vec::with_capacity(self.taps * self.taps);
        for (a, va) in window.iter().enumerate() {
            for (b, vb) in window.iter().enumerate() {
                let radius = place(a).hypot(place(b));
                taps.push(jinc(self.cutoff, radius) * va * vb);
            }
        }
        Fir::Full { taps: normalised(&taps), columns: self.taps }
    }
}

/// Taps whose sum is one, rounded once.
fn normalised(taps: &[f64]) -> Vec<f32> {
    let sum: f64 = taps.iter().sum();
    taps.iter().map(|tap| (tap / sum) as f32).collect()
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The round counterpart of a sinc.
fn jinc(cutoff: f64, radius: f64) -> f64 {
    if radius == 0.0 { cutoff } else { bessel_j1(2.0 * PI * cutoff * radius) / (PI * radius) }
}

/// Kaiser's window for an attenuation in decibels.
fn kaiser(taps: usize, attenuation: f64) -> Vec<f64> {
    let beta = if attenuation > 50.0 {
        0.1102 * (attenuation - 8.7)
    } else if attenuation > 21.0 {
        0.5842 * (attenuation - 21.0).powf(0.4) + 0.07886 * (attenuation - 21.0)
    } else {
        0.0
    };
    let middle = (taps - 1) as f64 / 2.0;
    let value = |k: usize| {
        let x = (k as f64 - middle) / middle;
        bessel_i0(beta * (1.0 - x * x).max(0.0).sqrt()) / bessel_i0(beta)
    };
    (0..taps).map(value).collect()
}

/// The modified Bessel function of order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..500 {
        term *= quarter / f64::from(k * k);
        sum += term;
        if term < sum * f64::EPSILON / 4.0 {
            break;
        }
    }
    sum
}

/// The Bessel function of order one: the mean of cos(θ − x·sin θ) over half a turn.
fn bessel_j1(x: f64) -> f64 {
    // Of a periodic function, midpoints are exact once they are more than x and some.
    let points = 400.max(2 * x.abs() as usize + 100);
    let mean = |i: usize| {
        let angle = (i as f64 + 0.5) * PI / points as f64;
        (angle - x * angle.sin()).cos()
    };
    (0..points).map(mean).sum::<f64>() / points as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bessel_functions_have_their_tabulated_values() {
        for (x, i0) in [(0.0, 1.0), (1.0, 1.266_065_877_752_008_4), (10.0, 2_815.716_628_466_254)] {
            assert!((bessel_i0(x) / i0 - 1.0).abs() < 1e-14, "{x}");
        }
        for (x, j1) in [(0.0, 0.0), (1.0, 0.440_050_585_744_933_5), (20.0, 0.066_833_124_175_850_05)] {
            assert!((bessel_j1(x) - j1).abs() < 1e-14, "{x}");
        }
    }

    #[test]
    fn one_tap_is_no_filter_and_others_sum_to_one() {
        let design = |taps, radial| Design { taps, cutoff: 3.0, width: 4.0, rate: 32.0, radial };
        assert!(design(1, false).fir().is_none() && design(0, true).fir().is_none());
        for taps in 2..14 {
            let sum = match design(taps, taps % 3 == 0).fir() {
                Some(Fir::Separable(taps) | Fir::Full { taps, .. }) => taps.iter().sum::<f32>(),
                None => 0.0,
            };
            assert!((sum - 1.0).abs() < 1e-5, "{taps}: {sum}");
        }
    }
}
