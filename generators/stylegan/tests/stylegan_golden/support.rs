//! What the comparisons share.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Gradients, Tensor, TensorData};
use fmr_golden::{Case, Sheet};
use fmr_nn::device::test_device;
use fmr_nn::weights::{Chosen, Key, StateDict, state_dict};

/// A tensor of a sheet.
pub(crate) fn tensor<const D: usize>(sheet: &Sheet, name: &str) -> Tensor<D> {
    let data = TensorData::new(sheet.floats(name).to_vec(), sheet.shape(name).to_vec());
    Tensor::from_data(data, &test_device())
}

/// A tensor's values.
pub(crate) fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.without_autodiff().into_data().try_into_vec().unwrap()
}

/// The part of a case's checkpoint that it is about.
pub(crate) fn chosen(case: &Case) -> Chosen<'_> {
    Chosen { weights_key: case.text("checkpoint_key"), ..Chosen::default() }
}

/// Classes of a sheet, or of an unconditional generator.
pub(crate) fn classes(sheet: &Sheet, name: &str, count: usize) -> Vec<usize> {
    match sheet.get(name) {
        Some(_) => sheet.ints(name).iter().map(|class| *class as usize).collect(),
        None => vec![0; count],
    }
}

/// Puts gradients in the place of parameters; zeros where there are none.
struct ToGradients<'g>(&'g Gradients);

impl ModuleMapper for ToGradients<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value = param.val();
        let gradient = value.grad(self.0).unwrap_or_else(|| value.inner().zeros_like());
        Param::initialized(param.id, gradient)
    }
}

/// Gradients of a module's parameters, by name.
pub(crate) fn gradients<M: Module>(module: M, keys: &[Key], gradients: &Gradients) -> StateDict {
    state_dict(&module.map(&mut ToGradients(gradients)), keys)
}
