//! Multi-head scaled dot-product attention over `[n, length, width]` and its gradients.

use std::ops::Range;

use super::gemm::{Start, View, gemm};
use super::norm::{max_of, sum_of, sum_of_pairs};
use super::parallel::{Shared, for_each, with_scratch};
use super::simd::{exp, vectorized};

/// Queries whose scores are worked on together.
const PART: usize = 64;

/// The queries in parts: scores of a part stay in the cache, and those of all are never in memory together.
pub(super) fn parts(queries: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..queries).step_by(size).map(move |first| first..queries.min(first + size))
}

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

/// What is added to the scores before their softmax.
#[derive(Clone, Copy)]
pub struct Bias<'a> {
    /// `[heads, queries, keys]`, the same for all samples.
    pub scores: &'a [f32],
    /// Region of each position, `[groups, positions]`, for positions that attend to each other: those of different regions
    /// hardly see each other. Sample n is of group n mod groups.
    pub regions: Option<&'a [u8]>,
}

/// Added to the score of a position of a different region, as upstream does.
pub const HIDDEN: f32 = -100.0;

impl<'a> Bias<'a> {
    fn of(self, s: &AttentionShape, n: usize, head: usize) -> Self {
        let regions = self.regions.map(|regions| {
            let groups = regions.len() / s.keys;
            &regions[n % groups * s.keys..][..s.keys]
        });
        Self { scores: &self.scores[head * s.queries * s.keys..][..s.queries * s.keys], regions }
    }

    /// Adds itself, of one sample and head, to the scores of a query.
    #[inline(always)]
    fn add(self, query: usize, row: &mut [f32]) {
        let scores = &self.scores[query * row.len()..][..row.len()];
        row.iter_mut().zip(scores).for_each(|(v, b)| *v += b);
        if let Some(regions) = self.regions {
            let own = regions[query];
            row.iter_mut().zip(regions).for_each(|(v, r)| *v += if *r == own { 0.0 } else { HIDDEN });
        }
    }
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

    /// softmax(q·kᵀ/√d + bias) of some queries of one head, `[queries, keys]`.
    fn weights(&self, queries: Range<usize>, q: &[f32], k: &[f32], bias: Option<Bias<'_>>, p: &mut [f32]) {
        let (d, keys) = (self.head(), self.keys);
        let (q, k) = (View::rows(&q[queries.start * self.pitch..], self.pitch), View::transposed(k, self.pitch));
        gemm(queries.len(), keys, d, q, k, p, keys, Start::Zero);
        let scale = 1.0 / (d as f32).sqrt();
        vectorized(
            #[inline(always)]
            || {
                for (i, row) in p.chunks_exact_mut(keys).enumerate() {
                    let seen = if self.causal { (queries.start + i + 1).min(keys) } else { keys };
                    let (row, hidden) = row.split_at_mut(seen);
                    hidden.fill(0.0);
                    row.iter_mut().for_each(|v| *v *= scale);
                    if let Some(bias) = bias {
                        bias.add(queries.start + i, row);
                    }
                    let max = max_of(row);
                    row.iter_mut().for_each(|v| *v = exp(*v - max));
                    let share = 1.0 / sum_of(row, |v| v);
                    row.iter_mut().for_each(|v| *v *= share);
                }
            },
        );
    }
}

/// `softmax(q·kᵀ/√d + bias)·v` for each head, positions of the output `width` apart.
pub fn attention(s: &AttentionShape, [q, k, v]: [&[f32]; 3], bias: Option<Bias<'_>>, out: &mut [f32]) {
    let shared = Shared::new(out);
    let (d, w) = (s.head(), s.width);
    for_each(s.n, |n| {
        // SAFETY: each task writes its own sample.
        let out = unsafe { shared.slice(n * s.queries * w, s.queries * w) };
        for h in 0..s.heads {
            let (qs, ks) = s.starts(n, h);
            let bias = bias.map(|bias| bias.of(s, n, h));
            for part in parts(s.queries, PART) {
                with_scratch(part.len() * s.keys, |p| {
                    s.weights(part.clone(), &q[qs..], &k[ks..], bias, p);
                    let (v, to) = (View::rows(&v[ks..], s.pitch), &mut out[part.start * w + h * d..]);
                    gemm(part.len(), d, s.keys, View::rows(p, s.keys), v, to, w, Start::Zero);
                });
            }
        }
    });
}

