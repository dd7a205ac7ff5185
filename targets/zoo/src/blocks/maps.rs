//! Maps of channels, `[n, c, h, w]`, and tokens, `[n, h·w, c]`.

use burn::tensor::Tensor;
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
