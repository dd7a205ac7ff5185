//! Random changes of training images, each drawn from the sample's own generator.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// Strengths of the changes; all off by default. Images are `[c, h, w]` in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Augment {
    /// Mirrors left and right half of the time.
    pub flip: bool,
    /// Shifts by up to this many pixels in both directions, repeating the border.
    pub shift: usize,
    /// Rotates by up to this many degrees, with zoom and shear of up to `zoom`.
    pub rotate: f32,
    /// Zoom and shear factor of the same warp.
    pub zoom: f32,
    /// Brightness, contrast and saturation change by up to this factor.
    pub colour: f32,
    /// Chance of turning grey.
    pub grey: f32,
    /// Adds Gaussian noise of a standard deviation up to this.
    pub noise: f32,
    /// Chance of a 3×3 binomial blur, drawn up to twice.
    pub blur: f32,
    /// Greys out a square with this side, half of the time.
    pub cutout: usize,
}

impl Augment {
    /// Changes one image in place.
    pub fn apply(&self, image: &mut [f32], [c, h, w]: [usize; 3], rng: &mut impl Rng) {
        if self.flip && rng.random_bool(0.5) {
            image.chunks_exact_mut(w).for_each(<[f32]>::reverse);
        }
        if self.rotate > 0.0 || self.zoom > 0.0 {
            self.warp(image, [c, h, w], rng);
        } else if self.shift > 0 {
            shift(image, [c, h, w], self.shift as i32, rng);
        }
        if self.colour > 0.0 {
            self.recolour(image, [c, h, w], rng);
        }
        if c == 3 && self.grey > 0.0 && rng.random::<f32>() < self.grey {
            let plane = h * w;
            for i in 0..plane {
                let v = 0.299 * image[i] + 0.587 * image[plane + i] + 0.114 * image[2 * plane + i];
                (0..3).for_each(|k| image[k * plane + i] = v);
            }
        }
        for _ in 0..2 {
            if self.blur > 0.0 && rng.random::<f32>() < self.blur {
                blur(image, [c, h, w]);
            }
        }
        if self.noise > 0.0 {
            let sd = rng.random::<f32>() * self.noise;
            for v in image.iter_mut() {
                // The sum of three uniforms is near enough to normal here, and cheap.
                let n: f32 = rng.random::<f32>() + rng.random::<f32>() + rng.random::<f32>() - 1.5;
                *v += 2.0 * sd * n;
            }
        }
        if self.cutout > 0 && rng.random_bool(0.5) {
            let (y, x) = (rng.random_range(0..h), rng.random_range(0..w));
            let half = self.cutout / 2;
            for k in 0..c {
                for row in y.saturating_sub(half)..(y + half).min(h) {
                    image[(k * h + row) * w..][x.saturating_sub(half)..(x + half).min(w)].fill(0.5);
                }
            }
        }
        image.iter_mut().for_each(|v| *v = v.clamp(0.0, 1.0));
    }

    /// Rotation, zoom, shear and shift in one bilinear warp.
    fn warp(&self, image: &mut [f32], [c, h, w]: [usize; 3], rng: &mut impl Rng) {
        let mut around = |r: f32| (rng.random::<f32>() * 2.0 - 1.0) * r;
        let (sin, cos) = around(self.rotate.to_radians()).sin_cos();
        let (zx, zy, shear) = (1.0 + around(self.zoom), 1.0 + around(self.zoom), around(self.zoom));
        let (dx, dy) = (around(self.shift as f32), around(self.shift as f32));
        let source = image.to_vec();
        let (cy, cx) = ((h as f32 - 1.0) / 2.0, (w as f32 - 1.0) / 2.0);
        for y in 0..h {
            for x in 0..w {
                let (u, v) = ((x as f32 - cx) * zx, (y as f32 - cy) * zy);
                let sx = (cos * u - sin * v + shear * v + cx + dx).clamp(0.0, w as f32 - 1.0);
                let sy = (sin * u + cos * v + cy + dy).clamp(0.0, h as f32 - 1.0);
                let (x0, y0) = (sx as usize, sy as usize);
                let (x1, y1) = ((x0 + 1).min(w - 1), (y0 + 1).min(h - 1));
                let (fx, fy) = (sx - x0 as f32, sy - y0 as f32);
                for k in 0..c {
                    let at = |y: usize, x: usize| source[(k * h + y) * w + x];
                    let top = at(y0, x0) * (1.0 - fx) + at(y0, x1) * fx;
                    let bottom = at(y1, x0) * (1.0 - fx) + at(y1, x1) * fx;
                    image[(k * h + y) * w + x] = top * (1.0 - fy) + bottom * fy;
                }
            }
        }
    }

    fn recolour(&self, image: &mut [f32], [c, h, w]: [usize; 3], rng: &mut impl Rng) {
        let mut factor = || 1.0 + (rng.random::<f32>() * 2.0 - 1.0) * self.colour;
        let (brightness, contrast, saturation) = (factor(), factor(), factor());
        let plane = h * w;
        let mean = image.iter().sum::<f32>() / image.len() as f32;
        for i in 0..plane {
            let grey = (0..c).map(|k| image[k * plane + i]).sum::<f32>() / c as f32;
            for k in 0..c {
                let v = &mut image[k * plane + i];
                *v = grey + (*v - grey) * saturation;
                *v = (mean + (*v - mean) * contrast) * brightness;
            }
        }
    }
}

fn shift(image: &mut [f32], [c, h, w]: [usize; 3], most: i32, rng: &mut impl Rng) {
    let (dy, dx) = (rng.random_range(-most..=most), rng.random_range(-most..=most));
    let source = image.to_vec();
    let clamp = |v: i32, n: usize| v.clamp(0, n as i32 - 1) as usize;
    for k in 0..c {
        for y in 0..h {
            let row = &source[(k * h + clamp(y as i32 + dy, h)) * w..][..w];
            for x in 0..w {
                image[(k * h + y) * w + x] = row[clamp(x as i32 + dx, w)];
            }
        }
    }
}

fn blur(image: &mut [f32], [_, h, w]: [usize; 3]) {
    for plane in image.chunks_exact_mut(h * w) {
        let source = plane.to_vec();
        let at = |y: usize, x: usize| {
            let row = &source[y * w..][..w];
            (row[x.saturating_sub(1)] + 2.0 * row[x] + row[(x + 1).min(w - 1)]) / 4.0
        };
        for y in 0..h {
            for x in 0..w {
                plane[y * w + x] = (at(y.saturating_sub(1), x) + 2.0 * at(y, x) + at((y + 1).min(h - 1), x)) / 4.0;
            }
        }
    }
}
