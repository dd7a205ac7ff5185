//! Depthwise convolution (cross-correlation): every channel has a kernel of its own, NCHW.
//!
//! Planes are independent of each other, so that bits never depend on the batch. As in [`super::conv`], a plane is
//! first copied with its padding into rows split by column phase; every tap then reads contiguous runs.

use super::conv::{ConvShape, Rectify, finish, pad_into, unpad_from};
use super::parallel::{Shared, for_planes};
use super::simd::vectorized;

/// Columns that are summed together at most; runs may be read and written this far past their end.
const CHUNK: usize = 64;

/// Runs of output positions that are contiguous in the padded plane: (offset there, offset in the staging buffer,
/// length). With stride 1 all rows form one run, whose staged rows are as far apart as the padded ones.
fn runs(shape: &ConvShape) -> (Vec<(usize, usize, usize)>, usize) {
    let [oh, ow] = shape.output();
    let p = shape.padded();
    if shape.stride == 1 {
        return (vec![(0, 0, (oh - 1) * p.row + ow)], p.row);
    }
    ((0..oh).map(|i| (i * shape.stride * p.row, i * ow, ow)).collect(), ow)
}

#[inline(always)]
fn correlate<const N: usize>(offsets: &[usize], weight: &[f32], source: &[f32], out: &mut [f32]) {
    let mut sums = [0.0; N];
    for (offset, w) in offsets.iter().zip(weight) {
        sums.iter_mut().zip(&source[*offset..offset + N]).for_each(|(s, v)| *s += w * v);
    }
    out[..N].copy_from_slice(&sums);
}

/// `out[n, c] = x[n, c] ⋆ weight[c] + bias[c]`, cut off as `rectify` says.
///
/// `shape` is that of one plane (`cin` and `cout` are 1); `weight` is `[channels, kh, kw]` row-major.
pub fn forward(
    shape: &ConvShape,
    channels: usize,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    rectify: Rectify,
    out: &mut [f32],
) {
    let [oh, ow] = shape.output();
    let (input, output, taps) = (shape.input[0] * shape.input[1], oh * ow, shape.taps());
    if out.is_empty() || output == 0 {
        return;
    }
    let p = shape.padded();
    let offsets = shape.offsets();
    let (runs, pitch) = runs(shape);
    let shared = Shared::new(out);
    let staged = (oh - 1) * pitch + ow + CHUNK;
    for_planes(x.len() / input, p.plane + CHUNK + staged, |plane, scratch| {
        let (padded, stage) = scratch.split_at_mut(p.plane + CHUNK);
        pad_into(shape, &x[plane * input..][..input], &mut padded[..p.plane]);
        let weight = &weight[plane % channels * taps..][..taps];
        vectorized(
            #[inline(always)]
            || {
                for (from, to, len) in &runs {
                    let mut at = 0;
                    while at < *len {
                        let (source, out) = (&padded[from + at..], &mut stage[to + at..]);
                        // Past the end of a run lies the next one, which overwrites what is left there.
                        if len - at > CHUNK / 4 {
                            correlate::<CHUNK>(&offsets, weight, source, out);
                            at += CHUNK;
                        } else {
                            correlate::<{ CHUNK / 4 }>(&offsets, weight, source, out);
                            at += CHUNK / 4;
                        }
                    }
                }
            },
        );
        // SAFETY: every plane is visited once.
        let target = unsafe { shared.slice(plane * output, output) };
        for (row, line) in target.chunks_exact_mut(ow).zip(stage.chunks(pitch)) {
            row.copy_from_slice(&line[..ow]);
        }
        finish(target, bias.map_or(0.0, |b| b[plane % channels]), rectify);
    });
}

/// Gradient of the input.
pub fn input_gradient(shape: &ConvShape, channels: usize, dy: &[f32], weight: &[f32], dx: &mut [f32]) {
    let [oh, ow] = shape.output();
    let (input, output, taps) = (shape.input[0] * shape.input[1], oh * ow, shape.taps());
    if super::conv::is_a_convolution(shape) {
        let flipped: Vec<f32> = weight.chunks_exact(taps).flat_map(|kernel| kernel.iter().rev().copied()).collect();
        forward(&shape.transposed(), channels, dy, &flipped, None, Rectify::None, dx);
        return;
    }
    let p = shape.padded();
    let offsets = shape.offsets();
    let planes = dx.len() / input.max(1);
    let shared = Shared::new(dx);
    for_planes(planes, p.plane, |plane, padded| {
        padded.fill(0.0);
        let weight = &weight[plane % channels * taps..][..taps];
        for (i, line) in dy[plane * output..][..output].chunks_exact(ow.max(1)).enumerate() {
            for (offset, w) in offsets.iter().zip(weight) {
                let target = &mut padded[i * shape.stride * p.row + offset..][..ow];
                target.iter_mut().zip(line).for_each(|(t, d)| *t += w * d);
            }
        }
        // SAFETY: every plane is visited once.
        unpad_from(shape, padded, unsafe { shared.slice(plane * input, input) });
    });
}

