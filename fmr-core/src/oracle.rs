use ndarray::{Array2, ArrayView4};

use crate::ComponentError;
use crate::preprocess::Picture;

/// The foundation model h: judges which class an image shows (paper, section 3.2). Never asked for a gradient.
///
/// # Example
///
/// An oracle that sees the first class in every image:
///
/// ```
/// use fmr_core::{ComponentError, Oracle};
/// use ndarray::{Array2, Array4, ArrayView4, array};
///
/// struct Lenient {
///     classes: usize,
/// }
///
/// impl Oracle for Lenient {
///     fn name(&self) -> &str {
///         "lenient"
///     }
///
///     fn set_classes(&mut self, names: &[String], _templates: &[String]) -> Result<(), ComponentError> {
///         self.classes = names.len();
///         Ok(())
///     }
///
///     fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
///         let mut scores = Array2::zeros((images.dim().0, self.classes));
///         scores.column_mut(0).fill(1.0);
///         Ok(scores)
///     }
/// }
///
/// let mut oracle = Lenient { classes: 0 };
/// oracle.set_classes(&["bright".into(), "dark".into()], &[])?;
/// let images = Array4::zeros((2, 1, 2, 2));
/// assert_eq!(oracle.judge(images.view())?, array![[1.0, 0.0], [1.0, 0.0]]);
/// # Ok::<(), ComponentError>(())
/// ```
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
    /// Row i depends on image i alone. The engine decides what the probabilities mean ([`crate::verdict`]). A row of
    /// [`ABSTAINS`](crate::verdict::ABSTAINS) says that the oracle sees none of the classes.
    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError>;

    /// As [`Oracle::judge`], of pictures as their files hold them: bytes, each of its own size. `None` (the default)
    /// where an oracle takes images only; see [`Target::logits_of_pictures`](crate::Target::logits_of_pictures) for that,
    /// and for what no pictures at all ask. That question may come before the classes are set.
    fn judge_pictures(&self, _pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        Ok(None)
    }

    /// The oracles that it asks, by the names that people read, where it is made of several. Each knows the classes and can
    /// be asked by itself.
    fn members(&self) -> Vec<(&str, &dyn Oracle)> {
        Vec::new()
    }

    /// What the oracle does to an image before its model sees it, for reports; `None` where it does not say.
    fn preprocessing(&self) -> Option<String> {
        None
    }
}
