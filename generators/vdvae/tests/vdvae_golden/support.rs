//! Between tensors and the sheets of cases.

use burn::tensor::{Tensor, TensorData};
use fmr_golden::Sheet;
use fmr_nn::device::test_device;

/// An input of a case.
pub(crate) fn tensor<const D: usize>(sheet: &Sheet, name: &str) -> Tensor<D> {
    let data = TensorData::new(sheet.floats(name).to_vec(), sheet.shape(name).to_vec());
    Tensor::from_data(data, &test_device())
}

/// The inputs `name.00`, `name.01`, … of a case.
pub(crate) fn numbered(sheet: &Sheet, name: &str) -> Vec<Tensor<4>> {
    let names = (0..).map(|i| format!("{name}.{i:02}"));
    names.take_while(|name| sheet.get(name).is_some()).map(|name| tensor(sheet, &name)).collect()
}

/// A tensor's values.
pub(crate) fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.without_autodiff().into_data().try_into_vec().unwrap()
}
