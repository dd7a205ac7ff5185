//! Corruptions: pictures with noise, blur, and less or more light, in five severities, as the benchmarks of common corruptions have
//! them (Hendrycks & Dietterich, 2019).

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Kind of a corruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CorruptionKind {
    /// Normal noise of each value, the same for the same picture.
    GaussianNoise,
    /// A normal blur.
    GaussianBlur,
    /// Less distance of each value from the mean of its channel.
    Contrast,
    /// More light: the largest channel of each pixel rises, and the others with it.
    Brightness,
}

/// A corruption of all pictures of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Corruption {
    /// Which.
    pub kind: CorruptionKind,
    /// How strong, from 1 to 5.
    pub severity: u8,
}

impl CorruptionKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::GaussianNoise, Self::GaussianBlur, Self::Contrast, Self::Brightness];

    /// Its name in experiment files.
    pub fn name(self) -> &'static str {
        match self {
            Self::GaussianNoise => "gaussian-noise",
            Self::GaussianBlur => "gaussian-blur",
            Self::Contrast => "contrast",
            Self::Brightness => "brightness",
        }
    }

    /// Its strength at each severity: deviation of the noise in [0, 1], deviation of the blur in pixels, share of the contrast that
    /// is left, light added in [0, 1].
    fn strengths(self) -> [f32; 5] {
        match self {
            Self::GaussianNoise => [0.04, 0.06, 0.08, 0.09, 0.10],
            Self::GaussianBlur => [0.4, 0.6, 0.7, 0.8, 1.0],
            Self::Contrast => [0.75, 0.5, 0.4, 0.3, 0.15],
            Self::Brightness => [0.05, 0.1, 0.15, 0.2, 0.3],
        }
    }
}

impl Corruption {
    /// Largest severity.
    pub const MOST: u8 = 5;

    /// What is wrong with it, if anything is.
    pub(super) fn problem(self) -> Option<String> {
        let Self { severity, .. } = self;
        (!(1..=Self::MOST).contains(&severity))
            .then(|| format!("severity is {severity}, must be from 1 to {}", Self::MOST))
    }

    /// The corrupted picture `[channels, height, width]` of bytes.
    pub fn of(self, [channels, height, width]: [usize; 3], bytes: &[u8]) -> Vec<u8> {
        let severity = usize::from(self.severity.clamp(1, Self::MOST)) - 1;
        let strength = self.kind.strengths()[severity];
        let mut values: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte) / 255.0).collect();
        let plane = (height * width).max(1);
        match self.kind {
            CorruptionKind::GaussianNoise => noise(&mut values, strength, seed(bytes)),
            CorruptionKind::GaussianBlur => {
                values.chunks_exact_mut(plane).for_each(|plane| blur(plane, [height, width], strength));
            }
            CorruptionKind::Contrast => values.chunks_exact_mut(plane).for_each(|plane| {
                let mean = plane.iter().sum::<f32>() / plane.len() as f32;
                plane.iter_mut().for_each(|v| *v = (*v - mean) * strength + mean);
            }),
            CorruptionKind::Brightness => brighten(&mut values, [channels, plane], strength),
        }
        values.into_iter().map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8).collect()
    }
}

