//! A target in Python.

use fmr_core::preprocess::Picture;
use fmr_core::{ComponentError, ImagePullBack, SettingError, Target, TargetSpec};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4};

use crate::Model;

/// A model whose results are logits `[n, k]`.
pub struct PythonTarget {
    model: Model,
    spec: TargetSpec,
}

impl PythonTarget {
    /// Asks the model about one grey image of shape `[c, h, w]` how many classes it has.
    ///
    /// # Errors
    /// The model fails on that image.
    pub fn new(model: Model, name: String, [c, h, w]: [usize; 3]) -> Result<Self, ComponentError> {
        let asked = format!("logits of one image of {:?}", [c, h, w]);
        let logits: Array2<f32> = model.forward(&asked, Array4::from_elem((1, c, h, w), 0.5).view())?;
        let spec = TargetSpec { name, classes: logits.ncols(), differentiable: model.differentiable };
        Ok(Self { model, spec })
    }

    /// Checks that the model names as many classes as it has logits.
    ///
    /// # Errors
    /// It does not; about the setting `setting`.
    pub fn expect_names(&self, setting: &str) -> Result<(), SettingError> {
        let classes = self.spec.classes;
        match self.model.class_names.as_ref().map(Vec::len).filter(|names| *names != classes) {
            Some(names) => {
                let problem = format!("`class_names` has {names} names, but the model gives {classes} logits");
                Err(SettingError::new(setting, problem))
            }
            None => Ok(()),
        }
    }
}

impl Target for PythonTarget {
    fn spec(&self) -> &TargetSpec {
        &self.spec
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        self.model.forward(&format!("logits of {} images", images.dim().0), images)
    }

    fn logits_of_pictures(&self, pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        if pictures.is_empty() {
            return Ok(self.model.takes_pictures.then(|| Array2::zeros((0, self.spec.classes))));
        }
        self.model.of_pictures(&format!("logits of {} pictures", pictures.len()), pictures)
    }

    fn preprocessing(&self) -> Option<String> {
        self.model.preprocessing.clone()
    }

    fn class_names(&self) -> Option<Vec<Vec<String>>> {
        self.model.class_names.clone()
    }

    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        let asked = format!("logits of {} images, with gradient", images.dim().0);
        if !self.spec.differentiable {
            return Err(self.model.error(&asked, "it has no method `vjp`"));
        }
        let (logits, saved) = self.model.forward_saving(&asked, images)?;
        let pull = move |cotangent: ArrayView2<'_, f32>| {
            self.model.pull_back(&format!("gradient of {} images", cotangent.nrows()), saved, cotangent)
        };
        Ok((logits, Box::new(pull)))
    }
}
