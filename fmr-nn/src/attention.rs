//! Attention as operations on tensors.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};

use crate::device::is_host;
use crate::kernels::attention::{AttentionShape, Bias, HIDDEN, attention as attend, attention_gradients};
use crate::kernels::buffers;
use crate::kernels::parallel::Shared;
use crate::kernels::spatial_attention::{self, Packing, SpatialShape};
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
        attend(&self.shape(q.shape, k.shape), [q.data, k.data, v.data], None, &mut y);
        (y, q.shape.to_vec())
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [true; 3], output: false }
    }

    fn backward(&self, [q, k, v]: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let inputs = [q.data, k.data, v.data];
        let mut gradients = inputs.map(|t| buffers::take(t.len()));
        let shared = gradients.each_mut().map(|t| Shared::new(t));
        let into = shared.each_ref().map(|t| (t, 0));
        attention_gradients(&self.shape(q.shape, k.shape), inputs, None, dy.data, into, None);
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

/// Regions of the positions of several groups of samples, of which those of different ones hardly see each other: the
/// parts of a window that a shift brought together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regions {
    length: usize,
    of: Arc<[u8]>,
}

impl Regions {
    /// The region of each of `length` positions, group after group; sample n is of group n mod groups.
    ///
    /// # Panics
    /// If there is no group, or a group has not `length` positions.
    pub fn new(length: usize, of: impl Into<Arc<[u8]>>) -> Self {
        let of = of.into();
        assert!(!of.is_empty() && of.len().is_multiple_of(length), "{} regions of {length} positions", of.len());
        Self { length, of }
    }

    /// What is added to the scores, `[groups, length, length]`.
    pub(crate) fn hidden(&self, device: &Device) -> Tensor<3> {
        let rows = self.of.chunks_exact(self.length);
        let pair = |a: &u8, b: &u8| if a == b { 0.0 } else { HIDDEN };
        let values = rows.flat_map(|row| row.iter().flat_map(move |a| row.iter().map(move |b| pair(a, b))));
        let shape = [self.of.len() / self.length, self.length, self.length];
        Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), device)
    }
}

#[derive(Debug)]
struct SelfAttention {
    heads: usize,
    causal: bool,
    /// Whether there is something to add to the scores.
    biased: bool,
    regions: Option<Regions>,
}

impl SelfAttention {
    fn shape(&self, qkv: &[usize]) -> AttentionShape {
        let [n, length, pitch] = [qkv[0], qkv[1], qkv[2]];
        let &Self { heads, causal, .. } = self;
        AttentionShape { n, queries: length, keys: length, width: pitch / 3, pitch, heads, causal }
    }

    fn bias<'a>(&'a self, scores: Host<'a>) -> Option<Bias<'a>> {
        let regions = self.regions.as_ref().map(|regions| &*regions.of);
        self.biased.then_some(Bias { scores: scores.data, regions })
    }
}

impl HostOp for SelfAttention {
    fn forward(&self, [qkv, bias, _]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let s = self.shape(qkv.shape);
        let mut y = buffers::take(s.n * s.queries * s.width);
        attend(&s, [0, 1, 2].map(|i| &qkv.data[i * s.width..]), self.bias(bias), &mut y);
        (y, vec![s.n, s.queries, s.width])
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [true, self.biased, false], output: false }
    }

    fn backward(
        &self,
        [qkv, bias, _]: [Host<'_>; 3],
        _: Host<'_>,
        dy: Host<'_>,
        needs: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        let s = self.shape(qkv.shape);
        let mut gradient = buffers::take(qkv.data.len());
        let shared = Shared::new(&mut gradient);
        let inputs = [0, 1, 2].map(|i| &qkv.data[i * s.width..]);
        let into = [0, 1, 2].map(|i| (&shared, i * s.width));
        if !needs[1] {
            attention_gradients(&s, inputs, self.bias(bias), dy.data, into, None);
            return [Some(gradient), None, None];
        }
        let plane = s.heads * s.queries * s.keys;
        let mut scores = buffers::take(s.n * plane);
        attention_gradients(&s, inputs, self.bias(bias), dy.data, into, Some(&Shared::new(&mut scores)));
        let mut sum = vec![0.0; plane];
        for sample in scores.chunks_exact(plane) {
            sum.iter_mut().zip(sample).for_each(|(sum, v)| *sum += v);
        }
        buffers::give(scores);
        [Some(gradient), Some(sum), None]
    }
}

/// [`attention`] of positions over each other, with queries, keys and values side by side: `[n, l, 3 w]` to `[n, l, w]`.
pub fn self_attention(qkv: Tensor<3>, heads: usize, causal: bool) -> Tensor<3> {
    if !is_host(&qkv.device()) {
        return standard::self_attention(qkv, heads, causal);
    }
    let op = SelfAttention { heads, causal, biased: false, regions: None };
    apply::<3, 1, 1, 3>(qkv, None, None, Arc::new(op))
}

