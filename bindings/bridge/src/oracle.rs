//! An oracle in Python.

use fmr_core::preprocess::Picture;
use fmr_core::{ComponentError, Oracle};
use ndarray::{Array2, ArrayView4};

use crate::Model;

/// A model whose results are probabilities `[n, k]` of the classes. Its method `set_classes(names, templates)` is called
/// where it has one.
pub struct PythonOracle {
    model: Model,
    name: String,
    softmax: bool,
    classes: usize,
}

impl PythonOracle {
    /// An oracle of that name; `softmax`: the model gives logits.
    pub fn new(model: Model, name: String, softmax: bool) -> Self {
        Self { model, name, softmax, classes: 0 }
    }
}

impl Oracle for PythonOracle {
    fn name(&self) -> &str {
        &self.name
    }

    fn set_classes(&mut self, names: &[String], templates: &[String]) -> Result<(), ComponentError> {
        self.classes = names.len();
        self.model.set_classes(names, templates)
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let scores = self.model.forward(&format!("judge {} images", images.dim().0), images)?;
        Ok(self.probabilities(scores))
    }

    fn judge_pictures(&self, pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        if pictures.is_empty() {
            return Ok(self.model.takes_pictures.then(|| Array2::zeros((0, self.classes))));
        }
        let scores = self.model.of_pictures(&format!("judge {} pictures", pictures.len()), pictures)?;
        Ok(scores.map(|scores| self.probabilities(scores)))
    }

    fn preprocessing(&self) -> Option<String> {
        self.model.preprocessing.clone()
    }
}

impl PythonOracle {
    /// What the model gave as probabilities.
    fn probabilities(&self, mut scores: Array2<f32>) -> Array2<f32> {
        if self.softmax {
            for mut row in scores.rows_mut() {
                let most = row.fold(f32::NEG_INFINITY, |m, v| m.max(*v));
                row.mapv_inplace(|v| (v - most).exp());
                let sum = row.sum();
                row /= sum;
            }
        }
        scores
    }
}
