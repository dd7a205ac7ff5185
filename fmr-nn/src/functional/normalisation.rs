//! Normalisations: over groups of channels, over the last dimension, over a batch.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::device::is_host;
use crate::kernels::buffers;
use crate::kernels::conv::Rectify;
use crate::kernels::norm::{self, Activation, GroupShape, Moments};
use crate::kernels::parallel::for_parts;
use crate::ops::{Host, HostOp, Saved, apply};
use crate::standard;

#[derive(Debug)]
struct GroupNorm {
    groups: usize,
    eps: f32,
    activation: Activation,
}

impl GroupNorm {
    fn shape(&self, x: &[usize]) -> GroupShape {
        GroupShape { channels: x[1], positions: x[2..].iter().product(), groups: self.groups, eps: self.eps }
    }
}

impl HostOp for GroupNorm {
    fn forward(&self, [x, g, b]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let mut y = buffers::take(x.data.len());
        norm::group_norm(&self.shape(x.shape), x.data, g.data, b.data, self.activation, &mut y);
        (y, x.shape.to_vec())
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [true; 3], output: false }
    }

    fn backward(&self, [x, g, b]: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, needs: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let s = self.shape(x.shape);
        let parameters = needs[1] || needs[2];
        let (dx, rest) = norm::group_norm_gradients(&s, x.data, g.data, b.data, self.activation, dy.data, parameters);
        let (dg, db) = rest.unzip();
        [Some(dx), dg, db]
    }
}

/// Group normalisation of `x [n, c, h, w]` with scale and shift `[c]`, followed by an activation.
pub fn group_norm(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    groups: usize,
    eps: f32,
    activation: Activation,
) -> Tensor<4> {
    if !is_host(&x.device()) {
        return standard::group_norm(x, [gamma, beta], groups, eps, activation);
    }
    apply(x, Some(gamma), Some(beta), Arc::new(GroupNorm { groups, eps, activation }))
}

/// As [`group_norm`] with a scale and a shift `[n, c]` for each sample: what normalisations become that something else
/// modulates, such as the time of a diffusion process.
pub fn modulated_group_norm(
    x: Tensor<4>,
    gamma: Tensor<2>,
    beta: Tensor<2>,
    groups: usize,
    eps: f32,
    activation: Activation,
) -> Tensor<4> {
    if !is_host(&x.device()) {
        return standard::modulated_group_norm(x, [gamma, beta], groups, eps, activation);
    }
    apply(x, Some(gamma), Some(beta), Arc::new(GroupNorm { groups, eps, activation }))
}

#[derive(Debug)]
struct LayerNorm {
    eps: f32,
}

impl HostOp for LayerNorm {
    fn forward(&self, [x, g, b]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let mut y = buffers::take(x.data.len());
        for_parts(&mut y, g.data.len(), |at, y| {
            norm::layer_norm(self.eps, &x.data[at..at + y.len()], g.data, b.data, y);
        });
        (y, x.shape.to_vec())
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [true, true, false], output: false }
    }

    fn backward(&self, [x, g, _]: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let (dx, dg, db) = norm::layer_norm_gradients(self.eps, x.data, g.data, dy.data);
        [Some(dx), Some(dg), Some(db)]
    }
}

/// Normalisation over the last dimension with scale and shift of its size.
pub fn layer_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, beta: Tensor<1>, eps: f32) -> Tensor<D> {
    if !is_host(&x.device()) {
        return standard::layer_norm(x, gamma, beta, eps);
    }
    apply(x, Some(gamma), Some(beta), Arc::new(LayerNorm { eps }))
}

#[derive(Debug)]
struct BatchNorm {
    moments: Moments,
    eps: f32,
    activation: Activation,
}

impl HostOp for BatchNorm {
    fn forward(&self, [x, g, b]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let mut y = buffers::take(x.data.len());
        let positions = x.shape[2..].iter().product();
        norm::batch_norm(&self.moments, positions, self.eps, x.data, g.data, b.data, self.activation, &mut y);
        (y, x.shape.to_vec())
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [true; 3], output: false }
    }

    fn backward(&self, [x, g, b]: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let positions = x.shape[2..].iter().product();
        let (dx, dg, db) = norm::batch_norm_gradients(
            &self.moments,
            positions,
            self.eps,
            x.data,
            g.data,
            b.data,
            self.activation,
            dy.data,
        );
        [Some(dx), Some(dg), Some(db)]
    }
}

#[derive(Debug)]
struct ChannelMoments;

