use ndarray::{Array2, Array4, ArrayView2, ArrayView4};

use crate::ComponentError;

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
/// A target without a gradient, for which the engine estimates one from forwards. The [crate's front page](crate) shows
/// one with a gradient.
///
/// ```
/// use fmr_core::{ComponentError, ImagePullBack, Target, TargetSpec};
/// use ndarray::{Array2, Array4, ArrayView4, Axis};
///
/// struct Sharp(TargetSpec);
///
/// impl Target for Sharp {
///     fn spec(&self) -> &TargetSpec {
///         &self.0
///     }
///
///     fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
///         let bright = |i| images.index_axis(Axis(0), i).mean().unwrap_or_default() > 0.5;
///         Ok(Array2::from_shape_fn((images.dim().0, 2), |(i, k)| f32::from(u8::from(bright(i) == (k == 1)))))
///     }
///
///     fn logits_with_pullback<'a>(
///         &'a self,
///         _: ArrayView4<'_, f32>,
///     ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
///         Err(ComponentError::new("target \"sharp\"", "pull a gradient back", "it has no gradient"))
///     }
/// }
///
/// let target = Sharp(TargetSpec { name: "sharp".into(), classes: 2, differentiable: false });
/// assert_eq!(target.logits(Array4::from_elem((1, 1, 2, 2), 0.9).view())?.row(0).to_vec(), [0.0, 1.0]);
/// # Ok::<(), ComponentError>(())
/// ```
pub trait Target: Send + Sync {
    /// What this target takes and gives.
    fn spec(&self) -> &TargetSpec;

    /// Logits `[n, k]`.
    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError>;

    /// Logits, equal to [`Target::logits`]'s, and the pull-back to the images.
    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError>;
}