/// Gradient of the weights `[channels, kh, kw]`, summed over the images in their order.
pub fn weight_gradient(shape: &ConvShape, channels: usize, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let [oh, ow] = shape.output();
    let (input, output, taps) = (shape.input[0] * shape.input[1], oh * ow, shape.taps());
    let p = shape.padded();
    let offsets = shape.offsets();
    let images = x.len() / (input * channels).max(1);
    let shared = Shared::new(dw);
    for_planes(channels, p.plane, |channel, padded| {
        // SAFETY: every channel is visited once.
        let sums = unsafe { shared.slice(channel * taps, taps) };
        sums.fill(0.0);
        for plane in (0..images).map(|n| n * channels + channel) {
            pad_into(shape, &x[plane * input..][..input], padded);
            for (i, line) in dy[plane * output..][..output].chunks_exact(ow.max(1)).enumerate() {
                for (offset, sum) in offsets.iter().zip(sums.iter_mut()) {
                    let source = &padded[i * shape.stride * p.row + offset..][..ow];
                    *sum += source.iter().zip(line).map(|(v, d)| v * d).sum::<f32>();
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::conv;
    use super::*;
    use proptest::prelude::*;

    fn values(len: usize, seed: u32) -> Vec<f32> {
        (0..len as u32)
            .map(|i| ((i.wrapping_add(seed).wrapping_mul(2_654_435_761)) >> 8) as f32 / (1 << 23) as f32 - 1.0)
            .collect()
    }

    fn shapes() -> impl Strategy<Value = (ConvShape, usize, usize)> {
        let sizes = (1usize..20, 1usize..90, 1usize..6, 1usize..6, 1usize..4, prop::array::uniform4(0usize..3));
        (sizes, 1usize..5, 1usize..4)
            .prop_map(|((h, w, kh, kw, stride, pad), channels, n)| {
                (ConvShape { cin: 1, cout: 1, input: [h, w], kernel: [kh, kw], stride, pad }, channels, n)
            })
            .prop_filter("kernel fits", |(s, ..)| {
                s.input[0] + s.pad[0] + s.pad[2] >= s.kernel[0] && s.input[1] + s.pad[1] + s.pad[3] >= s.kernel[1]
            })
    }

    proptest! {
        /// Each channel equals an ordinary convolution of that channel, whose tests compare it with the definition.
        #[test]
        fn equals_a_convolution_of_each_channel((s, channels, n) in shapes(), seed: u32) {
            let [oh, ow] = s.output();
            let (input, output, taps) = (s.input[0] * s.input[1], oh * ow, s.taps());
            let x = values(n * channels * input, seed);
            let w = values(channels * taps, seed ^ 77);
            let b = values(channels, seed ^ 5);
            let dy = values(n * channels * output, seed ^ 99);
            let (mut y, mut dx, mut dw) = (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
            forward(&s, channels, &x, &w, Some(&b), Rectify::Relu6, &mut y);
            input_gradient(&s, channels, &dy, &w, &mut dx);
            weight_gradient(&s, channels, &x, &dy, &mut dw);
            let mut sums = vec![0.0; w.len()];
            let close = |a: &[f32], b: &[f32], tolerance: f32| a.iter().zip(b).all(|(a, b)| (a - b).abs() < tolerance);
            for plane in 0..n * channels {
                let c = plane % channels;
                let (xs, ws) = (&x[plane * input..][..input], &w[c * taps..][..taps]);
                let mut expected = vec![0.0; output];
                conv::forward(&s, 1, xs, &conv::Weights::ahead(&s, ws), Some(&b[c..=c]), Rectify::Relu6, &mut expected);
                prop_assert!(close(&y[plane * output..][..output], &expected, 1e-5));
                let dys = &dy[plane * output..][..output];
                let mut expected = vec![0.0; input];
                conv::input_gradient(&s, 1, dys, &conv::Weights::back(&s, ws), &mut expected);
                prop_assert!(close(&dx[plane * input..][..input], &expected, 1e-5));
                let mut part = vec![0.0; taps];
                conv::weight_gradient(&s, 1, xs, dys, &mut part);
                sums[c * taps..][..taps].iter_mut().zip(&part).for_each(|(s, p)| *s += p);
            }
            prop_assert!(close(&dw, &sums, 1e-3));
        }
    }
}