/// The same for the same picture, so that a corrupted data set is the same on every machine and in every subset.
fn seed(bytes: &[u8]) -> u64 {
    Sha256::digest(bytes).iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

fn noise(values: &mut [f32], deviation: f32, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for pair in values.chunks_mut(2) {
        // Box and Muller: two normal numbers of two uniform ones, of which the first must not be 0.
        let radius = (-2.0 * (1.0 - random.random::<f32>()).ln()).sqrt();
        let (sin, cos) = (std::f32::consts::TAU * random.random::<f32>()).sin_cos();
        for (v, n) in pair.iter_mut().zip([cos, sin]) {
            *v += deviation * radius * n;
        }
    }
}

/// Rows, then columns; the border is repeated.
fn blur(plane: &mut [f32], [height, width]: [usize; 2], deviation: f32) {
    let reach = (4.0 * deviation).ceil() as isize;
    let weights: Vec<f32> = (-reach..=reach).map(|d| (-0.5 * (d as f32 / deviation).powi(2)).exp()).collect();
    let total: f32 = weights.iter().sum();
    let mut pass = |step: usize, side: usize, start: &dyn Fn(usize) -> usize, lines: usize| {
        for line in 0..lines {
            let first = start(line);
            let source: Vec<f32> = (0..side).map(|i| plane[first + i * step]).collect();
            for i in 0..side {
                let at = |d: isize| source[(i as isize + d).clamp(0, side as isize - 1) as usize];
                let sum: f32 = (-reach..=reach).zip(&weights).map(|(d, weight)| at(d) * weight).sum();
                plane[first + i * step] = sum / total;
            }
        }
    };
    pass(1, width, &|row| row * width, height);
    pass(width, height, &|column| column, width);
}

/// Hue and saturation stay: the largest channel of a pixel rises, and the others in proportion.
fn brighten(values: &mut [f32], [channels, plane]: [usize; 2], light: f32) {
    for i in 0..plane {
        let largest = (0..channels).map(|c| values[c * plane + i]).fold(0.0, f32::max);
        for c in 0..channels {
            let v = &mut values[c * plane + i];
            let share = if largest > 0.0 { *v / largest } else { 1.0 };
            *v = share * (largest + light).min(1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grey ramp with a red pixel in its middle.
    fn picture() -> ([usize; 3], Vec<u8>) {
        let plane = |red: u8| (0..64).map(move |i| if i == 36 { red } else { 60 + 2 * i });
        ([3, 8, 8], plane(200).chain(plane(50)).chain(plane(50)).collect())
    }

    fn distance(corruption: Corruption) -> f64 {
        let (shape, bytes) = picture();
        let corrupted = corruption.of(shape, &bytes);
        assert_eq!(corrupted.len(), bytes.len());
        bytes.iter().zip(&corrupted).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum()
    }

    #[test]
    fn a_corruption_is_the_same_each_time_and_stronger_with_its_severity() {
        for kind in CorruptionKind::ALL {
            let distances: Vec<f64> = (1..=5).map(|severity| distance(Corruption { kind, severity })).collect();
            assert!(distances[0] > 0.0 && distances.is_sorted_by(|a, b| a < b), "{}: {distances:?}", kind.name());
            assert_eq!(distance(Corruption { kind, severity: 3 }), distances[2]);
        }
        let problem = |severity| Corruption { kind: CorruptionKind::Contrast, severity }.problem();
        assert!(problem(0).is_some() && problem(6).is_some() && problem(5).is_none());
    }

    #[test]
    fn each_kind_does_what_it_says() {
        let (shape, bytes) = picture();
        let of = |kind, severity| Corruption { kind, severity }.of(shape, &bytes);
        let mean = |bytes: &[u8]| bytes.iter().map(|b| f64::from(*b)).sum::<f64>() / bytes.len() as f64;
        assert!((mean(&of(CorruptionKind::GaussianBlur, 5)) - mean(&bytes)).abs() < 1.0);
        assert!((mean(&of(CorruptionKind::Contrast, 5)) - mean(&bytes)).abs() < 1.0);
        assert!(mean(&of(CorruptionKind::Brightness, 2)) > mean(&bytes) + 10.0);
        // 200, 50, 50 and a tenth of the light: 225.5, and a quarter of that.
        let bright = of(CorruptionKind::Brightness, 2);
        assert_eq!([bright[36], bright[64 + 36]], [226, 56]);
        let noisy = of(CorruptionKind::GaussianNoise, 5);
        let deviation =
            (bytes.iter().zip(&noisy).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum::<f64>() / 192.0).sqrt();
        assert!((20.0..31.0).contains(&deviation), "{deviation}");
    }
}
