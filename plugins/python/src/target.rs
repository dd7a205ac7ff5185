//! A target in Python.

use fmr_core::preprocess::Picture;
use fmr_core::registry::{MakeContext, MakeError};
use fmr_core::{ComponentError, ImagePullBack, SettingError, Target, TargetSpec};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4};

use crate::{Model, Settings};

/// See the crate.
pub(crate) struct PythonTarget {
    model: Model,
    spec: TargetSpec,
}

impl PythonTarget {
    /// Finds the model, and asks it about one grey image how many classes it has.
    pub(crate) fn new(settings: Settings, context: &MakeContext<'_>) -> Result<Self, MakeError> {
        if settings.softmax {
            return Err(SettingError::new("softmax", "is for oracles; a target gives logits as they are").into());
        }
        let model = Model::find("target", &settings, context)?;
        let [c, h, w] = context.image;
        let asked = format!("logits of one image of {:?}", context.image);
        let logits: Array2<f32> = model.forward(&asked, Array4::from_elem((1, c, h, w), 0.5).view())?;
        let classes = logits.ncols();
        if let Some(names) = model.class_names.as_ref().filter(|names| names.len() != classes) {
            let problem = format!("`class_names` has {} names, but the model gives {classes} logits", names.len());
            return Err(SettingError::new("attribute", problem).into());
        }
        let name = settings.module.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{name}.{}", settings.attribute);
        let spec = TargetSpec { name, classes, differentiable: model.differentiable };
        Ok(Self { model, spec })
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
