//! An oracle of a plugin.

use fmr_core::preprocess::Picture;
use fmr_core::{ComponentError, Oracle};
use ndarray::{Array2, ArrayView4};

use super::array;
use crate::abi;
use crate::host::buffers::Tensor;
use crate::host::handle::Handle;

/// Its functions cross the border.
#[derive(Debug)]
pub(in crate::host) struct PluginOracle {
    handle: Handle,
    classes: usize,
}

impl PluginOracle {
    pub(in crate::host) fn new(handle: Handle) -> Self {
        Self { handle, classes: 0 }
    }
}

impl Oracle for PluginOracle {
    fn name(&self) -> &str {
        &self.handle.info().name
    }

    fn set_classes(&mut self, names: &[String], templates: &[String]) -> Result<(), ComponentError> {
        self.handle.set_classes(names, templates)?;
        self.classes = names.len();
        Ok(())
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let shape = [images.dim().0, self.classes];
        let asked = format!("judge {} images", shape[0]);
        if self.classes == 0 {
            return Err(self.handle.error(&asked, "its classes are not set"));
        }
        if shape[0] == 0 {
            return Ok(Array2::zeros(shape));
        }
        let [values] = self.handle.forward(&asked, abi::JUDGE, vec![Tensor::copy(images)], [&shape])?;
        Ok(array(ndarray::Dim(shape), values))
    }

    fn judge_pictures(&self, pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        let asked = format!("judge {} pictures", pictures.len());
        if self.classes == 0 && self.handle.info().pictures {
            return Err(self.handle.error(&asked, "its classes are not set"));
        }
        self.handle.of_pictures(&asked, abi::JUDGE_PICTURES, pictures, self.classes)
    }

    fn preprocessing(&self) -> Option<String> {
        self.handle.preprocessing()
    }
}
