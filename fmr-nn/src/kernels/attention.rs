//! Multi-head scaled dot-product attention over `[n, length, width]` and its gradients.

use super::gemm::{Start, View, gemm};
use super::norm::{max_of, sum_by};
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
    /// Heads; divides `width`.
    pub heads: usize,
    /// Whether position i sees only keys 0..=i.
    pub causal: bool,
}

impl AttentionShape {
    fn head(&self) -> usize {
        self.width / self.heads
    }

    /// Where sample and head of a task start in the queries and in the keys.
    fn starts(&self, task: usize) -> (usize, usize) {
        let (n, h) = (task / self.heads, task % self.heads);
        (n * self.queries * self.width + h * self.head(), n * self.keys * self.width + h * self.head())
    }

    /// softmax(q·kᵀ/√d) of one head, `[queries, keys]`.
    fn weights(&self, q: &[f32], k: &[f32], transposed: &mut [f32], p: &mut [f32]) {
        let (d, keys) = (self.head(), self.keys);
        transpose(k, self.width, keys, d, transposed);
        gemm(self.queries, keys, d, View { data: q, row: self.width, col: 1 }, transposed, keys, p, keys, Start::Zero);
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
                    let share = 1.0 / sum_by(row.len(), |j| row[j]);
                    row.iter_mut().for_each(|v| *v *= share);
                }
            },
        );
    }
}

/// `out[c][r] = m[r][c]` of a `rows × columns` part at row distance `row`.
fn transpose(m: &[f32], row: usize, rows: usize, columns: usize, out: &mut [f32]) {
    for r in 0..rows {
        for (c, value) in m[r * row..r * row + columns].iter().enumerate() {
            out[c * rows + r] = *value;
        }
    }
}

/// `softmax(q·kᵀ/√d)·v` for each head.
pub fn attention(s: &AttentionShape, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]) {
    let shared = Shared::new(out);
    let (d, w) = (s.head(), s.width);
    for_each(s.n, |n| {
        // SAFETY: each task writes its own sample.
        let out = unsafe { shared.slice(n * s.queries * w, s.queries * w) };
        for h in 0..s.heads {
            let (qs, ks) = s.starts(n * s.heads + h);
            with_scratch(s.keys * d + s.queries * s.keys, |scratch| {
                let (transposed, p) = scratch.split_at_mut(s.keys * d);
                s.weights(&q[qs..], &k[ks..], transposed, p);
                gemm(s.queries, d, s.keys, View::rows(p, s.keys), &v[ks..], w, &mut out[h * d..], w, Start::Zero);
            });
        }
    });
}

/// Gradients of [`attention`] with respect to q, k and v.
pub fn attention_gradients(
    s: &AttentionShape,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    dout: &[f32],
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let (d, w) = (s.head(), s.width);
    let (mut dq, mut dk, mut dv) = (vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]);
    let (out_q, out_k, out_v) = (Shared::new(&mut dq), Shared::new(&mut dk), Shared::new(&mut dv));
    let scale = 1.0 / (d as f32).sqrt();
    let area = s.queries * s.keys;
    for_each(s.n, |n| {
        // SAFETY: each task writes its own sample.
        let (dq, dk, dv) = unsafe {
            (
                out_q.slice(n * s.queries * w, s.queries * w),
                out_k.slice(n * s.keys * w, s.keys * w),
                out_v.slice(n * s.keys * w, s.keys * w),
            )
        };
        for h in 0..s.heads {
            let (qs, ks) = s.starts(n * s.heads + h);
            with_scratch(s.keys * d + 2 * area, |scratch| {
                let (transposed, rest) = scratch.split_at_mut(s.keys * d);
                let (p, dp) = rest.split_at_mut(area);
                s.weights(&q[qs..], &k[ks..], transposed, p);
                gemm(
                    s.keys,
                    d,
                    s.queries,
                    View::transposed(p, s.keys),
                    &dout[qs..],
                    w,
                    &mut dv[h * d..],
                    w,
                    Start::Zero,
                );
                transpose(&v[ks..], w, s.keys, d, transposed);
                gemm(
                    s.queries,
                    s.keys,
                    d,
                    View { data: &dout[qs..], row: w, col: 1 },
                    transposed,
                    s.keys,
                    dp,
                    s.keys,
                    Start::Zero,
                );
                vectorized(
                    #[inline(always)]
                    || {
                        for (p, dp) in p.chunks_exact(s.keys).zip(dp.chunks_exact_mut(s.keys)) {
                            let dot = sum_by(s.keys, |j| p[j] * dp[j]);
                            for (p, d) in p.iter().zip(dp) {
                                *d = p * (*d - dot) * scale;
                            }
                        }
                    },
                );
                gemm(s.queries, d, s.keys, View::rows(dp, s.keys), &k[ks..], w, &mut dq[h * d..], w, Start::Zero);
                gemm(s.keys, d, s.queries, View::transposed(dp, s.keys), &q[qs..], w, &mut dk[h * d..], w, Start::Zero);
            });
        }
    });
    (dq, dk, dv)
}