/// [`self_attention`] with `bias [heads, l, l]` added to the scores, and positions of different `regions` hidden from each
/// other.
pub fn biased_self_attention(qkv: Tensor<3>, bias: Tensor<3>, heads: usize, regions: Option<&Regions>) -> Tensor<3> {
    if !is_host(&qkv.device()) {
        let hidden = regions.map(|regions| regions.hidden(&qkv.device().inner()));
        return standard::biased_self_attention(qkv, bias, heads, hidden);
    }
    let op = SelfAttention { heads, causal: false, biased: true, regions: regions.cloned() };
    apply::<3, 3, 1, 3>(qkv, Some(bias), None, Arc::new(op))
}

/// Attention over positions, each head of each sample alone.
#[derive(Debug)]
struct SpatialAttention {
    heads: usize,
}

impl SpatialAttention {
    fn shape(&self, q: &[usize]) -> SpatialShape {
        SpatialShape::side_by_side(q[0] * self.heads, q[1] / self.heads, q[2..].iter().product())
    }
}

impl HostOp for SpatialAttention {
    fn forward(&self, [q, k, v]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let mut y = buffers::take(q.data.len());
        spatial_attention::attention(&self.shape(q.shape), q.data, k.data, v.data, &mut y);
        (y, q.shape.to_vec())
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [true; 3], output: false }
    }

    fn backward(&self, [q, k, v]: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let inputs = [q.data, k.data, v.data];
        let mut gradients = inputs.map(|t| buffers::take(t.len()));
        let shared = gradients.each_mut().map(|t| Shared::new(t));
        let into = shared.each_ref().map(|t| (t, 0));
        spatial_attention::attention_gradients(&self.shape(q.shape), inputs, dy.data, into);
        gradients.map(Some)
    }
}

/// Attention of the positions of `q`, `k`, `v` `[n, c, h, w]` over each other; heads are contiguous slices of the
/// channels, scale 1/√(c/heads).
pub fn spatial_self_attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, heads: usize) -> Tensor<4> {
    if !is_host(&q.device()) {
        return standard::spatial_self_attention(q, k, v, heads);
    }
    apply(q, Some(k), Some(v), Arc::new(SpatialAttention { heads }))
}

/// Order of the channels in which one layer gives queries, keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackedOrder {
    /// Head by head, each with its queries, keys and values.
    HeadsFirst,
    /// All queries, all keys, all values, each head by head.
    KindsFirst,
}

#[derive(Debug)]
struct PackedAttention {
    heads: usize,
    order: PackedOrder,
}

impl PackedAttention {
    /// Sizes, and where keys begin after queries, and values after keys.
    fn shape(&self, qkv: &[usize]) -> (SpatialShape, usize) {
        let (&Self { heads, order }, positions) = (self, qkv[2..].iter().product::<usize>());
        let channels = qkv[1] / 3 / heads;
        let one = channels * positions;
        let (head, kind) = match order {
            PackedOrder::HeadsFirst => (3 * one, one),
            PackedOrder::KindsFirst => (one, heads * one),
        };
        let packing = Packing { heads, sample: qkv[1] * positions, head };
        (SpatialShape { n: qkv[0] * heads, channels, positions, packing }, kind)
    }
}

impl HostOp for PackedAttention {
    fn forward(&self, [qkv, ..]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let (s, kind) = self.shape(qkv.shape);
        let mut y = buffers::take(qkv.data.len() / 3);
        let [q, k, v] = [0, 1, 2].map(|i| &qkv.data[i * kind..]);
        spatial_attention::attention(&s, q, k, v, &mut y);
        let mut shape = qkv.shape.to_vec();
        shape[1] /= 3;
        (y, shape)
    }

    fn saves(&self, _: [bool; 3]) -> Saved {
        Saved { inputs: [true, false, false], output: false }
    }

    fn backward(&self, [qkv, ..]: [Host<'_>; 3], _: Host<'_>, dy: Host<'_>, _: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let (s, kind) = self.shape(qkv.shape);
        let mut gradient = buffers::take(qkv.data.len());
        let shared = Shared::new(&mut gradient);
        let inputs = [0, 1, 2].map(|i| &qkv.data[i * kind..]);
        spatial_attention::attention_gradients(&s, inputs, dy.data, [0, 1, 2].map(|i| (&shared, i * kind)));
        [Some(gradient), None, None]
    }
}

/// [`spatial_self_attention`] with queries, keys and values in one: `[n, 3 c, h, w]` to `[n, c, h, w]`.
pub fn packed_spatial_attention(qkv: Tensor<4>, heads: usize, order: PackedOrder) -> Tensor<4> {
    if !is_host(&qkv.device()) {
        return standard::packed_spatial_attention(qkv, heads, order);
    }
    apply::<4, 1, 1, 4>(qkv, None, None, Arc::new(PackedAttention { heads, order }))
}
