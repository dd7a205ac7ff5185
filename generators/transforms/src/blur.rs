//! Gaussian blur with the border's pixels going on beyond it, and its transpose.

/// Weights from the centre outwards to three deviations; both sides sum to one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kernel(Vec<f64>);

impl Kernel {
    pub(crate) fn gaussian(sigma: f64) -> Self {
        let radius = (3.0 * sigma).ceil() as usize;
        let mut half: Vec<f64> = (0..=radius).map(|i| (-0.5 * (i as f64 / sigma).powi(2)).exp()).collect();
        let sum = 2.0 * half.iter().sum::<f64>() - half[0];
        half.iter_mut().for_each(|w| *w /= sum);
        Self(half)
    }

    /// Offset and weight of every tap.
    fn taps(&self) -> impl Iterator<Item = (i64, f32)> {
        let last = self.0.len() as i64 - 1;
        (-last..=last).map(|k| (k, self.0[k.unsigned_abs() as usize] as f32))
    }

    /// The planes of `image`, blurred.
    pub(crate) fn blur(&self, image: &[f32], [h, w]: [usize; 2]) -> Vec<f32> {
        let mut out = image.to_vec();
        let mut from = image.to_vec();
        for (stride, lines, step, len) in passes([h, w]) {
            from.copy_from_slice(&out);
            for (source, target) in from.chunks_exact(h * w).zip(out.chunks_exact_mut(h * w)) {
                for line in 0..lines {
                    for i in 0..len {
                        let at = |k: i64| line * stride + (i as i64 + k).clamp(0, len as i64 - 1) as usize * step;
                        target[at(0)] = self.taps().map(|(k, weight)| weight * source[at(k)]).sum();
                    }
                }
            }
        }
        out
    }

    /// The transpose of [`Kernel::blur`].
    pub(crate) fn transposed(&self, gradient: &[f32], [h, w]: [usize; 2]) -> Vec<f32> {
        let mut out = gradient.to_vec();
        let mut from = gradient.to_vec();
        for (stride, lines, step, len) in passes([h, w]).into_iter().rev() {
            from.copy_from_slice(&out);
            out.fill(0.0);
            for (source, target) in from.chunks_exact(h * w).zip(out.chunks_exact_mut(h * w)) {
                for line in 0..lines {
                    for i in 0..len {
                        let at = |k: i64| line * stride + (i as i64 + k).clamp(0, len as i64 - 1) as usize * step;
                        self.taps().for_each(|(k, weight)| target[at(k)] += weight * source[at(0)]);
                    }
                }
            }
        }
        out
    }
}

/// Along rows, then along columns: distance of lines, their number, distance of a line's pixels, their number.
fn passes([h, w]: [usize; 2]) -> [(usize, usize, usize, usize); 2] {
    [(w, h, 1, w), (1, w, w, h)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn transposed_is_the_transpose(h in 1usize..9, w in 1usize..9, sigma in 0.3f64..3.0, seed: u32) {
            let values = |salt: u32| -> Vec<f32> {
                let mixed = (0..(2 * h * w) as u32).map(|i| (i ^ seed ^ salt).wrapping_mul(2_654_435_761) >> 8);
                mixed.map(|v| v as f32 / (1 << 23) as f32 - 1.0).collect()
            };
            let (x, g) = (values(1), values(2));
            let kernel = Kernel::gaussian(sigma);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            let forward = dot(&kernel.blur(&x, [h, w]), &g);
            let backward = dot(&x, &kernel.transposed(&g, [h, w]));
            prop_assert!((forward - backward).abs() < 1e-5 * (1.0 + forward.abs()), "{forward} {backward}");
        }
    }
}
