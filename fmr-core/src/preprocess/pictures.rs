//! The 8-bit path for pictures from files: resampling that gives Pillow's bytes exactly, and crops.
//!
//! Pillow (up to version 12) filters rows first, then columns, in fixed point with 22 fractional bits, and rounds to
//! bytes after each pass; a pass that would not change the size is left out. Grey levels of published evaluations
//! depend on these roundings.

use super::taps::{Filter, antialiased_weights};

/// Fractional bits of a weight.
const PRECISION: u32 = 22;

/// A picture of bytes, `[channels, height, width]` row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// `[channels, height, width]`.
    pub shape: [usize; 3],
    /// Values, as many as the shape says.
    pub bytes: Vec<u8>,
}

impl Picture {
    /// The picture at another size, aspect ratio not kept. An empty picture, or an empty size, stays as it is.
    #[must_use]
    pub fn resized(&self, [to_h, to_w]: [usize; 2], filter: Filter) -> Self {
        let [c, h, w] = self.shape;
        if [c, h, w, to_h, to_w].contains(&0) {
            return self.clone();
        }
        let mut bytes = self.bytes.clone();
        if to_w != w {
            let taps = fixed_point(filter, w, to_w);
            bytes =
                bytes.chunks_exact(w).flat_map(|row| taps.iter().map(|(first, k)| weigh(&row[*first..], k))).collect();
        }
        if to_h != h {
            let taps = fixed_point(filter, h, to_h);
            let column = |plane: &[u8], x: usize, (first, k): &(usize, Vec<i32>)| {
                let values = plane[first * to_w + x..].iter().step_by(to_w);
                round(values.zip(k).map(|(v, k)| i32::from(*v) * k).sum())
            };
            let mut out = Vec::with_capacity(c * to_h * to_w);
            for plane in bytes.chunks_exact(h * to_w) {
                for tap in &taps {
                    out.extend((0..to_w).map(|x| column(plane, x, tap)));
                }
            }
            bytes = out;
        }
        Self { shape: [c, to_h, to_w], bytes }
    }

    /// The rectangle of `[height, width]` whose first pixel is the picture's pixel at `[row, column]`; black where that is
    /// outside the picture.
    #[must_use]
    pub fn window(&self, [top, left]: [isize; 2], [to_h, to_w]: [usize; 2]) -> Self {
        let [c, h, w] = self.shape;
        let mut bytes = vec![0; c * to_h * to_w];
        if !bytes.is_empty() && h * w > 0 {
            for (out, plane) in bytes.chunks_exact_mut(to_h * to_w).zip(self.bytes.chunks_exact(h * w)) {
                super::copy_window(plane, [h, w], [top, left], out, [to_h, to_w]);
            }
        }
        Self { shape: [c, to_h, to_w], bytes }
    }

    /// The picture in three channels: a grey one's repeated, as Pillow converts to RGB.
    #[must_use]
    pub fn coloured(self) -> Self {
        match self.shape {
            [1, h, w] => Self { shape: [3, h, w], bytes: self.bytes.repeat(3) },
            _ => self,
        }
    }

    /// The picture in one channel: the luma of RGB (ITU-R 601) in 16 fractional bits, as Pillow converts to `L`.
    #[must_use]
    pub fn grey(self) -> Self {
        let [3, h, w] = self.shape else { return self };
        let plane = h * w;
        let at = |channel: usize, i: usize| self.bytes.get(channel * plane + i).map_or(0, |v| u32::from(*v));
        let luma = |i| ((19_595 * at(0, i) + 38_470 * at(1, i) + 7_471 * at(2, i) + 0x8000) >> 16) as u8;
        Self { shape: [1, h, w], bytes: (0..plane).map(luma).collect() }
    }

    /// Values in [0, 1].
    pub fn values(&self) -> impl Iterator<Item = f32> {
        self.bytes.iter().map(|b| f32::from(*b) / 255.0)
    }
}

/// First input and weights of each output.
fn fixed_point(filter: Filter, from: usize, to: usize) -> Vec<(usize, Vec<i32>)> {
    let scale = f64::from(1u32 << PRECISION);
    let quantise = |w: f64| (w * scale + 0.5_f64.copysign(w)) as i32;
    (0..to)
        .map(|i| {
            let (first, weights) = antialiased_weights(filter, from, to, i);
            (first, weights.into_iter().map(quantise).collect())
        })
        .collect()
}

fn weigh(values: &[u8], weights: &[i32]) -> u8 {
    round(values.iter().zip(weights).map(|(v, k)| i32::from(*v) * k).sum())
}

fn round(sum: i32) -> u8 {
    ((sum + (1 << (PRECISION - 1))) >> PRECISION).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_picture_stays_flat() {
        let flat = Picture { shape: [3, 7, 11], bytes: vec![201; 3 * 7 * 11] };
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            let resized = flat.resized([5, 30], filter);
            assert_eq!((resized.shape, resized.bytes), ([3, 5, 30], vec![201; 450]));
        }
    }

    #[test]
    fn grey_levels_are_those_of_pillow() {
        // Red, green, blue, white, and a colour whose luma is 18.15.
        let bytes = [[255, 0, 0, 255, 10], [0, 255, 0, 255, 20], [0, 0, 255, 255, 30]].concat();
        let grey = Picture { shape: [3, 1, 5], bytes }.grey();
        assert_eq!((grey.shape, &*grey.bytes), ([1, 1, 5], [76, 150, 29, 255, 18].as_slice()));
        assert_eq!(grey.clone().grey(), grey);
    }
}
