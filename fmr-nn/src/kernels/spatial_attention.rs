//! Self-attention over the positions of images, `[n, heads, channels, positions]`, and its gradients.
//!
//! With the channels first every product reads queries, keys and values as they are. The weights are kept by keys,
//! `p[key][query]`, so that the softmax runs over columns.

use std::ops::Range;

use super::attention::parts;
use super::gemm::{Start, View, gemm};
use super::parallel::{Shared, for_each, with_scratch};
use super::simd::{exp, vectorized};

/// Queries whose scores are worked on together.
const PART: usize = 96;

/// Sizes of an attention.
#[derive(Debug, Clone, Copy)]
pub struct SpatialShape {
    /// Samples times heads, each of which attends alone.
    pub n: usize,
    /// Channels of the queries, keys and values of a head.
    pub channels: usize,
    /// Height × width.
    pub positions: usize,
    /// Where the heads of queries, keys and values lie.
    pub packing: Packing,
}

/// Distances between the heads of queries, of keys, and of values. Results lie side by side.
#[derive(Debug, Clone, Copy)]
pub struct Packing {
    /// Heads of a sample.
    pub heads: usize,
    /// Values from a sample to the next.
    pub sample: usize,
    /// Values from a head to the next of the same sample.
    pub head: usize,
}

impl Packing {
    /// Where head number `i` of all samples begins.
    fn at(&self, i: usize) -> usize {
        i / self.heads * self.sample + i % self.heads * self.head
    }
}

impl SpatialShape {
    /// Of heads that lie side by side.
    pub fn side_by_side(n: usize, channels: usize, positions: usize) -> Self {
        let packing = Packing { heads: 1, sample: channels * positions, head: 0 };
        Self { n, channels, positions, packing }
    }

    fn len(&self) -> usize {
        self.channels * self.positions
    }

    fn scale(&self) -> f32 {
        1.0 / (self.channels as f32).sqrt()
    }

