//! Self-attention of one head over the positions of images, `[n, channels, positions]`, and its gradients.
//!
//! With the channels first every product reads queries, keys and values as they are; only the weights, which are smaller,
//! are ever transposed. They are kept by keys, `p[key][query]`, so that the softmax runs over columns.

use super::gemm::{Start, View, gemm, transpose};
use super::parallel::{Shared, for_each, with_scratch};
use super::simd::{exp, vectorized};

/// Sizes of an attention.
#[derive(Debug, Clone, Copy)]
pub struct SpatialShape {
    /// Samples.
    pub n: usize,
    /// Channels of queries, keys and values.
    pub channels: usize,
    /// Height × width.
    pub positions: usize,
}

impl SpatialShape {
    fn len(&self) -> usize {
        self.channels * self.positions
    }

    fn scale(&self) -> f32 {
        1.0 / (self.channels as f32).sqrt()
    }

    /// softmax over keys of kᵀ·q/√c, `[keys, queries]`; `totals` is scratch for two values a query.
    fn weights(&self, q: &[f32], k: &[f32], p: &mut [f32], totals: &mut [f32]) {
        let (c, l) = (self.channels, self.positions);
        gemm(l, l, c, View::transposed(k, l), q, l, p, l, Start::Zero);
        let (highest, sums) = totals.split_at_mut(l);
        let scale = self.scale();
        vectorized(
            #[inline(always)]
            || {
                highest.fill(f32::NEG_INFINITY);
                sums.fill(0.0);
                for row in p.chunks_exact_mut(l) {
                    for (v, most) in row.iter_mut().zip(highest.iter_mut()) {
                        *v *= scale;
                        *most = if *v > *most { *v } else { *most };
                    }
                }
                for row in p.chunks_exact_mut(l) {
                    for ((v, most), sum) in row.iter_mut().zip(highest.iter()).zip(sums.iter_mut()) {
                        *v = exp(*v - most);
                        *sum += *v;
                    }
                }
                sums.iter_mut().for_each(|sum| *sum = 1.0 / *sum);
                for row in p.chunks_exact_mut(l) {
                    row.iter_mut().zip(sums.iter()).for_each(|(v, share)| *v *= share);
                }
            },
        );
    }
}

/// Every position's average of `v`, weighted by softmax(qᵀ·k/√c) over the positions of k.
pub fn attention(s: &SpatialShape, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]) {
    let (c, l, len) = (s.channels, s.positions, s.len());
    let shared = Shared::new(out);
    for_each(s.n, |n| {
        let sample = n * len..(n + 1) * len;
        // SAFETY: each task writes its own sample.
        let out = unsafe { shared.slice(sample.start, len) };
        with_scratch(l * l + 2 * l, |scratch| {
            let (p, totals) = scratch.split_at_mut(l * l);
            s.weights(&q[sample.clone()], &k[sample.clone()], p, totals);
            gemm(c, l, l, View::rows(&v[sample], l), p, l, out, l, Start::Zero);
        });
    });
}

/// Gradients of [`attention`] with respect to q, k and v.
pub fn attention_gradients(s: &SpatialShape, [q, k, v]: [&[f32]; 3], dout: &[f32], [dq, dk, dv]: [&mut [f32]; 3]) {
    let (c, l, len) = (s.channels, s.positions, s.len());
    let [dq, dk, dv] = [dq, dk, dv].map(Shared::new);
    let scale = s.scale();
    for_each(s.n, |n| {
        let sample = n * len..(n + 1) * len;
        let [q, k, v, dout] = [q, k, v, dout].map(|t| &t[sample.clone()]);
        // SAFETY: each task writes its own sample.
        let [dq, dk, dv] = [&dq, &dk, &dv].map(|t| unsafe { t.slice(sample.start, len) });
        with_scratch(3 * l * l + 2 * l, |scratch| {
            let (p, rest) = scratch.split_at_mut(l * l);
            let (dp, rest) = rest.split_at_mut(l * l);
            let (transposed, totals) = rest.split_at_mut(l * l);
            s.weights(q, k, p, totals);
            transpose(p, l, l, l, transposed);
            gemm(c, l, l, View::rows(dout, l), transposed, l, dv, l, Start::Zero);
            gemm(l, l, c, View::transposed(v, l), dout, l, dp, l, Start::Zero);
            let dots = &mut totals[..l];
            vectorized(
                #[inline(always)]
                || {
                    dots.fill(0.0);
                    for (p, dp) in p.chunks_exact(l).zip(dp.chunks_exact(l)) {
                        for ((dot, p), d) in dots.iter_mut().zip(p).zip(dp) {
                            *dot += p * d;
                        }
                    }
                    for (p, dp) in p.chunks_exact(l).zip(dp.chunks_exact_mut(l)) {
                        for ((dot, p), d) in dots.iter().zip(p).zip(dp) {
                            *d = p * (*d - dot) * scale;
                        }
                    }
                },
            );
            gemm(c, l, l, View::rows(k, l), dp, l, dq, l, Start::Zero);
            transpose(dp, l, l, l, transposed);
            gemm(c, l, l, View::rows(q, l), transposed, l, dk, l, Start::Zero);
        });
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::attention as rows_first;

    proptest! {
        #[test]
        fn equals_attention_with_positions_first(n in 1usize..3, c in 1usize..40, l in 1usize..40, seed: u32) {
            let values = |salt: u32| -> Vec<f32> {
                let hash = |i: u32| (i ^ seed).wrapping_add(salt).wrapping_mul(2_654_435_761) >> 8;
                (0..(n * c * l) as u32).map(|i| hash(i) as f32 / (1 << 22) as f32 - 2.0).collect()
            };
            let flip = |t: &[f32], rows: usize, columns: usize| -> Vec<f32> {
                let mut out = vec![0.0; t.len()];
                for (from, to) in t.chunks_exact(c * l).zip(out.chunks_exact_mut(c * l)) {
                    transpose(from, columns, rows, columns, to);
                }
                out
            };
            let [q, k, v, dout] = [1, 2, 3, 4].map(values);
            let [qr, kr, vr, dr] = [&q, &k, &v, &dout].map(|t| flip(t, c, l));
            let s = SpatialShape { n, channels: c, positions: l };
            let r = rows_first::AttentionShape { n, queries: l, keys: l, width: c, pitch: c, heads: 1, causal: false };
            let close = |a: &[f32], b: &[f32]| a.iter().zip(flip(b, l, c)).all(|(a, b)| (a - b).abs() < 1e-4);

            let (mut out, mut expected) = (vec![0.0; q.len()], vec![0.0; q.len()]);
            attention(&s, &q, &k, &v, &mut out);
            rows_first::attention(&r, [&qr, &kr, &vr], &mut expected);
            prop_assert!(close(&out, &expected));

            let mut found = [(); 3].map(|()| vec![0.0; q.len()]);
            let [dq, dk, dv] = &mut found;
            attention_gradients(&s, [&q, &k, &v], &dout, [dq, dk, dv]);
            let mut expected = [(); 3].map(|()| vec![0.0; q.len()]);
            let shared = expected.each_mut().map(|t| Shared::new(t));
            rows_first::attention_gradients(&r, [&qr, &kr, &vr], &dr, shared.each_ref().map(|t| (t, 0)));
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert!(close(found, expected));
            }
        }
    }
}
