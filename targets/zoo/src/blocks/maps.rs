//! Maps of channels, `[n, c, h, w]`, and tokens, `[n, h·w, c]`.

use burn::tensor::Tensor;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use fmr_nn::functional as f;

/// The positions of a map row by row.
pub(crate) fn to_tokens(x: Tensor<4>) -> Tensor<3> {
    f::swapped(x.flatten(2, 3))
}

/// Tokens as a map of `[height, width]`.
pub(crate) fn to_map(x: Tensor<3>, [h, w]: [usize; 2]) -> Tensor<4> {
    let [n, _, c] = x.dims();
    f::swapped(x).reshape([n, c, h, w])
}

/// The largest of `size × size` values, `stride` apart, with `pad` positions of −∞ around the map.
pub(crate) fn max_pool(x: Tensor<4>, size: usize, stride: usize, pad: usize) -> Tensor<4> {
    let mut pool = MaxPoolOptions::new([size; 2]);
    pool.stride = [stride; 2];
    pool.padding = [(pad, pad); 2];
    max_pool2d(x, pool)
}
