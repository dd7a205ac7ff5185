//! Sampling through filters: StyleGAN's `upfirdn2d` and `filtered_lrelu`, and the scaling of planes.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::device::is_host;
use crate::kernels::buffers;
use crate::kernels::filtered::{Filtering, Planes};
use crate::kernels::fir::{Fir, Resample, Sampling};
use crate::kernels::parallel::{Shared, for_planes};
use crate::ops::{Host, HostOp, Saved, apply};
use crate::standard_filtering as standard;

/// Rows and columns of `[n, c, h, w]`.
fn sides(shape: &[usize]) -> [usize; 2] {
    [shape[2], shape[3]]
}

#[derive(Debug)]
struct Upfirdn {
    /// Shape of the input, so that the backward need not keep its values.
    input: [usize; 4],
    resample: Resample,
}

impl Upfirdn {
    fn planes(&self, resample: &Resample, x: &[f32], [h, w]: [usize; 2]) -> Vec<f32> {
        let [n, c, ..] = self.input;
        let output: usize = resample.output().iter().product();
        let mut y = buffers::take(n * c * output);
        let shared = Shared::new(&mut y);
        for_planes(n * c, resample.scratch(), |plane, scratch| {
            // SAFETY: each plane has its own part.
            let out = unsafe { shared.slice(plane * output, output) };
            resample.plane(&x[plane * h * w..(plane + 1) * h * w], scratch, out);
        });
        y
    }
}

impl HostOp for Upfirdn {
    fn forward(&self, [x, ..]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let [h, w] = self.resample.output();
        (self.planes(&self.resample, x.data, sides(x.shape)), vec![x.shape[0], x.shape[1], h, w])
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [false; 3], output: false }
    }

    fn backward(&self, _: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        [Some(self.planes(&self.resample.transposed(), dy.data, sides(dy.shape))), None, None]
    }
}

/// Enlarges the planes of `x [n, c, h, w]` by zeros, filters them, and thins them out. The filter is applied as it stands
/// (a correlation): [`Fir::reversed`] makes a convolution of it, [`Fir::scaled`] gives it a gain.
///
/// # Panics
/// If nothing comes out ([`Sampling::output`]).
pub fn upfirdn2d(x: Tensor<4>, filter: &Fir, sampling: &Sampling) -> Tensor<4> {
    if !is_host(&x.device()) {
        return standard::upfirdn2d(x, filter, sampling);
    }
    let input = x.dims();
    let resample = Resample::new(sides(&input), sampling, filter);
    apply::<4, 1, 1, 4>(x, None, None, Arc::new(Upfirdn { input, resample }))
}

#[derive(Debug)]
struct FilteredRelu {
    filtering: Arc<Filtering>,
    scale: bool,
    bias: bool,
}

impl FilteredRelu {
    fn planes<'a>(&self, [x, scale, bias]: [Host<'a>; 3]) -> Planes<'a> {
        Planes {
            values: x.data,
            scale: self.scale.then_some(scale.data),
            bias: self.bias.then_some(bias.data),
            channels: x.shape[1],
        }
    }
}

impl HostOp for FilteredRelu {
    fn forward(&self, inputs: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let shape = inputs[0].shape;
        let relu = self.filtering.of(sides(shape));
        let [h, w] = relu.output();
        let mut y = buffers::take(shape[0] * shape[1] * h * w);
        relu.forward(self.planes(inputs), &mut y);
        (y, vec![shape[0], shape[1], h, w])
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [true, self.scale, self.bias], output: false }
    }

    fn backward(&self, inputs: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, needs: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let [x, ..] = inputs;
        let mut dx = buffers::take(x.data.len());
        let relu = self.filtering.of(sides(x.shape));
        let [dscale, by_plane] = relu.backward(self.planes(inputs), dy.data, &mut dx);
        let dbias = (self.bias && needs[2]).then(|| {
            let mut sums = vec![0.0; x.shape[1]];
            for planes in by_plane.chunks_exact(x.shape[1].max(1)) {
                sums.iter_mut().zip(planes).for_each(|(sum, d)| *sum += d);
            }
            sums
        });
        [Some(dx), (self.scale && needs[1]).then_some(dscale), dbias]
    }
}

/// A leaky rectifier between two filters, at a higher sampling rate: of `x [n, c, h, w]` times `scale [n, c]` plus
/// `bias [c]`. The zeros around planes are added after the bias.
///
/// # Panics
/// If nothing comes out ([`Filtering::output`]).
pub fn filtered_leaky_relu(
    x: Tensor<4>,
    scale: Option<Tensor<2>>,
    bias: Option<Tensor<1>>,
    filtering: &Arc<Filtering>,
) -> Tensor<4> {
    if !is_host(&x.device()) {
        return standard::filtered_leaky_relu(x, scale, bias, filtering);
    }
    let op = FilteredRelu { filtering: Arc::clone(filtering), scale: scale.is_some(), bias: bias.is_some() };
    apply(x, scale, bias, Arc::new(op))
}

#[derive(Debug)]
struct ScalePlanes;

/// Multiplies each plane by its factor.
fn scaled(x: &[f32], scale: &[f32]) -> Vec<f32> {
    let plane = x.len() / scale.len().max(1);
    let mut y = buffers::take(x.len());
    let shared = Shared::new(&mut y);
    for_planes(scale.len(), 0, |i, _| {
        // SAFETY: each plane has its own part.
        let out = unsafe { shared.slice(i * plane, plane) };
        out.iter_mut().zip(&x[i * plane..]).for_each(|(y, x)| *y = x * scale[i]);
    });
    y
}

impl HostOp for ScalePlanes {
    fn forward(&self, [x, scale, _]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        (scaled(x.data, scale.data), x.shape.to_vec())
    }

    fn saves(&self, needs: [bool; 3]) -> Saved {
        Saved { inputs: [needs[1], true, false], output: false }
    }

    fn backward(
        &self,
        [x, scale, _]: [Host<'_>; 3],
        _: Host<'_>,
        dy: Host<'_>,
        needs: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        let dx = needs[0].then(|| scaled(dy.data, scale.data));
        let dscale = needs[1].then(|| {
            let plane = (dy.data.len() / scale.data.len().max(1)).max(1);
            let mut sums = vec![0.0; scale.data.len()];
            let shared = Shared::new(&mut sums);
            for_planes(scale.data.len(), 0, |i, _| {
                let mut parts = [0.0_f32; 16];
                let pairs = x.data[i * plane..(i + 1) * plane].iter().zip(&dy.data[i * plane..]);
                pairs.enumerate().for_each(|(at, (x, d))| parts[at % 16] += x * d);
                // SAFETY: each plane has its own sum.
                let sum = unsafe { shared.slice(i, 1) };
                sum[0] = parts.iter().sum();
            });
            sums
        });
        [dx, dscale, None]
    }
}

/// The planes of `x [n, c, h, w]`, each times its factor in `scale [n, c]`.
pub fn scale_planes(x: Tensor<4>, scale: Tensor<2>) -> Tensor<4> {
    if !is_host(&x.device()) {
        return standard::scale_planes(x, scale);
    }
    apply::<4, 2, 1, 4>(x, Some(scale), None, Arc::new(ScalePlanes))
}
