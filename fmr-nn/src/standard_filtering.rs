//! The operations of [`crate::functional`] that sample through filters, put together from burn's own, for devices other
//! than the host's processor (see [`crate::standard`]).

use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData, module};

use crate::bridge::beside;
use crate::kernels::filtered::Filtering;
use crate::kernels::fir::{Fir, Sampling};

pub(crate) fn scale_planes(x: Tensor<4>, scale: Tensor<2>) -> Tensor<4> {
    let [n, c] = scale.dims();
    x * scale.reshape([n, c, 1, 1])
}

pub(crate) fn upfirdn2d(x: Tensor<4>, filter: &Fir, sampling: &Sampling) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let [up, left] = [0, 1].map(|axis| sampling.up[axis]);
    let x = x.reshape([n * c, 1, h, w]);
    let x = with_zeros(x.reshape([n * c * h, 1, 1, w]), left).reshape([n * c, 1, h, w * left]);
    let x = with_zeros(x.reshape([n * c, 1, h, w * left]).swap_dims(2, 3).reshape([n * c * w * left, 1, 1, h]), up);
    let x = x.reshape([n * c, 1, w * left, h * up]).swap_dims(2, 3);
    let x = padded(padded(x, 2, sampling.pad[0], sampling.pad[1]), 3, sampling.pad[2], sampling.pad[3]);
    let y = match filter {
        Fir::Separable(taps) => {
            let y = correlated(x, taps, [taps.len(), 1], [sampling.down[0], 1]);
            correlated(y, taps, [1, taps.len()], [1, sampling.down[1]])
        }
        Fir::Full { taps, .. } => correlated(x, taps, filter.size(), sampling.down),
    };
    let [_, _, h, w] = y.dims();
    y.reshape([n, c, h, w])
}

/// Lines `[n, 1, 1, w]`, each value followed by zeros.
fn with_zeros(x: Tensor<4>, factor: usize) -> Tensor<4> {
    if factor == 1 {
        return x;
    }
    let [n, _, _, w] = x.dims();
    let x = x.reshape([n, 1, w, 1]);
    let zeros = beside(Tensor::zeros([n, 1, w, factor - 1], &x.device().inner()), &x);
    Tensor::cat(vec![x, zeros], 3).reshape([n, 1, 1, w * factor])
}

/// Zeros before and after along an axis; where negative, so much is cut away.
fn padded(x: Tensor<4>, axis: usize, before: isize, after: isize) -> Tensor<4> {
    let zeros = |x: &Tensor<4>, count: isize| {
        let mut shape = x.dims();
        shape[axis] = count.unsigned_abs();
        beside(Tensor::zeros(shape, &x.device().inner()), x)
    };
    let x = if before > 0 { Tensor::cat(vec![zeros(&x, before), x], axis) } else { x };
    let x = if after > 0 { Tensor::cat(vec![x.clone(), zeros(&x, after)], axis) } else { x };
    let (first, last) = (before.min(0).unsigned_abs(), after.min(0).unsigned_abs());
    let length = x.dims()[axis];
    x.narrow(axis, first, length - first - last)
}

fn correlated(x: Tensor<4>, taps: &[f32], [h, w]: [usize; 2], stride: [usize; 2]) -> Tensor<4> {
    let weight = Tensor::from_data(TensorData::new(taps.to_vec(), [1, 1, h, w]), &x.device().inner());
    let weight = beside(weight, &x);
    module::conv2d(x, weight, None, ConvOptions::new(stride, [0; 2], [1; 2], 1))
}

