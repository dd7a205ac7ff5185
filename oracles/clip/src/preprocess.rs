//! What images go through before the image tower: the 8-bit path for pictures from files.
//!
//! Images that a generator made stay in floating point and take the differentiable path of
//! [`fmr_core::preprocess::Pipeline`] instead.

use fmr_core::preprocess::{Filter, Picture, centre_offset, shorter_side};
use ndarray::Array3;

use crate::model::{MEAN, STD};

/// How a picture's sides come to the model's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizeMode {
    /// The shorter side fits, the middle is cropped.
    Shortest,
    /// Both sides fit, whatever becomes of the proportions.
    Squash,
    /// The longer side fits, the rest is black.
    Longest,
}

/// How the offset of a centre crop is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CropRule {
    /// Half to even: OpenAI, open_clip, torchvision.
    HalfToEven,
    /// Down: Hugging Face.
    Floor,
}

/// Preprocessing of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocess {
    /// Side of the square that the model takes.
    pub side: usize,
    /// Mean of each channel, of values in [0, 1].
    pub mean: [f32; 3],
    /// Deviation of each channel.
    pub std: [f32; 3],
    /// How values between pixels are found.
    pub filter: Filter,
    /// How sides come to the model's.
    pub resize: ResizeMode,
    /// How the crop's offset is rounded.
    pub crop: CropRule,
}

impl Default for Preprocess {
    /// OpenAI's for 224 pixels.
    fn default() -> Self {
        Self {
            side: 224,
            mean: MEAN,
            std: STD,
            filter: Filter::Bicubic,
            resize: ResizeMode::Shortest,
            crop: CropRule::HalfToEven,
        }
    }
}

impl Preprocess {
    /// The picture at the size before the crop or the padding.
    pub fn resized(&self, picture: &Picture) -> Picture {
        let [_, h, w] = picture.shape;
        let to = match self.resize {
            ResizeMode::Shortest => shorter_side([h, w], self.side),
            ResizeMode::Squash => [self.side; 2],
            ResizeMode::Longest => {
                let scale = self.side as f64 / h.max(w).max(1) as f64;
                [h, w].map(|n| (n as f64 * scale).round_ties_even() as usize)
            }
        };
        picture.resized(to, self.filter)
    }

    /// The square of bytes that the model sees, three channels.
    pub fn square(&self, picture: &Picture) -> Picture {
        let resized = self.resized(picture);
        let [c, h, w] = resized.shape;
        let n = self.side;
        // Where the square's corner lies in the picture; before it, where the picture is smaller.
        let corner = |from: usize| -> isize {
            if from <= n {
                return -(((n - from) / 2) as isize);
            }
            let offset = match self.crop {
                CropRule::HalfToEven => centre_offset(from, n),
                CropRule::Floor => (from - n) / 2,
            };
            offset as isize
        };
        let (top, left) = (corner(h), corner(w));
        let mut bytes = vec![0; 3 * n * n];
        for (channel, plane) in bytes.chunks_exact_mut((n * n).max(1)).enumerate() {
            let source = &resized.bytes[channel.min(c - 1) * h * w..][..h * w];
            for (y, row) in plane.chunks_exact_mut(n).enumerate() {
                for (x, value) in row.iter_mut().enumerate() {
                    let (from_y, from_x) = (y as isize + top, x as isize + left);
                    if (0..h as isize).contains(&from_y) && (0..w as isize).contains(&from_x) {
                        *value = source[from_y as usize * w + from_x as usize];
                    }
                }
            }
        }
        Picture { shape: [3, n, n], bytes }
    }

    /// What the image tower takes, `[3, side, side]`.
    pub fn model_input(&self, picture: &Picture) -> Array3<f32> {
        let square = self.square(picture);
        let n = self.side;
        let mut values = square.values();
        Array3::from_shape_fn((3, n, n), |(c, _, _)| (values.next().unwrap_or(0.0) - self.mean[c]) / self.std[c])
    }
}
