//! The operations of [`crate::functional`] put together from burn's own, for devices other than the host's processor.
//!
//! The same functions to within rounding: tests hold each, with its gradients, against the kernels of the host.

use burn::tensor::activation::{leaky_relu, relu, sigmoid, silu, softmax};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{Bool, Int, Tensor, module};

use crate::attention::PackedOrder;
use crate::functional::Window;
use crate::kernels::conv::Rectify;
use crate::kernels::norm::Activation;
use crate::pointwise::Pointwise;

pub(crate) fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    Window { stride, pad: [top, left, bottom, right] }: Window,
    groups: usize,
    rectify: Rectify,
) -> Tensor<4> {
    let options = ConvOptions::new_with_padding([stride; 2], [(top, bottom), (left, right)], [1; 2], groups);
    let y = module::conv2d(x, weight, bias, options);
    cut(y, rectify)
}

fn cut(x: Tensor<4>, rectify: Rectify) -> Tensor<4> {
    match rectify {
        Rectify::None => x,
        Rectify::Relu => relu(x),
        Rectify::Relu6 => pointwise(x, Pointwise::Relu6),
    }
}

pub(crate) fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    module::linear(x, weight, bias)
}

/// `x` less its mean, over the square root of its variance and `eps`; `mean` takes means over some dimensions, which
/// keep a size of 1.
fn normal<const D: usize>(x: Tensor<D>, mean: impl Fn(Tensor<D>) -> Tensor<D>, eps: f32) -> Tensor<D> {
    let centred = x.clone() - mean(x);
    let variance = mean(centred.clone() * centred.clone());
    centred / (variance + eps).sqrt()
}

/// A value for each channel of `[n, c, h, w]`.
fn by_channel(values: Tensor<1>) -> Tensor<4> {
    let channels = values.dims()[0];
    values.reshape([1, channels, 1, 1])
}

fn activate(x: Tensor<4>, activation: Activation) -> Tensor<4> {
    match activation {
        Activation::Identity => x,
        Activation::Relu => relu(x),
        Activation::Silu => silu(x),
    }
}

pub(crate) fn group_norm(
    x: Tensor<4>,
    [gamma, beta]: [Tensor<1>; 2],
    groups: usize,
    eps: f32,
    activation: Activation,
) -> Tensor<4> {
    let x = group_normal(x, groups, eps);
    activate(x * by_channel(gamma) + by_channel(beta), activation)
}

fn group_normal(x: Tensor<4>, groups: usize, eps: f32) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    // Row by row first: a card has too little to do side by side where few sums are long.
    let x = x.reshape([n, groups, c / groups * h, w]);
    normal(x, |x| x.mean_dim(3).mean_dim(2), eps).reshape([n, c, h, w])
}

pub(crate) fn modulated_group_norm(
    x: Tensor<4>,
    affine: [Tensor<2>; 2],
    groups: usize,
    eps: f32,
    activation: Activation,
) -> Tensor<4> {
    let [n, c, ..] = x.dims();
    let [gamma, beta] = affine.map(|values| values.reshape([n, c, 1, 1]));
    activate(group_normal(x, groups, eps) * gamma + beta, activation)
}

pub(crate) fn layer_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, beta: Tensor<1>, eps: f32) -> Tensor<D> {
    normal(x, |x| x.mean_dim(D - 1), eps) * gamma.unsqueeze() + beta.unsqueeze()
}

/// `[n, c, h, w]` as one row a channel.
fn rows(x: Tensor<4>) -> Tensor<2> {
    let [n, c, h, w] = x.dims();
    x.swap_dims(0, 1).reshape([c, n * h * w])
}

/// Mean and biased variance of each channel.
pub(crate) fn channel_moments(x: Tensor<4>) -> [Tensor<1>; 2] {
    let x = rows(x);
    let mean = x.clone().mean_dim(1);
    let centred = x - mean.clone();
    let variance = (centred.clone() * centred).mean_dim(1);
    [mean, variance].map(|t| t.squeeze_dim(1))
}

pub(crate) fn batch_norm(x: Tensor<4>, [gamma, beta]: [Tensor<1>; 2], eps: f32, activation: Activation) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let x = normal(rows(x), |x| x.mean_dim(1), eps).reshape([c, n, h, w]).swap_dims(0, 1);
    activate(x * by_channel(gamma) + by_channel(beta), activation)
}

