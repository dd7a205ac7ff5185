//! The gradient of a convolution's weights and bias.

use super::ConvShape;
use crate::kernels::gemm::{Start, View, gemm, transpose};
use crate::kernels::parallel::{Shared, for_each, with_scratch};

/// Images whose weight gradients are summed by one task; fixed, so that the sum's order is.
const GRADIENT_CHUNK: usize = 16;
/// Output positions whose patches are laid out at a time for the weight gradient.
const GRADIENT_ROWS: usize = 128;

/// Weight gradient `[cout, cin, kh, kw]`, summed over the images.
///
/// The reduction runs over positions and the vectors over (tap, channel): images are laid out channels-last, so that a
/// patch is `kh` contiguous runs. Small images share a product, so that its reduction is long.
pub fn weight_gradient(shape: &ConvShape, images: usize, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let [oh, ow] = shape.output();
    let positions = oh * ow;
    let [kh, kw] = shape.kernel;
    let (cin, cout, depth) = (shape.cin, shape.cout, shape.depth());
    let output_len = cout * positions;
    let chunks = images.div_ceil(GRADIENT_CHUNK).max(1);
    let total = dw.len();
    let mut partial = vec![0.0; chunks * total];
    let shared = Shared::new(&mut partial);
    let together = (GRADIENT_ROWS / positions.max(1)).max(1);
    for_each(chunks, |chunk| {
        // SAFETY: each chunk has its own part.
        let sum = unsafe { shared.slice(chunk * total, total) };
        let last = images.min((chunk + 1) * GRADIENT_CHUNK);
        with_scratch(channels_last_len(shape), |padded| {
            padded.fill(0.0);
            with_scratch(GRADIENT_ROWS.max(together * positions) * depth, |patches| {
                for first in (chunk * GRADIENT_CHUNK..last).step_by(together) {
                    let count = together.min(last - first);
                    if together == 1 {
                        let dy = &dy[first * output_len..][..output_len];
                        channels_last(shape, first, x, padded);
                        for start in (0..positions).step_by(GRADIENT_ROWS) {
                            let rows = GRADIENT_ROWS.min(positions - start);
                            lay_out(shape, padded, start..start + rows, patches);
                            let gradient = View { data: &dy[start..], row: positions, col: 1 };
                            gemm(
                                cout,
                                depth,
                                rows,
                                gradient,
                                View::rows(patches, depth),
                                sum,
                                depth,
                                Start::Accumulate,
                            );
                        }
                        continue;
                    }
                    let rows = count * positions;
                    with_scratch(cout * rows, |gradients| {
                        for n in 0..count {
                            channels_last(shape, first + n, x, padded);
                            lay_out(shape, padded, 0..positions, &mut patches[n * positions * depth..]);
                            let dy = &dy[(first + n) * output_len..][..output_len];
                            for (c, plane) in dy.chunks_exact(positions).enumerate() {
                                gradients[c * rows + n * positions..][..positions].copy_from_slice(plane);
                            }
                        }
                        let gradient = View::rows(gradients, rows);
                        gemm(cout, depth, rows, gradient, View::rows(patches, depth), sum, depth, Start::Accumulate);
                    });
                }
            });
        });
    });
    let (sum, rest) = partial.split_at_mut(total);
    for part in rest.chunks_exact(total) {
        sum.iter_mut().zip(part).for_each(|(d, s)| *d += s);
    }
    for (filter, sum) in dw.chunks_exact_mut(depth).zip(sum.chunks_exact(depth)) {
        transpose(sum, cin, kh * kw, cin, filter);
    }
}

/// Height and width with padding.
fn padded_size(shape: &ConvShape) -> [usize; 2] {
    [shape.input[0] + shape.pad[0] + shape.pad[2], shape.input[1] + shape.pad[1] + shape.pad[3]]
}

fn channels_last_len(shape: &ConvShape) -> usize {
    let [height, width] = padded_size(shape);
    height * width * shape.cin
}

/// Copies image `n` into the middle of a padded image with its channels last.
fn channels_last(shape: &ConvShape, n: usize, x: &[f32], padded: &mut [f32]) {
    let [h, w] = shape.input;
    let [_, width] = padded_size(shape);
    let image = &x[n * shape.cin * h * w..][..shape.cin * h * w];
    for y in 0..h {
        let at = ((y + shape.pad[0]) * width + shape.pad[1]) * shape.cin;
        transpose(&image[y * w..], h * w, shape.cin, w, &mut padded[at..]);
    }
}

/// One patch (tap by tap, channels last) for each output position of `range`.
fn lay_out(shape: &ConvShape, padded: &[f32], range: std::ops::Range<usize>, patches: &mut [f32]) {
    let [_, ow] = shape.output();
    let [_, width] = padded_size(shape);
    let run = shape.kernel[1] * shape.cin;
    for (p, patch) in range.zip(patches.chunks_exact_mut(shape.depth())) {
        let (i, j) = (p / ow * shape.stride, p % ow * shape.stride);
        for (ky, line) in patch.chunks_exact_mut(run).enumerate() {
            let from = ((i + ky) * width + j) * shape.cin;
            line.copy_from_slice(&padded[from..from + run]);
        }
    }
}

/// Bias gradient `[cout]`: the output gradient summed over images and positions.
pub fn bias_gradient(channels: usize, positions: usize, dy: &[f32], db: &mut [f32]) {
    db.fill(0.0);
    for image in dy.chunks_exact(channels * positions) {
        for (d, plane) in db.iter_mut().zip(image.chunks_exact(positions)) {
            *d += plane.iter().sum::<f32>();
        }
    }
}
