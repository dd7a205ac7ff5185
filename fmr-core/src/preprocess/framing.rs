//! How an image of any size is brought to the size that a model takes: once for pictures from files, in bytes, and once
//! for decoded images, differentiably. Both show the same part of the image.

use std::fmt;

use super::{Filter, Picture, Stage, centre_offset, shorter_side};

/// How an image's sides come to those that a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// The shorter side to `shorter`, the longer one in proportion and rounded down; then the middle is cut out. Where a
    /// side is smaller than the result, black is added around it.
    Crop {
        /// Length of the shorter side before the cut.
        shorter: usize,
        /// Where the middle begins when it cannot be exact.
        rule: CropRule,
    },
    /// Both sides to the result's; the aspect ratio is not kept.
    Squash,
    /// The whole image fits, its aspect ratio kept; the rest is black.
    Pad,
}

/// How the offset of a centre crop is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CropRule {
    /// Half to even: torchvision, timm, OpenAI, open_clip.
    #[default]
    HalfToEven,
    /// Down: Hugging Face.
    Floor,
}

/// Size, fit and filter: what a model's authors do to an image before they normalise it.
///
/// ```
/// use fmr_core::preprocess::{CropRule, Filter, Fit, Framing, Picture};
///
/// let fit = Fit::Crop { shorter: 256, rule: CropRule::HalfToEven };
/// let framing = Framing { size: [224, 224], fit, filter: Filter::Bicubic };
/// let photograph = Picture { shape: [3, 375, 500], bytes: vec![90; 3 * 375 * 500] };
/// assert_eq!(framing.picture(&photograph).shape, [3, 224, 224]);
/// assert_eq!(framing.to_string(), "shorter side to 256 (bicubic), centre 224 × 224");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    /// `[height, width]` of the result.
    pub size: [usize; 2],
    /// How an image's sides come to them.
    pub fit: Fit,
    /// How values between pixels are found. Shrinking is antialiased.
    pub filter: Filter,
}

impl Framing {
    /// The differentiable stages for images of `[height, width]`.
    pub fn stages(&self, from: [usize; 2]) -> Vec<Stage> {
        let size = self.resized(from);
        let resize = Stage::Resize { size, filter: self.filter, antialias: true };
        if self.fit == Fit::Squash {
            return vec![resize];
        }
        vec![resize, Stage::Window { corner: self.corner(size), size: self.size }]
    }

    /// A picture from a file at the model's size, byte for byte as Pillow resizes it.
    #[must_use]
    pub fn picture(&self, picture: &Picture) -> Picture {
        let [_, h, w] = picture.shape;
        let resized = picture.resized(self.resized([h, w]), self.filter);
        let [_, h, w] = resized.shape;
        if [h, w] == self.size { resized } else { resized.window(self.corner([h, w]), self.size) }
    }

    /// `[height, width]` after the resize and before the cut, for an image of that size.
    pub fn resized(&self, [h, w]: [usize; 2]) -> [usize; 2] {
        match self.fit {
            Fit::Crop { shorter, .. } => shorter_side([h, w], shorter),
            Fit::Squash => self.size,
            Fit::Pad => {
                let ratio = |to: usize, from: usize| to as f64 / from.max(1) as f64;
                let scale = ratio(self.size[0], h).min(ratio(self.size[1], w));
                [h, w].map(|n| ((n as f64 * scale).round_ties_even() as usize).max(1))
            }
        }
    }

    /// Where the result's first pixel lies in the resized image: before it, where the image is smaller.
    fn corner(&self, resized: [usize; 2]) -> [isize; 2] {
        let offset = |from: usize, to: usize| {
            if from <= to {
                return -(((to - from) / 2) as isize);
            }
            match self.fit {
                Fit::Crop { rule: CropRule::HalfToEven, .. } => centre_offset(from, to) as isize,
                _ => ((from - to) / 2) as isize,
            }
        };
        [offset(resized[0], self.size[0]), offset(resized[1], self.size[1])]
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([h, w], filter) = (self.size, self.filter);
        match self.fit {
            Fit::Crop { shorter, .. } => write!(f, "shorter side to {shorter} ({filter}), centre {h} × {w}"),
            Fit::Squash => write!(f, "both sides to {h} × {w} ({filter})"),
            Fit::Pad => write!(f, "whole image in {h} × {w} ({filter}), the rest black"),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use ndarray::Array4;
    use proptest::prelude::*;

    use super::*;
    use crate::preprocess::Pipeline;

    fn framing() -> impl Strategy<Value = Framing> {
        let rule = prop_oneof![Just(CropRule::HalfToEven), Just(CropRule::Floor)];
        let crop = (2usize..20, rule).prop_map(|(shorter, rule)| Fit::Crop { shorter, rule });
        let fit = prop_oneof![crop, Just(Fit::Squash), Just(Fit::Pad)];
        let filter = prop_oneof![Just(Filter::Bilinear), Just(Filter::Bicubic)];
        ([1usize..16, 1usize..16], fit, filter).prop_map(|(size, fit, filter)| Framing { size, fit, filter })
    }

    proptest! {
        /// The two paths show the same part of an image: they differ by the rounding of bytes alone.
        #[test]
        fn bytes_and_values_agree(framing in framing(), h in 2usize..24, w in 2usize..24, seed: u32) {
            // A smooth picture: cubic filters overshoot at edges, where bytes are clamped.
            let at = |y: usize, x: usize| 60 + ((y * 3 + x * 5 + seed as usize % 40) % 120) as u8 / 2;
            let bytes: Vec<u8> = (0..h * w).map(|i| at(i / w, i % w)).collect();
            let picture = Picture { shape: [1, h, w], bytes };
            let framed = framing.picture(&picture);
            prop_assert_eq!(framed.shape, [1, framing.size[0], framing.size[1]]);
            let values = Array4::from_shape_vec((1, 1, h, w), picture.values().collect()).unwrap();
            let pipeline = Pipeline::new([1, h, w], &framing.stages([h, w])).unwrap();
            for (byte, value) in framed.values().zip(&pipeline.forward(values.view())) {
                prop_assert!((byte - value).abs() <= 2.5 / 255.0, "{byte} {value}");
            }
        }
    }

    #[test]
    fn small_pictures_are_padded_with_black() {
        let fit = Fit::Crop { shorter: 1, rule: CropRule::HalfToEven };
        let framing = Framing { size: [3, 4], fit, filter: Filter::Bilinear };
        let framed = framing.picture(&Picture { shape: [1, 1, 2], bytes: vec![7, 8] });
        assert_eq!(framed.bytes, [0, 0, 0, 0, 0, 7, 8, 0, 0, 0, 0, 0]);
    }
}
