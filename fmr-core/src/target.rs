use ndarray::{Array2, Array4, ArrayView2, ArrayView4};

use crate::ComponentError;
use crate::preprocess::Picture;

/// Vector-Jacobian product of a forward: takes d score / d logits `[n, k]`, gives d score / d images `[n, c, h, w]`.
///
/// Used at most once; dropping it unused frees what it holds.
pub type ImagePullBack<'a> = Box<dyn FnOnce(ArrayView2<'_, f32>) -> Result<Array4<f32>, ComponentError> + Send + 'a>;

/// What a target takes and gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSpec {
    /// Name for messages and reports.
    pub name: String,
    /// Number of logits.
    pub classes: usize,
    /// Whether [`Target::logits_with_pullback`] is offered; without it the engine estimates gradients from forwards.
    pub differentiable: bool,
}

/// The classifier θ under test.
///
/// Takes images `[n, c, h, w]` in `[0, 1]` of the generator's size and converts them to what its model wants (size,
/// channels, normalisation) itself, differentiably. Always in evaluation mode; row i depends on image i alone.
///
/// # Example
///
/// ```
/// use fmr_core::{ComponentError, ImagePullBack, Target, TargetSpec};
/// use ndarray::{Array2, Array4, ArrayView2, ArrayView4, array};
///
/// /// Logits are the mean brightness and one minus it: "bright" or "dark".
/// struct Brightness(TargetSpec);
///
/// impl Brightness {
///     fn new() -> Self {
///         Self(TargetSpec { name: "brightness".into(), classes: 2, differentiable: true })
///     }
/// }
///
/// impl Target for Brightness {
///     fn spec(&self) -> &TargetSpec {
///         &self.0
///     }
///
///     fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
///         let mut logits = Array2::zeros((images.dim().0, 2));
///         for (mut row, image) in logits.outer_iter_mut().zip(images.outer_iter()) {
///             let mean = image.mean().unwrap_or(0.0);
///             row[0] = mean;
///             row[1] = 1.0 - mean;
///         }
///         Ok(logits)
///     }
///
///     fn logits_with_pullback<'a>(
///         &'a self,
///         images: ArrayView4<'_, f32>,
///     ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
///         let (n, c, h, w) = images.dim();
///         let pull_back = move |d_logits: ArrayView2<'_, f32>| {
///             // d mean / d pixel is the same for every pixel of an image.
///             let pixels = (c * h * w) as f32;
///             let slope = |i: usize| (d_logits[[i, 0]] - d_logits[[i, 1]]) / pixels;
///             Ok(Array4::from_shape_fn((n, c, h, w), |(i, ..)| slope(i)))
///         };
///         Ok((self.logits(images)?, Box::new(pull_back)))
///     }
/// }
///
/// let target = Brightness::new();
/// let images = Array4::from_elem((1, 1, 2, 2), 0.25);
/// let (logits, pull_back) = target.logits_with_pullback(images.view())?;
/// assert_eq!(logits, array![[0.25, 0.75]]);
/// let d_images = pull_back(array![[1.0, 0.0]].view())?;
/// assert_eq!(d_images, Array4::from_elem((1, 1, 2, 2), 0.25));
/// # Ok::<(), ComponentError>(())
/// ```
pub trait Target: Send + Sync {
    /// What this target takes and gives.
    fn spec(&self) -> &TargetSpec;

    /// Logits `[n, k]`.
    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError>;

    /// Logits `[n, k]` of pictures as their files hold them: bytes, each of its own size.
    ///
    /// A published accuracy is that of a model's own 8-bit path, from the original resolution. A target that knows that
    /// path takes it here; [`Target::logits`] is its differentiable twin. `None` (the default) where a target takes
    /// images only: it is then shown the run's images, at the generator's size. Whether it is `None` does not depend on
    /// the pictures; no pictures at all ask for that alone, and a target that takes some answers `[0, k]`.
    fn logits_of_pictures(&self, _pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        Ok(None)
    }

    /// What the target does to an image before its model sees it, for reports; `None` where it does not say.
    fn preprocessing(&self) -> Option<String> {
        None
    }

    /// Names of the classes in label order, where the target knows what its logits stand for: for each class the name for
    /// people first, then identifiers such as a WordNet id. Data whose classes have these names in a different order are
    /// matched with them; others are refused.
    fn class_names(&self) -> Option<Vec<Vec<String>>> {
        None
    }

    /// Standard accuracy, from 0 to 1, that is published for the target's weights on the test images of the data set that
    /// they were trained for; `None` where none is known. A run that measures something far from it says so.
    fn published_accuracy(&self) -> Option<f64> {
        None
    }

    /// Logits, equal to [`Target::logits`]'s, and the pull-back to the images.
    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError>;
}