/// Gradients of [`attention`] with respect to q, k and v, into tensors of the same layout: each where it starts in its
/// tensor, which another may share.
///
/// With `scores` come also the gradients of each sample's biased scores, `[n, heads, queries, keys]`.
pub fn attention_gradients(
    s: &AttentionShape,
    [q, k, v]: [&[f32]; 3],
    bias: Option<Bias<'_>>,
    dout: &[f32],
    into: [(&Shared, usize); 3],
    scores: Option<&Shared>,
) {
    let (d, w, pitch) = (s.head(), s.width, s.pitch);
    let scale = 1.0 / (d as f32).sqrt();
    for_each(s.n, |n| {
        for h in 0..s.heads {
            let (qs, ks) = s.starts(n, h);
            let bias = bias.map(|bias| bias.of(s, n, h));
            let plane = (n * s.heads + h) * s.queries;
            let dout = &dout[n * s.queries * w + h * d..];
            // From a head's first value to the end of its last.
            let span = |positions: usize| positions.saturating_sub(1) * pitch + d;
            // SAFETY: each task writes its own sample. Products write the values of one head alone; the parts made of
            // the same tensor are used one after the other.
            let part =
                |i: usize, at: usize, positions: usize| unsafe { into[i].0.slice(into[i].1 + at, span(positions)) };
            for rows in parts(s.queries, PART) {
                // The first part overwrites the gradients of keys and values, the others add to them.
                let start = if rows.start == 0 { Start::Zero } else { Start::Accumulate };
                let n = rows.len();
                let first = rows.start * pitch;
                with_scratch(2 * n * s.keys, |scratch| {
                    let (p, dp) = scratch.split_at_mut(n * s.keys);
                    s.weights(rows.clone(), &q[qs..], &k[ks..], bias, p);
                    let dout = View::rows(&dout[rows.start * w..], w);
                    let back = View::transposed(p, s.keys);
                    gemm(s.keys, d, n, back, dout, part(2, ks, s.keys), pitch, start);
                    gemm(n, s.keys, d, dout, View::transposed(&v[ks..], pitch), dp, s.keys, Start::Zero);
                    score_gradients(s.keys, p, dp);
                    if let Some(scores) = scores {
                        // SAFETY: each task writes its own sample, and each part its own queries.
                        let to = unsafe { scores.slice((plane + rows.start) * s.keys, dp.len()) };
                        to.copy_from_slice(dp);
                    }
                    dp.iter_mut().for_each(|d| *d *= scale);
                    let (ahead, back) = (View::rows(dp, s.keys), View::transposed(dp, s.keys));
                    let (q, k) = (View::rows(&q[qs + first..], pitch), View::rows(&k[ks..], pitch));
                    gemm(n, d, s.keys, ahead, k, part(0, qs + first, n), pitch, Start::Zero);
                    gemm(s.keys, d, n, back, q, part(1, ks, s.keys), pitch, start);
                });
            }
        }
    });
}

/// Gradients of scaled scores, given the weights `p` and their gradients, in whose place they come.
fn score_gradients(keys: usize, p: &[f32], dp: &mut [f32]) {
    vectorized(
        #[inline(always)]
        || {
            for (p, dp) in p.chunks_exact(keys).zip(dp.chunks_exact_mut(keys)) {
                let dot = sum_of_pairs(p, dp, |p, d| p * d);
                for (p, d) in p.iter().zip(dp) {
                    *d = p * (*d - dot);
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Attention and its gradients by their definitions, of one sample and one head.
    struct Defined {
        out: Vec<f64>,
        gradients: [Vec<f64>; 3],
    }

    fn defined(s: &AttentionShape, [q, k, v]: [&[f32]; 3], dout: &[f32]) -> Defined {
        let d = s.width;
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let row = |t: &[f32], i: usize| t[i * d..(i + 1) * d].to_vec();
        let scale = 1.0 / (d as f64).sqrt();
        let mut out = vec![0.0; s.queries * d];
        let mut gradients = [s.queries, s.keys, s.keys].map(|n| vec![0.0; n * d]);
        for i in 0..s.queries {
            let seen = if s.causal { (i + 1).min(s.keys) } else { s.keys };
            let weights: Vec<f64> = (0..seen).map(|j| (scale * dot(&row(q, i), &row(k, j))).exp()).collect();
            let total: f64 = weights.iter().sum();
            let p: Vec<f64> = weights.iter().map(|w| w / total).collect();
            let dp: Vec<f64> = (0..seen).map(|j| dot(&row(dout, i), &row(v, j))).collect();
            let mean: f64 = p.iter().zip(&dp).map(|(p, d)| p * d).sum();
            for j in 0..seen {
                let ds = p[j] * (dp[j] - mean) * scale;
                for c in 0..d {
                    out[i * d + c] += p[j] * f64::from(v[j * d + c]);
                    gradients[0][i * d + c] += ds * f64::from(k[j * d + c]);
                    gradients[1][j * d + c] += ds * f64::from(q[i * d + c]);
                    gradients[2][j * d + c] += p[j] * f64::from(dout[i * d + c]);
                }
            }
        }
        Defined { out, gradients }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn equals_the_definition(
            queries in 1usize..3 * PART, keys in 1usize..80, width in 1usize..24, causal: bool, seed: u32,
        ) {
            let s = AttentionShape { n: 1, queries, keys, width, pitch: width, heads: 1, causal };
            let values = |len: usize, salt: u32| -> Vec<f32> {
                let hash = |i: u32| (i ^ seed).wrapping_add(salt).wrapping_mul(2_654_435_761) >> 8;
                (0..len as u32).map(|i| hash(i) as f32 / (1 << 23) as f32 - 1.0).collect()
            };
            let inputs = [values(queries * width, 1), values(keys * width, 2), values(keys * width, 3)];
            let dout = values(queries * width, 4);
            let inputs = inputs.each_ref().map(|t| &t[..]);
            let expected = defined(&s, inputs, &dout);
            let mut out = vec![f32::NAN; queries * width];
            attention(&s, inputs, None, &mut out);
            let mut gradients = [queries, keys, keys].map(|n| vec![f32::NAN; n * width]);
            let shared = gradients.each_mut().map(|t| Shared::new(t));
            attention_gradients(&s, inputs, None, &dout, shared.each_ref().map(|t| (t, 0)), None);
            let close = |a: &[f32], b: &[f64]| a.iter().zip(b).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-4);
            prop_assert!(close(&out, &expected.out));
            for (gradient, expected) in gradients.iter().zip(&expected.gradients) {
                prop_assert!(close(gradient, expected));
            }
        }
    }
}
