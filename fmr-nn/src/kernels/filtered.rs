//! A leaky rectifier at a higher sampling rate, between two filters, plane by plane (StyleGAN3's `filtered_lrelu`).
//!
//! Only one enlarged plane a thread ever exists, in scratch memory. The way back computes it anew, as that costs less than
//! keeping it.

use super::fir::{Fir, Resample, Sampling};
use super::parallel::{Shared, for_planes};
use super::simd::vectorized;

/// What happens to a plane: filter up, rectify, filter down.
#[derive(Debug, Clone, PartialEq)]
pub struct Filtering {
    /// Filter of the way up, a convolution; its gain is made up for here.
    pub up_filter: Fir,
    /// Filter of the way down, a convolution.
    pub down_filter: Fir,
    /// Factor up.
    pub up: usize,
    /// Factor down.
    pub down: usize,
    /// Zeros around the enlarged plane: above, below, left, right. Where negative, so much is cut away.
    pub pad: [isize; 4],
    /// What the rectifier's output is multiplied by.
    pub gain: f32,
    /// Slope of the rectifier up to zero.
    pub slope: f32,
    /// Bound of the rectifier's output, either way.
    pub clamp: Option<f32>,
}

impl Filtering {
    /// A leaky rectifier without filters.
    pub fn none(slope: f32, gain: f32, clamp: Option<f32>) -> Self {
        let [up_filter, down_filter] = [(); 2].map(|()| Fir::identity());
        Self { up_filter, down_filter, up: 1, down: 1, pad: [0; 4], gain, slope, clamp }
    }

    fn up_sampling(&self) -> Sampling {
        Sampling { up: [self.up; 2], down: [1; 2], pad: self.pad }
    }

    fn down_sampling(&self) -> Sampling {
        Sampling { up: [1; 2], down: [self.down; 2], pad: [0; 4] }
    }

    /// Rows and columns of what comes out of planes of a size, if anything does.
    pub fn output(&self, input: [usize; 2]) -> Option<[usize; 2]> {
        let enlarged = self.up_sampling().output(input, self.up_filter.size())?;
        self.down_sampling().output(enlarged, self.down_filter.size())
    }

    /// The way for planes of a size.
    ///
    /// # Panics
    /// If nothing comes out; callers check that.
    pub fn of(&self, input: [usize; 2]) -> FilteredRelu<'_> {
        let gain = (self.up * self.up) as f64;
        let up = Resample::new(input, &self.up_sampling(), &self.up_filter.reversed().scaled(gain));
        let down = Resample::new(up.output(), &self.down_sampling(), &self.down_filter.reversed());
        FilteredRelu { filtering: self, input, up, down }
    }
}

/// Planes that come in: `[n, channels, height, width]`, each times a value of its own and plus one of its channel.
#[derive(Clone, Copy)]
pub struct Planes<'a> {
    /// The planes.
    pub values: &'a [f32],
    /// Of each plane, what it is multiplied by.
    pub scale: Option<&'a [f32]>,
    /// Of each channel, what is added.
    pub bias: Option<&'a [f32]>,
    /// Channels.
    pub channels: usize,
}

/// [`Filtering`] of planes of one size.
#[derive(Debug)]
pub struct FilteredRelu<'f> {
    filtering: &'f Filtering,
    input: [usize; 2],
    up: Resample,
    down: Resample,
}

impl Planes<'_> {
    #[inline(always)]
    fn load(&self, plane: usize, out: &mut [f32]) {
        let scale = self.scale.map_or(1.0, |scale| scale[plane]);
        let bias = self.bias.map_or(0.0, |bias| bias[plane % self.channels]);
        let values = &self.values[plane * out.len()..(plane + 1) * out.len()];
        out.iter_mut().zip(values).for_each(|(out, value)| *out = value * scale + bias);
    }
}

