//! What a severity from 1 to 5 means for each corruption.

use serde::{Deserialize, Serialize};

/// A kind of corruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corruption {
    /// Normal noise on every value.
    GaussianNoise,
    /// Normal noise in proportion to the value.
    SpeckleNoise,
    /// Values that become black or white.
    ImpulseNoise,
    /// Gaussian blur.
    GaussianBlur,
    /// A larger value in hue, saturation and value.
    Brightness,
    /// Values nearer to their channel's mean.
    Contrast,
    /// A turn about the centre, either way.
    Rotation,
}

/// A corruption with its strength.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Amount {
    /// Standard deviation.
    GaussianNoise(f64),
    /// Standard deviation at a value of 1.
    SpeckleNoise(f64),
    /// Share of the values.
    ImpulseNoise(f64),
    /// Standard deviation in pixels.
    GaussianBlur(f64),
    /// What is added to the value.
    Brightness(f64),
    /// Share of the contrast that is left.
    Contrast(f64),
    /// Degrees.
    Rotation(f64),
}

/// The strongest severity; the weakest is 1.
pub const MOST_SEVERE: u8 = 5;

/// Longest side of images that get the severities of CIFAR-10-C; larger ones get those of ImageNet-C.
const SMALL: usize = 64;

impl Corruption {
    /// Its name in experiment files.
    pub fn name(self) -> &'static str {
        match self {
            Self::GaussianNoise => "gaussian-noise",
            Self::SpeckleNoise => "speckle-noise",
            Self::ImpulseNoise => "impulse-noise",
            Self::GaussianBlur => "gaussian-blur",
            Self::Brightness => "brightness",
            Self::Contrast => "contrast",
            Self::Rotation => "rotation",
        }
    }

    /// Its strength at a severity from 1 to 5 for images `[c, h, w]`, as Hendrycks and Dietterich chose them for CIFAR-10-C and
    /// ImageNet-C. They have no rotation.
    pub(super) fn amount(self, severity: u8, [_, h, w]: [usize; 3]) -> Amount {
        let at = usize::from(severity.clamp(1, MOST_SEVERE)) - 1;
        let of = |small: [f64; 5], large: [f64; 5]| if h.max(w) <= SMALL { small[at] } else { large[at] };
        match self {
            Self::GaussianNoise => {
                Amount::GaussianNoise(of([0.04, 0.06, 0.08, 0.09, 0.1], [0.08, 0.12, 0.18, 0.26, 0.38]))
            }
            Self::SpeckleNoise => Amount::SpeckleNoise(of([0.06, 0.1, 0.12, 0.16, 0.2], [0.15, 0.2, 0.35, 0.45, 0.6])),
            Self::ImpulseNoise => {
                Amount::ImpulseNoise(of([0.01, 0.02, 0.03, 0.05, 0.07], [0.03, 0.06, 0.09, 0.17, 0.27]))
            }
            Self::GaussianBlur => Amount::GaussianBlur(of([0.4, 0.6, 0.7, 0.8, 1.0], [1.0, 2.0, 3.0, 4.0, 6.0])),
            Self::Brightness => Amount::Brightness(of([0.05, 0.1, 0.15, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4, 0.5])),
            Self::Contrast => Amount::Contrast(of([0.75, 0.5, 0.4, 0.3, 0.15], [0.4, 0.3, 0.2, 0.1, 0.05])),
            Self::Rotation => Amount::Rotation(of([5.0, 10.0, 15.0, 20.0, 30.0], [5.0, 10.0, 15.0, 20.0, 30.0])),
        }
    }
}
