use ndarray::{Array2, ArrayView4};

use crate::ComponentError;

/// The foundation model h: judges which class an image shows (paper, section 3.2). Never asked for a gradient.
///
/// An oracle that sees nothing but brightness:
///
/// ```
/// use fmr_core::{ComponentError, Oracle};
/// use ndarray::{Array2, Array4, ArrayView4, Axis};
///
/// struct Brightness;
///
/// impl Oracle for Brightness {
///     fn name(&self) -> &str {
///         "brightness"
///     }
///
///     fn set_classes(&mut self, names: &[String], _: &[String]) -> Result<(), ComponentError> {
///         if names == ["dark", "bright"] {
///             return Ok(());
///         }
///         let problem = format!("it knows the classes dark and bright, not {names:?}");
///         Err(ComponentError::new("oracle \"brightness\"", "set classes", problem))
///     }
///
///     fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
///         let mean = |i| images.index_axis(Axis(0), i).mean().unwrap_or_default();
///         Ok(Array2::from_shape_fn((images.dim().0, 2), |(i, k)| if k == 1 { mean(i) } else { 1.0 - mean(i) }))
///     }
/// }
///
/// let mut oracle = Brightness;
/// oracle.set_classes(&["dark".into(), "bright".into()], &[])?;
/// let probabilities = oracle.judge(Array4::from_elem((1, 3, 4, 4), 0.75).view())?;
/// assert_eq!(probabilities[[0, 1]], 0.75);
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
    /// Row i depends on image i alone. The engine decides what the probabilities mean ([`crate::verdict`]).
    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError>;
}
