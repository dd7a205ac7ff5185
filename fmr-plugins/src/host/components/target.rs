//! A target of a plugin.

use fmr_core::preprocess::Picture;
use fmr_core::{ComponentError, ImagePullBack, Target, TargetSpec};
use ndarray::{Array2, ArrayView2, ArrayView4};

use super::array;
use crate::abi;
use crate::host::buffers::Tensor;
use crate::host::handle::Handle;

/// Its functions cross the border.
#[derive(Debug)]
pub(in crate::host) struct PluginTarget {
    handle: Handle,
    spec: TargetSpec,
}

impl PluginTarget {
    pub(in crate::host) fn new(handle: Handle) -> Self {
        let info = handle.info();
        let spec = TargetSpec { name: info.name.clone(), classes: info.classes, differentiable: info.differentiable };
        Self { handle, spec }
    }
}

impl Target for PluginTarget {
    fn spec(&self) -> &TargetSpec {
        &self.spec
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let shape = [images.dim().0, self.spec.classes];
        if shape[0] == 0 {
            return Ok(Array2::zeros(shape));
        }
        let asked = format!("logits of {} images", shape[0]);
        let [values] = self.handle.forward(&asked, abi::LOGITS, vec![Tensor::copy(images)], [&shape])?;
        Ok(array(ndarray::Dim(shape), values))
    }

    fn logits_of_pictures(&self, pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        let asked = format!("logits of {} pictures", pictures.len());
        self.handle.of_pictures(&asked, abi::LOGITS_OF_PICTURES, pictures, self.spec.classes)
    }

    fn preprocessing(&self) -> Option<String> {
        self.handle.preprocessing()
    }

    fn class_names(&self) -> Option<Vec<Vec<String>>> {
        self.handle.info().class_names.clone()
    }

    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        let dim = images.raw_dim();
        let asked = format!("logits of {} images, with gradient", dim[0]);
        if !self.spec.differentiable {
            return Err(self.handle.error(&asked, "it offers no gradient"));
        }
        let row = ndarray::Dim([0, self.spec.classes]);
        let (logits, parts) = self.handle.differentiate(&asked, abi::LOGITS, images, None, row)?;
        let pull = move |cotangent: ArrayView2<'_, f32>| {
            let asked = format!("gradient of {} images", cotangent.nrows());
            if cotangent.ncols() != self.spec.classes {
                return Err(self.handle.error(&asked, format!("cotangents of {} classes", cotangent.ncols())));
            }
            self.handle.pull(&asked, parts, cotangent, dim)
        };
        Ok((logits, Box::new(pull)))
    }
}
