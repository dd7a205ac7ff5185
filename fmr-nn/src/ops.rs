//! Operations that this project adds to burn: fused host kernels with hand-written gradients.
//!
//! burn's extension mechanism carries one generic operation, a [`HostOp`] on up to three tensors; each concrete
//! operation says how to compute itself and its gradients on slices ([`crate::kernels`]). In the backward pass only the
//! gradients that somebody tracks are computed: with frozen weights an operation keeps and computes nothing for them.

use std::fmt::Debug;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{DType, Shape, Tensor, TensorData};

use crate::kernels::buffers;

/// Values and shape of a contiguous tensor on the host.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    /// Row-major values.
    pub data: &'a [f32],
    /// Sizes.
    pub shape: &'a [usize],
}

/// Which of an operation's inputs and output its backward reads.
#[derive(Debug, Clone, Copy)]
pub struct Saved {
    /// First, second, third input.
    pub inputs: [bool; 3],
    /// The output.
    pub output: bool,
}

/// An operation on the host: a pure function of three tensors (unused ones are a placeholder of one zero).
pub trait HostOp: Debug + Send + Sync {
    /// Values and shape of the output.
    fn forward(&self, inputs: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>);

    /// What the backward reads, if the gradients of the inputs in `needs` are wanted.
    fn saves(&self, needs: [bool; 3]) -> Saved;

    /// Gradients of the inputs in `needs`. What [`HostOp::saves`] left out is a placeholder.
    fn backward(
        &self,
        inputs: [Host<'_>; 3],
        output: Host<'_>,
        gradient: Host<'_>,
        needs: [bool; 3],
    ) -> [Option<Vec<f32>>; 3];
}

/// A shared [`HostOp`].
pub type OpRef = Arc<dyn HostOp>;

/// The extension of burn's backends.
#[backend_extension(Flex: cfg(true), Autodiff: cfg(true))]
pub trait FmrOps: Backend {
    /// Output of the operation.
    fn host_op(x: FloatTensor<Self>, a: FloatTensor<Self>, b: FloatTensor<Self>, op: OpRef) -> FloatTensor<Self>;

    /// Gradients of the three inputs; placeholders where not needed.
    #[allow(clippy::too_many_arguments, reason = "all that a backward may read")]
    fn host_op_backward(
        x: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        output: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        op: OpRef,
        needs: [bool; 3],
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

type FlexTensor = FloatTensor<Flex>;

fn contiguous(t: FlexTensor) -> FlexTensor {
    assert_eq!(t.dtype(), DType::F32, "host operations work on 32-bit floats");
    t.to_contiguous()
}

fn with_host<R>(t: &FlexTensor, f: impl FnOnce(Host<'_>) -> R) -> R {
    let shape: Vec<usize> = t.shape().iter().copied().collect();
    // A contiguous tensor is a slice by definition; `contiguous` made it one.
    let data: &[f32] = t.as_slice().unwrap_or(&[]);
    f(Host { data, shape: &shape })
}

/// The memory of tensors that nothing refers to any more goes to outputs to come.
fn recycle(tensors: impl IntoIterator<Item = FlexTensor>) {
    for t in tensors.into_iter().filter(FlexTensor::is_unique) {
        if let Ok(values) = t.into_data().try_into_vec::<f32>() {
            buffers::give(values);
        }
    }
}

fn tensor(values: Vec<f32>, shape: Vec<usize>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::from(shape)))
}

impl FmrOps for Flex {
    fn host_op(x: FlexTensor, a: FlexTensor, b: FlexTensor, op: OpRef) -> FlexTensor {
        let [x, a, b] = [x, a, b].map(contiguous);
        let (values, shape) = with_host(&x, |x| with_host(&a, |a| with_host(&b, |b| op.forward([x, a, b]))));
        recycle([x, a, b]);
        tensor(values, shape)
    }

