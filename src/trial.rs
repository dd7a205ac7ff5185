//! A trial of a row's target: what its settings cannot tell, and a run would find out after hours.

use std::collections::BTreeSet;

use fmr_core::{ComponentError, Target, TargetSpec};
use fmr_experiment::ConfigError;
use ndarray::{Array2, Array4};

use crate::prepare::{Prepared, ReadyRow};

/// Images that the gradient is tried on: one of them may lie where it is zero.
const IMAGES: usize = 3;

impl Prepared {
    /// Pulls a gradient back through the target of every row that can run, on the row's first images.
    ///
    /// # Errors
    /// A target says that it is differentiable and gives no gradient, one that is zero everywhere, or one that is not finite.
    pub fn try_gradients(&self) -> Result<(), ConfigError> {
        let mut tried = BTreeSet::new();
        for row in self.ready() {
            if tried.insert((&row.settings.target, &row.settings.data))
                && let Err(problem) = row.try_gradient()
            {
                let help =
                    "a search moves along the target's gradient: give the target one, or let it say that it has none";
                let place = format!("{}.target", row.settings.at);
                return Err(self.experiment.error_at(&place, problem, Some(help.to_owned())));
            }
        }
        Ok(())
    }
}

impl ReadyRow {
    fn try_gradient(&self) -> Result<(), String> {
        let count = self.samples.len().min(IMAGES);
        if !self.target.spec().differentiable || count == 0 {
            return Ok(());
        }
        let batch = self.samples.batch(&(0..count).collect::<Vec<_>>()).map_err(|error| error.to_string())?;
        try_gradient(&*self.target, &batch.images, &batch.labels)
    }
}

fn try_gradient(target: &dyn Target, images: &Array4<f32>, labels: &[usize]) -> Result<(), String> {
    let TargetSpec { name, classes, .. } = target.spec();
    let failed = |error: ComponentError| format!("the trial of target {name:?}'s gradient failed: {error}");
    let (logits, pull_back) = target.logits_with_pullback(images.view()).map_err(failed)?;
    // Towards each image's label and away from the other classes.
    let mut towards = Array2::from_elem(logits.dim(), -1.0 / classes.saturating_sub(1).max(1) as f32);
    for (mut row, label) in towards.outer_iter_mut().zip(labels) {
        if let Some(value) = row.get_mut(*label) {
            *value = 1.0;
        }
    }
    let gradient = pull_back(towards.view()).map_err(failed)?;
    if gradient.dim() != images.dim() {
        let (found, wanted) = (gradient.dim(), images.dim());
        return Err(format!("target {name:?} gives a gradient of shape {found:?} for images of {wanted:?}"));
    }
    if !gradient.iter().all(|value| value.is_finite()) {
        return Err(format!("the gradient of target {name:?} is not finite on the first images"));
    }
    if gradient.iter().all(|value| *value == 0.0) {
        return Err(format!(
            "the gradient of target {name:?} is zero everywhere on the first images: its logits do not follow from the images \
             differentiably, or they are saturated"
        ));
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use fmr_core::ImagePullBack;
    use ndarray::{ArrayView2, ArrayView4};

    /// Logits are the first two pixels; the gradient is what it is asked to be.
    struct Pixels {
        spec: TargetSpec,
        gradient: fn(ArrayView2<'_, f32>) -> Result<Array4<f32>, ComponentError>,
    }

    impl Target for Pixels {
        fn spec(&self) -> &TargetSpec {
            &self.spec
        }

        fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
            Ok(images.to_shape((images.dim().0, 2)).unwrap().to_owned())
        }

        fn logits_with_pullback<'a>(
            &'a self,
            images: ArrayView4<'_, f32>,
        ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
            Ok((self.logits(images)?, Box::new(self.gradient)))
        }
    }

    fn tried(gradient: fn(ArrayView2<'_, f32>) -> Result<Array4<f32>, ComponentError>) -> Result<(), String> {
        let spec = TargetSpec { name: "pixels".into(), classes: 2, differentiable: true };
        try_gradient(&Pixels { spec, gradient }, &Array4::from_elem((2, 2, 1, 1), 0.5), &[0, 1])
    }

    #[test]
    fn a_target_without_a_gradient_is_found() {
        assert_eq!(tried(|d| Ok(d.to_shape((2, 2, 1, 1)).unwrap().to_owned())), Ok(()));
        assert!(tried(|_| Ok(Array4::zeros((2, 2, 1, 1)))).unwrap_err().contains("is zero everywhere"));
        assert!(tried(|_| Ok(Array4::from_elem((2, 2, 1, 1), f32::NAN))).unwrap_err().contains("not finite"));
        assert!(tried(|_| Ok(Array4::ones((2, 1, 1, 1)))).unwrap_err().contains("of shape (2, 1, 1, 1)"));
        let failed = tried(|_| Err(ComponentError::new("target", "pull back", "it carries no gradient")));
        assert!(failed.unwrap_err().contains("it carries no gradient"));
    }
}
