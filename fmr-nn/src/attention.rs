//! Attention as operations on tensors.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::device::is_host;
use crate::kernels::attention::{AttentionShape, attention as attend, attention_gradients};
use crate::kernels::buffers;
use crate::kernels::parallel::Shared;
use crate::kernels::spatial_attention::{self, SpatialShape};
use crate::ops::{Host, HostOp, Saved, apply};
use crate::standard;

#[derive(Debug)]
struct Attention {
    heads: usize,
    causal: bool,
}

impl Attention {
    fn shape(&self, q: &[usize], k: &[usize]) -> AttentionShape {
        let (width, &Self { heads, causal }) = (q[2], self);
        AttentionShape { n: q[0], queries: q[1], keys: k[1], width, pitch: width, heads, causal }
    }
}

impl HostOp for Attention {
    fn forward(&self, [q, k, v]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let mut y = buffers::take(q.data.len());
        attend(&self.shape(q.shape, k.shape), [q.data, k.data, v.data], &mut y);
        (y, q.shape.to_vec())
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [true; 3], output: false }
    }

    fn backward(&self, [q, k, v]: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let inputs = [q.data, k.data, v.data];
        let mut gradients = inputs.map(|t| buffers::take(t.len()));
        let shared = gradients.each_mut().map(|t| Shared::new(t));
        attention_gradients(&self.shape(q.shape, k.shape), inputs, dy.data, shared.each_ref().map(|t| (t, 0)));
        gradients.map(Some)
    }
}

/// Multi-head attention of `q [n, l, w]` over `k`, `v` `[n, s, w]`; heads are contiguous slices of w, scale 1/√(w/heads).
pub fn attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize, causal: bool) -> Tensor<3> {
    if !is_host(&q.device()) {
        return standard::attention(q, k, v, heads, causal);
    }
    apply(q, Some(k), Some(v), Arc::new(Attention { heads, causal }))
}

#[derive(Debug)]
struct SelfAttention {
    heads: usize,
    causal: bool,
}

impl SelfAttention {
    fn shape(&self, qkv: &[usize]) -> AttentionShape {
        let ([n, length, pitch], &Self { heads, causal }) = ([qkv[0], qkv[1], qkv[2]], self);
        AttentionShape { n, queries: length, keys: length, width: pitch / 3, pitch, heads, causal }
    }
}

impl HostOp for SelfAttention {
    fn forward(&self, [qkv, ..]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let s = self.shape(qkv.shape);
        let mut y = buffers::take(s.n * s.queries * s.width);
        attend(&s, [0, 1, 2].map(|i| &qkv.data[i * s.width..]), &mut y);
        (y, vec![s.n, s.queries, s.width])
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [true, false, false], output: false }
    }

    fn backward(&self, [qkv, ..]: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let s = self.shape(qkv.shape);
        let mut gradient = buffers::take(qkv.data.len());
        let shared = Shared::new(&mut gradient);
        let inputs = [0, 1, 2].map(|i| &qkv.data[i * s.width..]);
        attention_gradients(&s, inputs, dy.data, [0, 1, 2].map(|i| (&shared, i * s.width)));
        [Some(gradient), None, None]
    }
}

/// [`attention`] of positions over each other, with queries, keys and values side by side: `[n, l, 3 w]` to `[n, l, w]`.
pub fn self_attention(qkv: Tensor<3>, heads: usize, causal: bool) -> Tensor<3> {
    if !is_host(&qkv.device()) {
        return standard::self_attention(qkv, heads, causal);
    }
    apply::<3, 1, 1, 3>(qkv, None, None, Arc::new(SelfAttention { heads, causal }))
}

#[derive(Debug)]
struct SpatialAttention;

impl SpatialAttention {
    fn shape(q: &[usize]) -> SpatialShape {
        SpatialShape { n: q[0], channels: q[1], positions: q[2..].iter().product() }
    }
}

impl HostOp for SpatialAttention {
    fn forward(&self, [q, k, v]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let mut y = buffers::take(q.data.len());
        spatial_attention::attention(&Self::shape(q.shape), q.data, k.data, v.data, &mut y);
        (y, q.shape.to_vec())
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [true; 3], output: false }
    }

    fn backward(&self, [q, k, v]: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let inputs = [q.data, k.data, v.data];
        let mut gradients = inputs.map(|t| buffers::take(t.len()));
        let into = gradients.each_mut().map(|t| &mut t[..]);
        spatial_attention::attention_gradients(&Self::shape(q.shape), inputs, dy.data, into);
        gradients.map(Some)
    }
}

/// Attention of the positions of `q`, `k`, `v` `[n, c, h, w]` over each other with one head; scale 1/√c.
pub fn spatial_self_attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    if !is_host(&q.device()) {
        return standard::spatial_self_attention(q, k, v);
    }
    apply(q, Some(k), Some(v), Arc::new(SpatialAttention))
}

/// As [`spatial_self_attention`] with heads, each a contiguous slice of the channels; scale 1/√(c/heads).
pub fn spatial_multi_head_attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, heads: usize) -> Tensor<4> {
    if heads == 1 {
        return spatial_self_attention(q, k, v);
    }
    let [n, c, h, w] = q.dims();
    // To the kernel a head is a sample.
    let [q, k, v] = [q, k, v].map(|t| t.reshape([n * heads, c / heads, h, w]));
    spatial_self_attention(q, k, v).reshape([n, c, h, w])
}
