//! Data sets of corrupted pictures, as the benchmarks of common corruptions are.

use fmr_core::corruption::MOST_SEVERE;
use serde::{Deserialize, Serialize};

/// Kind of a corruption.
pub use fmr_core::corruption::Corruption as CorruptionKind;

/// A corruption of all pictures of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Corruption {
    /// Which.
    pub kind: CorruptionKind,
    /// How strong, from 1 to 5.
    pub severity: u8,
}

impl Corruption {
    /// Largest severity.
    pub const MOST: u8 = MOST_SEVERE;

    /// What is wrong with it, if anything is.
    pub(super) fn problem(self) -> Option<String> {
        let Self { severity, .. } = self;
        (!(1..=Self::MOST).contains(&severity))
            .then(|| format!("severity is {severity}, must be from 1 to {}", Self::MOST))
    }

    /// The corrupted picture `[channels, height, width]` of bytes. What is random is a function of the picture, so that a
    /// corrupted data set is the same on every machine and in every subset.
    pub fn of(self, shape: [usize; 3], bytes: &[u8]) -> Vec<u8> {
        let image: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte) / 255.0).collect();
        let corrupted = self.kind.of(self.severity, &image, shape, 0);
        corrupted.into_iter().map(|value| (value * 255.0).round() as u8).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [CorruptionKind; 4] = [
        CorruptionKind::GaussianNoise,
        CorruptionKind::GaussianBlur,
        CorruptionKind::Contrast,
        CorruptionKind::Brightness,
    ];

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
        for kind in KINDS {
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