impl HostOp for ChannelMoments {
    fn forward(&self, [x, _, _]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let moments = norm::channel_moments(x.shape[1], x.shape[2..].iter().product(), x.data);
        ([moments.mean, moments.variance].concat(), vec![2, x.shape[1]])
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [false; 3], output: false }
    }

    fn backward(&self, _: [Host<'_>; 3], _: Host<'_>, _: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        unreachable!("moments are taken of tensors without a tape")
    }
}

/// Mean and biased variance of each channel of `x [n, c, h, w]`; not differentiable.
pub fn channel_moments(x: Tensor<4>) -> Moments {
    if !is_host(&x.device()) {
        let values = |t: Tensor<1>| t.into_data().try_into_vec::<f32>().unwrap_or_default();
        let [mean, variance] = standard::channel_moments(x.without_autodiff()).map(values);
        return Moments { mean, variance };
    }
    let none: Option<Tensor<1>> = None;
    let both: Tensor<2> = apply(x.without_autodiff(), none.clone(), none, Arc::new(ChannelMoments));
    let mut mean = both.into_data().try_into_vec::<f32>().unwrap_or_default();
    let variance = mean.split_off(mean.len() / 2);
    Moments { mean, variance }
}

/// Batch normalisation of `x [n, c, h, w]` with the batch's own moments (training only), followed by an activation.
pub fn batch_norm(
    x: Tensor<4>,
    moments: Moments,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    eps: f32,
    activation: Activation,
) -> Tensor<4> {
    if !is_host(&x.device()) {
        return standard::batch_norm(x, [gamma, beta], eps, activation);
    }
    apply(x, Some(gamma), Some(beta), Arc::new(BatchNorm { moments, eps, activation }))
}

#[derive(Debug)]
struct ChannelAffine {
    rectify: Rectify,
}

impl HostOp for ChannelAffine {
    fn forward(&self, [x, scale, shift]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let positions = x.shape[2..].iter().product::<usize>().max(1);
        let (floor, ceiling) = self.rectify.bounds();
        let mut y = buffers::take(x.data.len());
        for_parts(&mut y, positions, |at, y| {
            let planes = y.chunks_exact_mut(positions).zip(x.data[at..].chunks_exact(positions));
            for (plane, (y, x)) in planes.enumerate() {
                let channel = (at / positions + plane) % scale.data.len();
                let (a, b) = (scale.data[channel], shift.data[channel]);
                y.iter_mut().zip(x).for_each(|(y, x)| *y = (x * a + b).max(floor).min(ceiling));
            }
        });
        (y, x.shape.to_vec())
    }

    fn saves(&self, needs: [bool; 3]) -> Saved {
        let parameters = needs[1] || needs[2];
        Saved { inputs: [parameters, true, false], output: self.rectify != Rectify::None }
    }

    fn backward(
        &self,
        [x, scale, _]: [Host<'_>; 3],
        y: Host<'_>,
        dy: Host<'_>,
        needs: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        let (positions, channels) = (dy.shape[2..].iter().product::<usize>().max(1), scale.data.len());
        self.rectify.pull_back(y.data, dy.data, |dy| {
            let dx = needs[0].then(|| {
                let mut dx = buffers::take(dy.len());
                for_parts(&mut dx, positions, |at, dx| {
                    let planes = dx.chunks_exact_mut(positions).zip(dy[at..].chunks_exact(positions));
                    for (plane, (dx, dy)) in planes.enumerate() {
                        let a = scale.data[(at / positions + plane) % channels];
                        dx.iter_mut().zip(dy).for_each(|(g, d)| *g = d * a);
                    }
                });
                dx
            });
            let by_channel = |of: &dyn Fn(usize, &[f32]) -> f32| {
                let mut sums = vec![0.0; channels];
                for (plane, dy) in dy.chunks_exact(positions).enumerate() {
                    sums[plane % channels] += of(plane * positions, dy);
                }
                sums
            };
            let dscale = needs[1].then(|| by_channel(&|at, dy| dy.iter().zip(&x.data[at..]).map(|(d, x)| d * x).sum()));
            let dshift = needs[2].then(|| by_channel(&|_, dy| dy.iter().sum()));
            [dx, dscale, dshift]
        })
    }
}

/// `x [n, c, h, w]` times `scale [c]` plus `shift [c]`, cut off as `rectify` says.
pub fn channel_affine(x: Tensor<4>, scale: Tensor<1>, shift: Tensor<1>, rectify: Rectify) -> Tensor<4> {
    if !is_host(&x.device()) {
        return standard::channel_affine(x, [scale, shift], rectify);
    }
    apply(x, Some(scale), Some(shift), Arc::new(ChannelAffine { rectify }))
}
