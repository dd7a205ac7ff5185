//! Activation checkpointing: a chain of steps keeps what goes into each, and a way back runs one step at a time again.

use burn::tensor::Tensor;

use crate::bridge::Traced;

/// Inputs of the steps of a chain, and what came out of the last.
#[derive(Debug, Clone)]
pub struct Checkpointed<const D: usize> {
    inputs: Vec<Tensor<D>>,
    output: Tensor<D>,
}

impl<const D: usize> Checkpointed<D> {
    /// Runs `steps` steps from `x`, none with a tape; `step` takes the number of the step and what goes into it.
    pub fn new(x: Tensor<D>, steps: usize, step: impl Fn(usize, Tensor<D>) -> Tensor<D>) -> Self {
        let mut inputs = Vec::with_capacity(steps);
        let mut output = x;
        for i in 0..steps {
            inputs.push(output.clone());
            output = step(i, output);
        }
        Self { inputs, output }
    }

    /// What came out of the last step.
    pub fn output(&self) -> Tensor<D> {
        self.output.clone()
    }

    /// Gradient of ⟨output, cotangent⟩ in the first step's input, given the same steps again. At any time there is the
    /// tape of one step, so that its memory does not grow with their number.
    pub fn pull_back(self, cotangent: Tensor<D>, step: impl Fn(usize, Tensor<D>) -> Tensor<D>) -> Tensor<D> {
        drop(self.output);
        let mut gradient = cotangent;
        for (i, input) in self.inputs.into_iter().enumerate().rev() {
            gradient = Traced::new(input, |x| step(i, x)).pull_back(gradient);
        }
        gradient
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn the_gradient_is_that_of_one_tape_over_all_steps() {
        let step = |i: usize, x: Tensor<1>| (x.clone() * x + i as f32).sin();
        let x: Tensor<1> = Tensor::from_data(TensorData::new(vec![0.3_f32, -0.7, 1.1], [3]), &Device::flex());
        let cotangent = Tensor::from_data(TensorData::new(vec![1.0_f32, -2.0, 0.5], [3]), &Device::flex());
        let chain = Checkpointed::new(x.clone(), 4, step);
        let whole = Traced::new(x, |x| (0..4).fold(x, |x, i| step(i, x)));
        let values = |t: Tensor<1>| t.into_data().try_into_vec::<f32>().unwrap_or_default();
        assert_eq!(values(chain.output()), values(whole.output()));
        assert_eq!(values(chain.pull_back(cotangent.clone(), step)), values(whole.pull_back(cotangent)));
    }
}
