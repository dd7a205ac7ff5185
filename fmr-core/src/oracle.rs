use ndarray::{Array2, ArrayView4};

use crate::ComponentError;

/// The foundation model h: judges which class an image shows (paper, section 3.2). Never asked for a gradient.
pub trait Oracle: Send + Sync {
    /// Name for messages and reports, e.g. `clip ViT-B/32`.
    fn name(&self) -> &str;

    /// Sets the classes to choose among and the prompt templates, in which `{class}` stands for the name.
    ///
    /// Called once before any [`Oracle::judge`]. An oracle that has no text tower ignores the templates, and refuses
    /// a class name that it does not know.
    fn set_classes(&mut self, names: &[String], templates: &[String]) -> Result<(), ComponentError>;

    /// Class probabilities `[n, k]` of images `[n, c, h, w]` in `[0, 1]`, columns in the order of `set_classes`.
    ///
    /// Row i depends on image i alone. The engine decides what the probabilities mean ([`crate::verdict`]).
    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError>;
}