    fn host_op_backward(
        x: FlexTensor,
        a: FlexTensor,
        b: FlexTensor,
        output: FlexTensor,
        gradient: FlexTensor,
        op: OpRef,
        needs: [bool; 3],
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let [x, a, b] = [x, a, b].map(contiguous);
        let [output, gradient] = [output, gradient].map(contiguous);
        let [dx, da, db] = with_host(&x, |x| {
            with_host(&a, |a| {
                with_host(&b, |b| {
                    with_host(&output, |y| {
                        with_host(&gradient, |dy| {
                            let shapes = [x, a, b].map(|t| t.shape.to_vec());
                            let grads = op.backward([x, a, b], y, dy, needs);
                            let mut shapes = shapes.into_iter();
                            grads.map(|g| {
                                let shape = shapes.next().unwrap_or_default();
                                match g {
                                    Some(values) => {
                                        let known = shape.iter().product::<usize>() == values.len();
                                        let len = values.len();
                                        tensor(values, if known { shape } else { vec![len] })
                                    }
                                    None => tensor(vec![0.0], vec![1]),
                                }
                            })
                        })
                    })
                })
            })
        });
        recycle([x, a, b, output, gradient]);
        (dx, da, db)
    }
}

/// What the backward of a host operation keeps.
#[derive(Debug, Clone)]
struct State<B: Backend> {
    inputs: [Option<FloatTensor<B>>; 3],
    shapes: [Shape; 3],
    output: Option<FloatTensor<B>>,
    op: OpRef,
}

#[derive(Debug)]
struct HostOpBackward;

impl<B: Backend + FmrOps> Backward<B, 3> for HostOpBackward {
    type State = State<B>;

    fn backward(self, ops: Ops<State<B>, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let needs = [0, 1, 2].map(|i| ops.parents[i].is_some());
        let state = ops.state;
        let placeholder = |t: Option<FloatTensor<B>>| {
            t.unwrap_or_else(|| B::float_zeros(Shape::new([1]), &gradient.device(), DType::F32.into()))
        };
        let [x, a, b] = state.inputs.map(placeholder);
        let output = placeholder(state.output);
        let (dx, da, db) = B::host_op_backward(x, a, b, output, gradient, state.op, needs);
        for ((parent, grad), shape) in ops.parents.into_iter().zip([dx, da, db]).zip(state.shapes) {
            if let Some(node) = parent {
                grads.register::<B>(node.id, B::float_reshape(grad, shape));
            }
        }
    }
}

impl<B: Backend + FmrOps, C: CheckpointStrategy> FmrOps for Autodiff<B, C> {
    fn host_op(x: FloatTensor<Self>, a: FloatTensor<Self>, b: FloatTensor<Self>, op: OpRef) -> FloatTensor<Self> {
        let needs = [x.is_tracked(), a.is_tracked(), b.is_tracked()];
        let nodes = [x.node(), a.node(), b.node()];
        let inputs = [x, a, b].map(|t| t.into_primitive());
        let shapes = [0, 1, 2].map(|i| inputs[i].shape());
        let saved = op.saves(needs);
        let kept = [0, 1, 2].map(|i| saved.inputs[i].then(|| inputs[i].clone()));
        let [x, a, b] = inputs;
        let output = B::host_op(x, a, b, op.clone());
        match HostOpBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let state = State { inputs: kept, shapes, output: saved.output.then(|| output.clone()), op };
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn host_op_backward(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: OpRef,
        _: [bool; 3],
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("host operations are differentiable once: their backward runs without a tape")
    }
}

/// Applies an operation to a tensor and up to two further ones.
pub(crate) fn apply<const D: usize, const DA: usize, const DB: usize, const DO: usize>(
    x: Tensor<D>,
    a: Option<Tensor<DA>>,
    b: Option<Tensor<DB>>,
    op: OpRef,
) -> Tensor<DO> {
    let device = x.device().inner();
    let none = || Tensor::<1>::zeros([1], &device).into_dispatch();
    let a = a.map_or_else(none, Tensor::into_dispatch);
    let b = b.map_or_else(none, Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as FmrOps>::host_op(x.into_dispatch(), a, b, op))
}
