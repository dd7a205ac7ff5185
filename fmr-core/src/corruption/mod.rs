//! Common corruptions (Hendrycks & Dietterich, 2019): images with noise, blur, less or more light, in five severities.

mod severity;

use severity::Amount;
pub use severity::{Corruption, MOST_SEVERE};

use crate::noise::ImageNoise;

impl Corruption {
    /// The corrupted image. `image` is `[c, h, w]`, row-major, in [0, 1], and so is the result; `severity` is 1 to
    /// [`MOST_SEVERE`]. What is random is a function of the image and the seed.
    pub fn of(self, severity: u8, image: &[f32], shape: [usize; 3], seed: u64) -> Vec<f32> {
        let corrupted = apply(self.amount(severity, shape), image, shape, &mut ImageNoise::of(image, seed));
        corrupted.into_iter().map(|value| value.clamp(0.0, 1.0) as f32).collect()
    }
}

/// The corrupted image, not yet limited to [0, 1].
fn apply(amount: Amount, image: &[f32], [c, h, w]: [usize; 3], noise: &mut ImageNoise) -> Vec<f64> {
    let plane = h * w;
    let values = || image.iter().map(|v| f64::from(*v));
    match amount {
        Amount::GaussianNoise(deviation) => values().map(|v| v + deviation * noise.normal()).collect(),
        Amount::SpeckleNoise(deviation) => values().map(|v| v + v * deviation * noise.normal()).collect(),
        Amount::ImpulseNoise(share) => {
            let hit = |v| match noise.uniform() {
                u if u < share / 2.0 => 0.0,
                u if u < share => 1.0,
                _ => v,
            };
            values().map(hit).collect()
        }
        Amount::GaussianBlur(sigma) => {
            let planes: Vec<f64> = values().collect();
            planes.chunks_exact(plane).flat_map(|plane| blurred(plane, [h, w], sigma)).collect()
        }
        Amount::Brightness(more) => {
            // The value of a colour in hue, saturation and value is its largest channel.
            let mut out: Vec<f64> = values().collect();
            for i in 0..plane {
                let value = (0..c).map(|k| out[k * plane + i]).fold(0.0, f64::max);
                let raised = (value + more).min(1.0);
                (0..c).for_each(|k| {
                    let channel = &mut out[k * plane + i];
                    *channel = if value > 0.0 { *channel * raised / value } else { raised };
                });
            }
            out
        }
        Amount::Contrast(share) => {
            let planes: Vec<f64> = values().collect();
            let less = |plane: &[f64]| -> Vec<f64> {
                let mean = plane.iter().sum::<f64>() / plane.len() as f64;
                plane.iter().map(|v| (v - mean) * share + mean).collect()
            };
            planes.chunks_exact(plane).flat_map(less).collect()
        }
        Amount::Rotation(degrees) => {
            let turn = if noise.uniform() < 0.5 { degrees } else { -degrees };
            let planes: Vec<f64> = values().collect();
            planes.chunks_exact(plane).flat_map(|plane| rotated(plane, [h, w], turn.to_radians())).collect()
        }
    }
}

/// Gaussian blur to four deviations, with the border's pixels going on beyond it.
fn blurred(plane: &[f64], [h, w]: [usize; 2], sigma: f64) -> Vec<f64> {
    let radius = (4.0 * sigma + 0.5) as i64;
    let weights: Vec<f64> = (-radius..=radius).map(|k| (-0.5 * (k as f64 / sigma).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let along = |from: &[f64], step: usize, len: usize, line: &dyn Fn(usize) -> usize| -> Vec<f64> {
        let at = |i: usize| {
            let place = (i / step) % len;
            let tap = |(k, weight): (i64, &f64)| {
                let other = (place as i64 + k).clamp(0, len as i64 - 1) as usize;
                weight / sum * from[line(i) + other * step]
            };
            (-radius..=radius).zip(&weights).map(tap).sum()
        };
        (0..h * w).map(at).collect()
    };
    let down = along(plane, w, h, &|i| i % w);
    along(&down, 1, w, &|i| i / w * w)
}

/// Turned anticlockwise about the centre, by two-by-two interpolation; the border's pixels go on beyond it.
fn rotated(plane: &[f64], [h, w]: [usize; 2], angle: f64) -> Vec<f64> {
    let (sin, cos) = angle.sin_cos();
    let centre = [(h as f64 - 1.0) / 2.0, (w as f64 - 1.0) / 2.0];
    let split = |at: f64, len: usize| {
        let at = at.clamp(0.0, len as f64 - 1.0);
        let low = at.floor() as usize;
        (low, (low + 1).min(len - 1), at - at.floor())
    };
    let at = |i: usize| {
        let (y, x) = ((i / w) as f64 - centre[0], (i % w) as f64 - centre[1]);
        let (top, bottom, down) = split(centre[0] + cos * y + sin * x, h);
        let (left, right, across) = split(centre[1] - sin * y + cos * x, w);
        let row = |y: usize| plane[y * w + left] * (1.0 - across) + plane[y * w + right] * across;
        row(top) * (1.0 - down) + row(bottom) * down
    };
    (0..h * w).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blur_keeps_flat_planes_and_spreads_a_point_evenly() {
        assert!(blurred(&[0.25; 12], [3, 4], 1.0).iter().all(|v| (v - 0.25).abs() < 1e-12));
        let mut point = [0.0; 81];
        point[40] = 1.0;
        let spread = blurred(&point, [9, 9], 0.6);
        // The product of two normalised Gaussians of deviation 0.6, cut at 2 pixels.
        let weight = |k: f64| (-0.5 * (k / 0.6_f64).powi(2)).exp();
        let sum = weight(0.0) + 2.0 * (weight(1.0) + weight(2.0));
        assert!((spread[40] - (weight(0.0) / sum).powi(2)).abs() < 1e-12);
        assert!((spread[41] - weight(0.0) * weight(1.0) / sum / sum).abs() < 1e-12);
        assert!((spread[31] - spread[41]).abs() < 1e-15);
    }

    #[test]
    fn a_quarter_turn_is_anticlockwise() {
        let turned = rotated(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], [3, 3], std::f64::consts::FRAC_PI_2);
        let wanted = [3.0, 6.0, 9.0, 2.0, 5.0, 8.0, 1.0, 4.0, 7.0];
        assert!(turned.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9), "{turned:?}");
    }

    #[test]
    fn brightness_scales_a_colour_and_contrast_keeps_the_mean() {
        let noise = || ImageNoise::of(&[], 0);
        let bright = apply(Amount::Brightness(0.25), &[0.5, 0.25, 0.0], [3, 1, 1], &mut noise());
        assert_eq!(bright, [0.75, 0.375, 0.0]);
        let black = apply(Amount::Brightness(0.25), &[0.0, 0.0, 0.0], [3, 1, 1], &mut noise());
        assert_eq!(black, [0.25; 3]);
        let flat = apply(Amount::Contrast(0.5), &[0.0, 1.0], [1, 1, 2], &mut noise());
        assert_eq!(flat, [0.25, 0.75]);
    }
}
