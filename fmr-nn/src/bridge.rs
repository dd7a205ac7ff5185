//! Between host arrays, the exchange format of components, and tensors; and pull-backs through a tape.

use std::convert::Infallible;

use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array, ArrayView, Dimension, IntoDimension};

/// A tensor with an array's values.
pub fn to_tensor<Dim: Dimension, const D: usize>(array: ArrayView<'_, f32, Dim>, device: &Device) -> Tensor<D> {
    let shape: Vec<usize> = array.shape().to_vec();
    let values: Vec<f32> = match array.as_slice() {
        Some(values) => values.to_vec(),
        None => array.iter().copied().collect(),
    };
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// An array with a tensor's values.
///
/// # Panics
/// If the tensor has a different number of dimensions than the array type, which is a mistake of the caller's.
pub fn to_array<Dim: Dimension, const D: usize>(
    tensor: Tensor<D>,
    shape: impl IntoDimension<Dim = Dim>,
) -> Array<f32, Dim> {
    let values = tensor.into_data().try_into_vec::<f32>().unwrap_or_default();
    match Array::from_shape_vec(shape.into_dimension(), values) {
        Ok(array) => array,
        Err(e) => panic!("tensor of an unexpected shape: {e}"),
    }
}

/// A tensor on the device of `other`: a constant beside what a tape records, where `other` has one.
pub fn beside<const D: usize, const E: usize>(tensor: Tensor<D>, other: &Tensor<E>) -> Tensor<D> {
    if other.device().is_autodiff() && !tensor.device().is_autodiff() { Tensor::from_inner(tensor) } else { tensor }
}

/// A function's value at a point, with the tape that leads back from it.
pub struct Traced<const I: usize, const O: usize> {
    input: Tensor<I>,
    output: Tensor<O>,
}

impl<const I: usize, const O: usize> Traced<I, O> {
    /// Runs `f` with a tape. Parameters on the plain device are constants: only the way back to `x` is recorded.
    pub fn new(x: Tensor<I>, f: impl FnOnce(Tensor<I>) -> Tensor<O>) -> Self {
        match Self::try_new::<Infallible>(x, |x| Ok(f(x))) {
            Ok(traced) => traced,
            Err(never) => match never {},
        }
    }

    /// As [`Traced::new`] of a function that may fail.
    ///
    /// # Errors
    /// What `f` returns.
    pub fn try_new<E>(x: Tensor<I>, f: impl FnOnce(Tensor<I>) -> Result<Tensor<O>, E>) -> Result<Self, E> {
        let input = x.autodiff().require_grad();
        let output = f(input.clone())?;
        Ok(Self { input, output })
    }

    /// The value.
    pub fn output(&self) -> Tensor<O> {
        self.output.clone().without_autodiff()
    }

    /// Gradient of ⟨output, cotangent⟩ in the input. Consumes the tape.
    pub fn pull_back(self, cotangent: Tensor<O>) -> Tensor<I> {
        let device = self.input.device().inner();
        let shape = self.input.dims();
        let product = self.output * Tensor::from_inner(cotangent);
        let grads = product.sum().backward();
        self.input.grad(&grads).unwrap_or_else(|| Tensor::zeros(shape, &device))
    }
}