impl FilteredRelu<'_> {
    /// Rows and columns of what comes out.
    pub fn output(&self) -> [usize; 2] {
        self.down.output()
    }

    /// Writes the output planes.
    pub fn forward(&self, x: Planes<'_>, out: &mut [f32]) {
        let [input, enlarged, output] = [self.input, self.up.output(), self.output()].map(|[h, w]| h * w);
        let (gain, slope, most) = self.rectifier();
        let shared = Shared::new(out);
        let own = self.up.scratch().max(self.down.scratch());
        for_planes(x.values.len() / input.max(1), input + enlarged + own, |plane, scratch| {
            let (loaded, rest) = scratch.split_at_mut(input);
            let (middle, own) = rest.split_at_mut(enlarged);
            // SAFETY: each plane has its own part.
            let out = unsafe { shared.slice(plane * output, output) };
            vectorized(
                #[inline(always)]
                || {
                    x.load(plane, loaded);
                    for (j, row) in middle.chunks_exact_mut(self.up.output()[1]).enumerate() {
                        self.up.row(j, loaded, own, row);
                        for v in row {
                            let rectified = *v * if *v > 0.0 { gain } else { gain * slope };
                            *v = rectified.max(-most).min(most);
                        }
                    }
                    for (j, row) in out.chunks_exact_mut(self.output()[1]).enumerate() {
                        self.down.row(j, middle, own, row);
                    }
                },
            );
        });
    }

    /// Writes the gradients of the planes that came in, of `gradient`, that of the output. Gives the gradients of each
    /// plane's factor, and of what was added to each plane.
    pub fn backward(&self, x: Planes<'_>, gradient: &[f32], values: &mut [f32]) -> [Vec<f32>; 2] {
        let [input, enlarged, output] = [self.input, self.up.output(), self.output()].map(|[h, w]| h * w);
        let (gain, slope, most) = self.rectifier();
        let [down, up] = [self.down.transposed(), self.up.transposed()];
        let planes = x.values.len() / input.max(1);
        let width = self.up.output()[1];
        let mut sums = vec![0.0; 2 * planes];
        let [values, of_sums] = [Shared::new(values), Shared::new(&mut sums)];
        let own = [&self.up, &down, &up].map(Resample::scratch).into_iter().max().unwrap_or(0);
        for_planes(planes, input + enlarged + width + own, |plane, scratch| {
            let (loaded, rest) = scratch.split_at_mut(input);
            let (middle, rest) = rest.split_at_mut(enlarged);
            let (passed, own) = rest.split_at_mut(width);
            // SAFETY: each plane has its own parts.
            let (dx, sums) = unsafe { (values.slice(plane * input, input), of_sums.slice(2 * plane, 2)) };
            let dy = &gradient[plane * output..(plane + 1) * output];
            vectorized(
                #[inline(always)]
                || {
                    x.load(plane, loaded);
                    for (j, row) in middle.chunks_exact_mut(width).enumerate() {
                        self.up.row(j, loaded, own, row);
                        down.row(j, dy, own, passed);
                        for (v, d) in row.iter_mut().zip(&*passed) {
                            let factor = if *v > 0.0 { gain } else { gain * slope };
                            *v = if (*v * factor).abs() <= most { d * factor } else { 0.0 };
                        }
                    }
                    for (j, row) in dx.chunks_exact_mut(self.input[1]).enumerate() {
                        up.row(j, middle, own, row);
                    }
                    let before = &x.values[plane * input..(plane + 1) * input];
                    sums[0] = sum(dx.iter().zip(before).map(|(d, v)| d * v));
                    sums[1] = sum(dx.iter().copied());
                    if let Some(scale) = x.scale {
                        dx.iter_mut().for_each(|d| *d *= scale[plane]);
                    }
                },
            );
        });
        let of_each = |i: usize| sums.iter().skip(i).step_by(2).copied().collect();
        [of_each(0), of_each(1)]
    }

    /// Gain, slope and bound of the rectifier.
    fn rectifier(&self) -> (f32, f32, f32) {
        let Filtering { gain, slope, clamp, .. } = self.filtering;
        (*gain, *slope, clamp.unwrap_or(f32::INFINITY))
    }
}

/// The sum of a plane, in an order of its own that the compiler can do side by side.
#[inline(always)]
fn sum(values: impl Iterator<Item = f32>) -> f32 {
    let mut sums = [0.0_f32; 16];
    for (i, v) in values.enumerate() {
        sums[i % 16] += v;
    }
    sums.iter().sum()
}
