//! Where the search starts: the original, or the original after one step of FGSM (`protocol`, open choice 30).

use ndarray::{Array4, Axis};

use super::Perturber;
use super::rule::sign;
use super::settings::{StartKind, StartUnits};
use crate::scorer::CrossEntropy;
use crate::{ComponentError, Scorer};

/// Images to encode; absent where they are the originals.
pub(super) fn images(
    perturber: &Perturber<'_>,
    originals: &Array4<f32>,
    labels: &[usize],
) -> Result<Option<Array4<f32>>, ComponentError> {
    let start = &perturber.search.start;
    if start.kind == StartKind::None {
        return Ok(None);
    }
    let spec = perturber.target.spec();
    if !spec.differentiable {
        let problem = "it has no gradient, which search.start.kind = \"fgsm\" needs";
        return Err(ComponentError::new(format!("target {:?}", spec.name), "FGSM start", problem));
    }
    let (logits, pull_back) = perturber.target.logits_with_pullback(originals.view())?;
    let (_, d_logits) = CrossEntropy.score(logits.view(), logits.view(), labels)?;
    let gradient = pull_back(d_logits.view())?;
    let mut moved = originals.clone();
    for (c, (mut images, gradients)) in moved.axis_iter_mut(Axis(1)).zip(gradient.axis_iter(Axis(1))).enumerate() {
        let deviation = start.deviation.get(c).or(start.deviation.first()).copied().unwrap_or(1.0);
        let epsilon = match start.units {
            StartUnits::Pixel => start.epsilon,
            StartUnits::Normalized => start.epsilon * deviation,
        } as f32;
        images.zip_mut_with(&gradients, |x, g| *x = (*x + epsilon * sign(*g)).clamp(0.0, 1.0));
    }
    Ok(Some(moved))
}
