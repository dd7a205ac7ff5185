//! Multi-head scaled dot-product attention over `[n, length, width]` and its gradients.

use super::gemm::{Start, View, gemm, transpose};
use super::norm::{max_of, sum_of, sum_of_pairs};
use super::parallel::{Shared, for_each, with_scratch};
use super::simd::{exp, vectorized};

/// Sizes of an attention.
#[derive(Debug, Clone, Copy)]
pub struct AttentionShape {
    /// Samples.
    pub n: usize,
    /// Query positions.
    pub queries: usize,
    /// Key and value positions.
    pub keys: usize,
    /// Values of a position, all heads together; a head is a contiguous slice.
    pub width: usize,
    /// Distance of positions in queries, keys and values: `width`, or more where they stand side by side in one tensor.
    pub pitch: usize,
    /// Heads; divides `width`.
    pub heads: usize,
    /// Whether position i sees only keys 0..=i.
    pub causal: bool,
}

impl AttentionShape {
    fn head(&self) -> usize {
        self.width / self.heads
    }

    /// Where a sample's head starts in the queries and in the keys.
    fn starts(&self, n: usize, head: usize) -> (usize, usize) {
        let at = head * self.head();
        (n * self.queries * self.pitch + at, n * self.keys * self.pitch + at)
    }

    /// softmax(q·kᵀ/√d) of one head, `[queries, keys]`.
    fn weights(&self, q: &[f32], k: &[f32], transposed: &mut [f32], p: &mut [f32]) {
        let (d, keys) = (self.head(), self.keys);
        transpose(k, self.pitch, keys, d, transposed);
        gemm(self.queries, keys, d, View::rows(q, self.pitch), transposed, keys, p, keys, Start::Zero);
        let scale = 1.0 / (d as f32).sqrt();
        vectorized(
            #[inline(always)]
            || {
                for (i, row) in p.chunks_exact_mut(keys).enumerate() {
                    let seen = if self.causal { (i + 1).min(keys) } else { keys };
                    let (row, hidden) = row.split_at_mut(seen);
                    hidden.fill(0.0);
                    row.iter_mut().for_each(|v| *v *= scale);
                    let max = max_of(row);
                    row.iter_mut().for_each(|v| *v = exp(*v - max));
                    let share = 1.0 / sum_of(row, |v| v);
                    row.iter_mut().for_each(|v| *v *= share);
                }
            },
        );
    }
}

/// `softmax(q·kᵀ/√d)·v` for each head, positions of the output `width` apart.
pub fn attention(s: &AttentionShape, [q, k, v]: [&[f32]; 3], out: &mut [f32]) {
    let shared = Shared::new(out);
    let (d, w) = (s.head(), s.width);
    for_each(s.n, |n| {
        // SAFETY: each task writes its own sample.
        let out = unsafe { shared.slice(n * s.queries * w, s.queries * w) };
        for h in 0..s.heads {
            let (qs, ks) = s.starts(n, h);
            with_scratch(s.keys * d + s.queries * s.keys, |scratch| {
                let (transposed, p) = scratch.split_at_mut(s.keys * d);
                s.weights(&q[qs..], &k[ks..], transposed, p);
                let to = &mut out[h * d..];
                gemm(s.queries, d, s.keys, View::rows(p, s.keys), &v[ks..], s.pitch, to, w, Start::Zero);
            });
        }
    });
}

/// Gradients of [`attention`] with respect to q, k and v, into tensors of the same layout: each where it starts in its
/// tensor, which another may share.
pub fn attention_gradients(s: &AttentionShape, [q, k, v]: [&[f32]; 3], dout: &[f32], into: [(&Shared, usize); 3]) {
    let (d, w, pitch) = (s.head(), s.width, s.pitch);
    let scale = 1.0 / (d as f32).sqrt();
    let area = s.queries * s.keys;
    for_each(s.n, |n| {
        for h in 0..s.heads {
            let (qs, ks) = s.starts(n, h);
            let dout = &dout[n * s.queries * w + h * d..];
            // From a head's first value to the end of its last.
            let span = |positions: usize| positions.saturating_sub(1) * pitch + d;
            // SAFETY: each task writes its own sample. Products write the values of one head alone; the parts made of
            // the same tensor are used one after the other.
            let part =
                |i: usize, at: usize, positions: usize| unsafe { into[i].0.slice(into[i].1 + at, span(positions)) };
            with_scratch(s.keys * d + 2 * area, |scratch| {
                let (transposed, rest) = scratch.split_at_mut(s.keys * d);
                let (p, dp) = rest.split_at_mut(area);
                s.weights(&q[qs..], &k[ks..], transposed, p);
                let back = View::transposed(p, s.keys);
                gemm(s.keys, d, s.queries, back, dout, w, part(2, ks, s.keys), pitch, Start::Zero);
                transpose(&v[ks..], pitch, s.keys, d, transposed);
                gemm(s.queries, s.keys, d, View::rows(dout, w), transposed, s.keys, dp, s.keys, Start::Zero);
                vectorized(
                    #[inline(always)]
                    || {
                        for (p, dp) in p.chunks_exact(s.keys).zip(dp.chunks_exact_mut(s.keys)) {
                            let dot = sum_of_pairs(p, dp, |p, d| p * d);
                            for (p, d) in p.iter().zip(dp) {
                                *d = p * (*d - dot) * scale;
                            }
                        }
                    },
                );
                let ahead = View::rows(dp, s.keys);
                gemm(s.queries, d, s.keys, ahead, &k[ks..], pitch, part(0, qs, s.queries), pitch, Start::Zero);
                let back = View::transposed(dp, s.keys);
                gemm(s.keys, d, s.queries, back, &q[qs..], pitch, part(1, ks, s.keys), pitch, Start::Zero);
            });
        }
    });
}