    /// softmax over keys of kᵀ·q/√c, `[keys, queries]`, for some of the queries; `totals` is scratch for two values a query.
    fn weights(&self, queries: Range<usize>, q: &[f32], k: &[f32], p: &mut [f32], totals: &mut [f32]) {
        let (c, l, n) = (self.channels, self.positions, queries.len());
        gemm(l, n, c, View::transposed(k, l), View::rows(&q[queries.start..], l), p, n, Start::Zero);
        let (highest, sums) = totals.split_at_mut(n);
        let scale = self.scale();
        vectorized(
            #[inline(always)]
            || {
                highest.fill(f32::NEG_INFINITY);
                sums.fill(0.0);
                for row in p.chunks_exact_mut(n) {
                    for (v, most) in row.iter_mut().zip(highest.iter_mut()) {
                        *v *= scale;
                        *most = if *v > *most { *v } else { *most };
                    }
                }
                for row in p.chunks_exact_mut(n) {
                    for ((v, most), sum) in row.iter_mut().zip(highest.iter()).zip(sums.iter_mut()) {
                        *v = exp(*v - most);
                        *sum += *v;
                    }
                }
                sums.iter_mut().for_each(|sum| *sum = 1.0 / *sum);
                for row in p.chunks_exact_mut(n) {
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
    for_each(s.n, |head| {
        // SAFETY: each task writes its own head.
        let out = unsafe { shared.slice(head * len, len) };
        let [q, k, v] = [q, k, v].map(|t| &t[s.packing.at(head)..][..len]);
        for part in parts(l, PART) {
            let n = part.len();
            with_scratch((l + 2) * n, |scratch| {
                let (p, totals) = scratch.split_at_mut(l * n);
                s.weights(part.clone(), q, k, p, totals);
                gemm(c, n, l, View::rows(v, l), View::rows(p, n), &mut out[part.start..], l, Start::Zero);
            });
        }
    });
}

/// Gradients of [`attention`] with respect to q, k and v, each into a slice from an index on, packed as they are.
pub fn attention_gradients(s: &SpatialShape, [q, k, v]: [&[f32]; 3], dout: &[f32], into: [(&Shared, usize); 3]) {
    let (c, l, len) = (s.channels, s.positions, s.len());
    for_each(s.n, |head| {
        let at = s.packing.at(head);
        let [q, k, v] = [q, k, v].map(|t| &t[at..][..len]);
        let dout = &dout[head * len..][..len];
        // SAFETY: each task writes its own head.
        let [dq, dk, dv] = into.map(|(t, first)| unsafe { t.slice(first + at, len) });
        for part in parts(l, PART) {
            let n = part.len();
            // The first part overwrites the gradients of keys and values, the others add to them.
            let start = if part.start == 0 { Start::Zero } else { Start::Accumulate };
            with_scratch(2 * l * n + 2 * n, |scratch| {
                let (p, rest) = scratch.split_at_mut(l * n);
                let (dp, totals) = rest.split_at_mut(l * n);
                s.weights(part.clone(), q, k, p, totals);
                let (q, dout) = (View::rows(&q[part.start..], l), View::rows(&dout[part.start..], l));
                gemm(c, l, n, dout, View::transposed(p, n), dv, l, start);
                gemm(l, n, c, View::transposed(v, l), dout, dp, n, Start::Zero);
                score_gradients(n, s.scale(), p, dp, &mut totals[..n]);
                gemm(c, n, l, View::rows(k, l), View::rows(dp, n), &mut dq[part.start..], l, Start::Zero);
                gemm(c, l, n, q, View::transposed(dp, n), dk, l, start);
            });
        }
    });
}

/// Gradients of scores of `n` queries, given the weights `p` and their gradients, in whose place they come.
fn score_gradients(n: usize, scale: f32, p: &[f32], dp: &mut [f32], dots: &mut [f32]) {
    vectorized(
        #[inline(always)]
        || {
            dots.fill(0.0);
            for (p, dp) in p.chunks_exact(n).zip(dp.chunks_exact(n)) {
                for ((dot, p), d) in dots.iter_mut().zip(p).zip(dp) {
                    *dot += p * d;
                }
            }
            for (p, dp) in p.chunks_exact(n).zip(dp.chunks_exact_mut(n)) {
                for ((dot, p), d) in dots.iter().zip(p).zip(dp) {
                    *d = p * (*d - dot) * scale;
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::attention as rows_first;
    use crate::kernels::gemm::transpose;

    proptest! {
        #[test]
        fn equals_attention_with_positions_first(n in 1usize..3, c in 1usize..40, l in 1usize..250, seed: u32) {
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
            let s = SpatialShape::side_by_side(n, c, l);
            let r = rows_first::AttentionShape { n, queries: l, keys: l, width: c, pitch: c, heads: 1, causal: false };
            let close = |a: &[f32], b: &[f32]| a.iter().zip(flip(b, l, c)).all(|(a, b)| (a - b).abs() < 1e-4);

            let (mut out, mut expected) = (vec![0.0; q.len()], vec![0.0; q.len()]);
            attention(&s, &q, &k, &v, &mut out);
            rows_first::attention(&r, [&qr, &kr, &vr], None, &mut expected);
            prop_assert!(close(&out, &expected));

            let mut found = [(); 3].map(|()| vec![0.0; q.len()]);
            let shared = found.each_mut().map(|t| Shared::new(t));
            attention_gradients(&s, [&q, &k, &v], &dout, shared.each_ref().map(|t| (t, 0)));
            let mut expected = [(); 3].map(|()| vec![0.0; q.len()]);
            let shared = expected.each_mut().map(|t| Shared::new(t));
            let into = shared.each_ref().map(|t| (t, 0));
            rows_first::attention_gradients(&r, [&qr, &kr, &vr], None, &dr, into, None);
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert!(close(found, expected));
            }
        }
    }
}