pub(crate) fn filtered_leaky_relu(
    x: Tensor<4>,
    scale: Option<Tensor<2>>,
    bias: Option<Tensor<1>>,
    filtering: &Filtering,
) -> Tensor<4> {
    let x = match scale {
        Some(scale) => scale_planes(x, scale),
        None => x,
    };
    let x = match bias {
        Some(bias) => {
            let channels = bias.dims()[0];
            x + bias.reshape([1, channels, 1, 1])
        }
        None => x,
    };
    let Filtering { up, down, pad, gain, slope, clamp, .. } = filtering;
    let enlarge = Sampling { up: [*up; 2], down: [1; 2], pad: *pad };
    let x = upfirdn2d(x, &filtering.up_filter.reversed().scaled((up * up) as f64), &enlarge);
    let positive = beside(x.clone().without_autodiff().greater_elem(0.0).float(), &x);
    let x = x * (positive * (gain * (1.0 - slope)) + gain * slope);
    let x = match clamp {
        Some(most) => x.clamp(-most, *most),
        None => x,
    };
    let thin = Sampling { up: [1; 2], down: [*down; 2], pad: [0; 4] };
    upfirdn2d(x, &filtering.down_filter.reversed(), &thin)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use burn::tensor::Device;
    use proptest::prelude::*;

    use super::*;
    use crate::bridge::Traced;
    use crate::functional as f;

    fn noise<const D: usize>(shape: [usize; D], seed: u32) -> Tensor<D> {
        let mixed = |i: usize| (i as u32).wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8;
        let values = (0..shape.iter().product()).map(|i| mixed(i) as f32 / (1 << 23) as f32 - 1.0);
        Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), &Device::flex())
    }

    fn close<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> bool {
        a.dims() == b.dims() && (a - b).abs().max().into_data().try_into_vec::<f32>().is_ok_and(|d| d[0] < 1e-4)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn kernels_and_standard_operations_agree(
            up in 1_usize..4,
            down in 1_usize..4,
            pad in proptest::array::uniform4(-2_isize..8),
            input in [3_usize..9, 3..9],
            full: bool,
            clamp in proptest::option::of(0.3_f32..0.9),
            seed: u32,
        ) {
            let [h, w] = input;
            let taps = noise([1, 1, 2, 3], seed).into_data().try_into_vec::<f32>().unwrap_or_default();
            let down_filter = if full { Fir::Full { taps: taps.clone(), columns: 3 } } else { Fir::Separable(taps[..4].to_vec()) };
            let filtering = Filtering {
                up_filter: Fir::Separable(taps), down_filter, up, down, pad, gain: 1.4, slope: 0.2, clamp,
            };
            prop_assume!(filtering.output(input).is_some());
            let filtering = Arc::new(filtering);
            let (x, scale, bias) = (noise([2, 3, h, w], seed), noise([2, 3], !seed), noise([3], seed / 2));
            let all = [x.clone().flatten(0, 3), scale.clone().flatten(0, 1), bias];
            for moving in 0..3 {
                let run = |ours: bool| {
                    let of = |x, scale: Tensor<1>, bias| {
                        let scale = Some(scale.reshape([2, 3]));
                        if ours {
                            f::filtered_leaky_relu(x, scale, Some(bias), &filtering)
                        } else {
                            filtered_leaky_relu(x, scale, Some(bias), &filtering)
                        }
                    };
                    let traced = Traced::new(all[moving].clone(), |leaf: Tensor<1>| {
                        let input = |i: usize| if i == moving { leaf.clone() } else { Tensor::from_inner(all[i].clone()) };
                        let [x, scale, bias] = [0, 1, 2].map(input);
                        of(x.reshape([2, 3, h, w]), scale, bias)
                    });
                    let y = traced.output();
                    (y.clone(), traced.pull_back(noise(y.dims(), 7)))
                };
                let ((y, d), (y_standard, d_standard)) = (run(true), run(false));
                prop_assert!(close(y, y_standard));
                // A value next to the bound may lie on either side of it.
                prop_assert!(clamp.is_some() || close(d, d_standard));
            }
            let run = |ours: bool| {
                let s = Tensor::from_inner(scale.clone());
                let traced = Traced::new(x.clone(), |x| if ours { f::scale_planes(x, s) } else { scale_planes(x, s) });
                (traced.output(), traced.pull_back(noise([2, 3, h, w], 9)))
            };
            let ((y, d), (y_standard, d_standard)) = (run(true), run(false));
            prop_assert!(close(y, y_standard) && close(d, d_standard));
        }
    }
}