pub(crate) fn channel_affine(x: Tensor<4>, [scale, shift]: [Tensor<1>; 2], rectify: Rectify) -> Tensor<4> {
    cut(x * by_channel(scale) + by_channel(shift), rectify)
}

/// Rows of `x [n, rows, width]` by their numbers; the one after the last is zero.
pub(crate) fn take_rows(x: Tensor<3>, index: Tensor<1, Int>) -> Tensor<3> {
    let [n, _, width] = x.dims();
    let zeros = Tensor::zeros([n, 1, width], &x.device());
    Tensor::cat(vec![x, zeros], 1).select(1, index)
}

/// `hidden [groups, l, l]` is added to the scores of samples by turns, `bias [heads, l, l]` to those of all.
pub(crate) fn biased_self_attention(
    qkv: Tensor<3>,
    bias: Tensor<3>,
    heads: usize,
    hidden: Option<Tensor<3>>,
) -> Tensor<3> {
    let [n, length, pitch] = qkv.dims();
    let width = pitch / 3;
    let part = |i: usize| -> Tensor<4> {
        qkv.clone().narrow(2, i * width, width).reshape([n, length, heads, width / heads]).swap_dims(1, 2)
    };
    let scale = ((width / heads) as f32).sqrt();
    let mut scores = part(0).matmul(part(1).swap_dims(2, 3)) / scale + bias.unsqueeze();
    if let Some(hidden) = hidden {
        let groups = hidden.dims()[0];
        let hidden = hidden.reshape([1, groups, 1, length * length]);
        let by_group = scores.reshape([n / groups, groups, heads, length * length]) + hidden;
        scores = by_group.reshape([n, heads, length, length]);
    }
    softmax(scores, 3).matmul(part(2)).swap_dims(1, 2).reshape([n, length, width])
}

pub(crate) fn attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize, causal: bool) -> Tensor<3> {
    let [n, queries, width] = q.dims();
    let keys = k.dims()[1];
    let split =
        |t: Tensor<3>, length: usize| -> Tensor<4> { t.reshape([n, length, heads, width / heads]).swap_dims(1, 2) };
    let scale = ((width / heads) as f32).sqrt();
    let mut scores = split(q, queries).matmul(split(k, keys).swap_dims(2, 3)) / scale;
    if causal {
        let hidden = Tensor::<2, Bool>::tril_mask([queries, keys], 0, &scores.device().inner());
        scores = scores.mask_fill(hidden.unsqueeze(), f32::NEG_INFINITY);
    }
    softmax(scores, 3).matmul(split(v, keys)).swap_dims(1, 2).reshape([n, queries, width])
}

pub(crate) fn self_attention(qkv: Tensor<3>, heads: usize, causal: bool) -> Tensor<3> {
    let width = qkv.dims()[2] / 3;
    let part = |i: usize| qkv.clone().narrow(2, i * width, width);
    attention(part(0), part(1), part(2), heads, causal)
}

pub(crate) fn spatial_self_attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, heads: usize) -> Tensor<4> {
    let [n, c, h, w] = q.dims();
    let flat = |t: Tensor<4>| -> Tensor<3> { t.reshape([n * heads, c / heads, h * w]) };
    let scores = flat(q).swap_dims(1, 2).matmul(flat(k)) / ((c / heads) as f32).sqrt();
    flat(v).matmul(softmax(scores, 2).swap_dims(1, 2)).reshape([n, c, h, w])
}

pub(crate) fn packed_spatial_attention(qkv: Tensor<4>, heads: usize, order: PackedOrder) -> Tensor<4> {
    let [n, c, h, w] = qkv.dims();
    let c = c / 3;
    let [q, k, v] = match order {
        PackedOrder::KindsFirst => [0, 1, 2].map(|kind| qkv.clone().narrow(1, kind * c, c)),
        PackedOrder::HeadsFirst => {
            let split: Tensor<4> = qkv.reshape([n * heads, 3, c / heads, h * w]);
            [0, 1, 2].map(|kind| split.clone().narrow(1, kind, 1).reshape([n, c, h, w]))
        }
    };
    spatial_self_attention(q, k, v, heads)
}

pub(crate) fn join_channels(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    Tensor::cat(vec![a, b], 1)
}

pub(crate) fn pointwise<const D: usize>(x: Tensor<D>, kind: Pointwise) -> Tensor<D> {
    match kind {
        Pointwise::Relu => relu(x),
        Pointwise::Relu6 => relu(x.clone()) - relu(x - 6.0),
        Pointwise::QuickGelu => x.clone() * sigmoid(x * 1.702),
        // burn's own pulls back an approximation.
        Pointwise::Gelu => x.clone() * ((x * std::f32::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5,
        Pointwise::Silu => silu(x),
        Pointwise::LeakyRelu => leaky_relu(x, 0.2),
    }
}

pub(crate) fn upsample2(x: Tensor<4>) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    x.reshape([n, c, h, 1, w, 1]).expand([n, c, h, 2, w, 2]).reshape([n, c, 2 * h, 2 * w])
}

pub(crate) fn average_pool(x: Tensor<4>, size: usize) -> Tensor<4> {
    module::avg_pool2d(x, AvgPoolOptions::new([size; 2]))
}

pub(crate) fn max_pool(x: Tensor<4>, size: usize, stride: usize, pad: usize) -> Tensor<4> {
    let mut pool = MaxPoolOptions::new([size; 2]);
    pool.stride = [stride; 2];
    pool.padding = [(pad, pad); 2];
    module::max_pool2d(x, pool)
}

pub(crate) fn straight_through<const D: usize>(x: Tensor<D>, value: Tensor<D>) -> Tensor<D> {
    // Zeros that carry the gradient: added to the value they change none of its bits.
    x.clone() - x.detach() + value.detach()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;

    use super::*;
    use crate::bridge::Traced;
    use crate::functional::{self as f, Regions, Rows};

    fn tensor<const D: usize>(shape: [usize; D], seed: u32) -> Tensor<D> {
        let hash = |i: u32| i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8;
        let values = (0..shape.iter().product::<usize>() as u32).map(|i| hash(i) as f32 / (1 << 22) as f32 - 2.0);
        Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), &Device::flex())
    }

    fn close<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Result<(), TestCaseError> {
        prop_assert_eq!(a.dims(), b.dims());
        let [a, b] = [a, b].map(|t| t.into_data().try_into_vec::<f32>().unwrap_or_default());
        for (a, b) in a.iter().zip(&b) {
            prop_assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{} and {}", a, b);
        }
        Ok(())
    }

    /// Whether two functions have the same values and pull back alike.
    fn agree<const I: usize, const O: usize>(
        x: &Tensor<I>,
        host: impl Fn(Tensor<I>) -> Tensor<O>,
        here: impl Fn(Tensor<I>) -> Tensor<O>,
    ) -> Result<(), TestCaseError> {
        let (host, here) = (Traced::new(x.clone(), host), Traced::new(x.clone(), here));
        close(here.output(), host.output())?;
        let cotangent = tensor(host.output().dims(), 99);
        close(here.pull_back(cotangent.clone()), host.pull_back(cotangent))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn convolutions(
            n in 1usize..3, cin in 1usize..20, cout in 1usize..9, side in 3usize..10, kernel in 1usize..4,
            stride in 1usize..3, pad in prop::array::uniform4(0usize..2), seed: u32,
        ) {
            let x = tensor([n, cin, side, side + 1], seed);
            let window = Window { stride, pad };
            let (w, b) = (tensor([cout, cin, kernel, kernel], seed ^ 1), Some(tensor([cout], seed ^ 2)));
            for rectify in [Rectify::None, Rectify::Relu, Rectify::Relu6] {
                agree(
                    &x,
                    |x| f::conv2d(x, w.clone(), b.clone(), window, rectify, None),
                    |x| conv2d(x, w.clone(), b.clone(), window, 1, rectify),
                )?;
            }
            let (w, b) = (tensor([cin, 1, kernel, kernel], seed ^ 3), Some(tensor([cin], seed ^ 4)));
            agree(
                &x,
                |x| f::depthwise_conv2d(x, w.clone(), b.clone(), window, Rectify::Relu6),
                |x| conv2d(x, w.clone(), b.clone(), window, cin, Rectify::Relu6),
            )?;
        }

        #[test]
        fn normalisations(n in 1usize..3, groups in 1usize..4, per in 1usize..5, side in 2usize..8, seed: u32) {
            let channels = groups * per;
            let x = tensor([n, channels, side, side], seed);
            let affine = [tensor([channels], seed ^ 1), tensor([channels], seed ^ 2)];
            for activation in [Activation::Identity, Activation::Relu, Activation::Silu] {
                let [gamma, beta] = affine.clone();
                agree(
                    &x,
                    |x| f::group_norm(x, gamma.clone(), beta.clone(), groups, 1e-6, activation),
                    |x| group_norm(x, affine.clone(), groups, 1e-6, activation),
                )?;
                let own: [Tensor<2>; 2] = [tensor([n, channels], seed ^ 5), tensor([n, channels], seed ^ 6)];
                let [gammas, betas] = own.clone();
                agree(
                    &x,
                    |x| f::modulated_group_norm(x, gammas.clone(), betas.clone(), groups, 1e-6, activation),
                    |x| modulated_group_norm(x, own.clone(), groups, 1e-6, activation),
                )?;
                agree(
                    &gammas,
                    |gammas| f::modulated_group_norm(x.clone(), gammas, betas.clone(), groups, 1e-6, activation),
                    |gammas| modulated_group_norm(x.clone(), [gammas, betas.clone()], groups, 1e-6, activation),
                )?;
                let moments = f::channel_moments(x.clone());
                agree(
                    &x,
                    |x| f::batch_norm(x, moments.clone(), gamma.clone(), beta.clone(), 1e-5, activation),
                    |x| batch_norm(x, affine.clone(), 1e-5, activation),
                )?;
            }
            let moments = f::channel_moments(x.clone());
            let [mean, variance] = channel_moments(x.clone());
            close(mean, Tensor::from_floats(moments.mean.as_slice(), &x.device()))?;
            close(variance, Tensor::from_floats(moments.variance.as_slice(), &x.device()))?;
            let rows: Tensor<3> = x.flatten(2, 3);
            let (gamma, beta) = (tensor([side * side], seed ^ 3), tensor([side * side], seed ^ 4));
            agree(
                &rows,
                |x| f::layer_norm(x, gamma.clone(), beta.clone(), 1e-5),
                |x| layer_norm(x, gamma.clone(), beta.clone(), 1e-5),
            )?;
        }

        #[test]
        fn attentions(n in 1usize..3, length in 1usize..7, heads in 1usize..4, head in 1usize..6, causal: bool, seed: u32) {
            let width = heads * head;
            let qkv = tensor([n, length, 3 * width], seed);
            agree(&qkv, |x| f::self_attention(x, heads, causal), |x| self_attention(x, heads, causal))?;
            let [q, k, v] = [1, 2, 3].map(|salt| tensor([n, length, width], seed ^ salt));
            agree(
                &k,
                |k| f::attention(q.clone().narrow(1, 0, 1), k, v.clone(), heads, false),
                |k| attention(q.clone().narrow(1, 0, 1), k, v.clone(), heads, false),
            )?;
            let [q, k, v] = [1, 2, 3].map(|salt| tensor([n, width, length, 2], seed ^ salt));
            for i in 0..3 {
                let all = |x: Tensor<4>| [0, 1, 2].map(|j| if j == i { x.clone() } else { [&q, &k, &v][j].clone() });
                let host = |x| {
                    let [q, k, v] = all(x);
                    f::spatial_self_attention(q, k, v, heads)
                };
                let here = |x| {
                    let [q, k, v] = all(x);
                    spatial_self_attention(q, k, v, heads)
                };
                agree(&[&q, &k, &v][i].clone(), host, here)?;
            }
            let qkv = tensor([n, 3 * width, length, 2], seed ^ 4);
            for order in [PackedOrder::HeadsFirst, PackedOrder::KindsFirst] {
                agree(
                    &qkv,
                    |x| f::packed_spatial_attention(x, heads, order),
                    |x| packed_spatial_attention(x, heads, order),
                )?;
            }
        }

        #[test]
        fn biased_attentions(n in 1usize..3, groups in 1usize..3, length in 1usize..7, heads in 1usize..4, seed: u32) {
            let (n, width) = (n * groups, heads * 3);
            let qkv = tensor([n, length, 3 * width], seed);
            let bias = tensor([heads, length, length], seed ^ 1);
            let of: Vec<u8> = (0..groups * length).map(|i| (i as u32 ^ seed) as u8 % 2).collect();
            for regions in [None, Some(Regions::new(length, of))] {
                let hidden = || regions.as_ref().map(|regions| regions.hidden(&qkv.device()));
                agree(
                    &qkv,
                    |x| f::biased_self_attention(x, bias.clone(), heads, regions.as_ref()),
                    |x| biased_self_attention(x, bias.clone(), heads, hidden()),
                )?;
                agree(
                    &bias,
                    |b| f::biased_self_attention(qkv.clone(), b, heads, regions.as_ref()),
                    |b| biased_self_attention(qkv.clone(), b, heads, hidden()),
                )?;
            }
        }

        #[test]
        fn orders(n in 1usize..3, rows in 1usize..40, width in 1usize..40, more in 0usize..3, seed: u32) {
            let x = tensor([n, rows, width], seed);
            let order = |i: usize| if i < more { None } else { Some((i - more + seed as usize % rows) % rows) };
            let order = Rows::new(rows, (0..rows + more).map(order));
            let last = rows as i64;
            let index: Vec<i64> =
                (0..rows + more).map(|i| if i < more { last } else { ((i - more + seed as usize % rows) % rows) as i64 }).collect();
            let index = Tensor::<1, Int>::from_data(TensorData::from(index.as_slice()), &x.device());
            agree(&x, |x| f::take_rows(x, &order), |x| take_rows(x, index.clone()))?;
            let there = f::take_rows(x.clone(), &order);
            close(f::take_rows(there, &order.inverse()), x.clone())?;
            agree(&x, f::swapped, |x| x.swap_dims(1, 2))?;
        }

        #[test]
        fn the_rest(n in 1usize..3, c in 1usize..4, side in 2usize..7, seed: u32) {
            let x = tensor([n, c, side, side + 1], seed);
            for kind in [
                Pointwise::Relu, Pointwise::Relu6, Pointwise::QuickGelu, Pointwise::Gelu, Pointwise::Silu,
                Pointwise::LeakyRelu,
            ] {
                agree(&(x.clone() * 4.0), |x| f::pointwise(x, kind), |x| pointwise(x, kind))?;
            }
            agree(&x, f::upsample2, upsample2)?;
            agree(&x, |x| f::average_pool(x, 2), |x| average_pool(x, 2))?;
            for (size, stride, pad) in [(2, 2, 0), (3, 1, 1), (3, 2, 1), (2, 1, 0)] {
                agree(&x, |x| f::max_pool(x, size, stride, pad), |x| max_pool(x, size, stride, pad))?;
                // Equal values in a window: here every second one is 0.
                let ties = f::pointwise(x.clone(), Pointwise::Relu);
                agree(&ties, |x| f::max_pool(x, size, stride, pad), |x| max_pool(x, size, stride, pad))?;
            }
            let (scale, shift) = (tensor([c], seed ^ 4), tensor([c], seed ^ 5));
            for rectify in [Rectify::None, Rectify::Relu, Rectify::Relu6] {
                let both = || [scale.clone(), shift.clone()];
                agree(
                    &x,
                    |x| f::channel_affine(x, scale.clone(), shift.clone(), rectify),
                    |x| channel_affine(x, both(), rectify),
                )?;
                agree(
                    &scale,
                    |scale| f::channel_affine(x.clone(), scale, shift.clone(), rectify),
                    |scale| channel_affine(x.clone(), [scale, shift.clone()], rectify),
                )?;
            }
            let other = tensor([n, c + 1, side, side + 1], seed ^ 6);
            agree(&x, |x| f::join_channels(x, other.clone()), |x| join_channels(x, other.clone()))?;
            agree(&x, |x| f::join_channels(other.clone(), x), |x| join_channels(other.clone(), x))?;
            let value = tensor(x.dims(), seed ^ 1);
            agree(&x, |x| f::straight_through(x, value.clone()), |x| straight_through(x, value.clone()))?;
            let same = straight_through(x.clone(), value.clone()).into_data();
            prop_assert!(same == value.into_data(), "the value must come through to the last bit");
            let (w, b) = (tensor([side + 1, 5], seed ^ 2), Some(tensor([5], seed ^ 3)));
            agree(&x, |x| f::linear(x, w.clone(), b.clone()), |x| linear(x, w.clone(), b.clone()))?;
        }
    }
}
