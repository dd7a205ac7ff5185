//! What the search maximises: a differentiable function of the target's logits.

use ndarray::{Array1, Array2, ArrayView2};

use crate::ComponentError;

/// A score of each sample's logits, with its gradient. Rows are independent.
pub trait Scorer: Send + Sync {
    /// Name for messages and reports.
    fn name(&self) -> &str;

    /// Scores `[n]` and d score / d logits `[n, k]`.
    ///
    /// `labels` are true classes; `clean` holds the target's logits on the originals, which some scorers compare with.
    fn score(
        &self,
        logits: ArrayView2<'_, f32>,
        clean: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array1<f32>, Array2<f32>), ComponentError>;
}

mod kinds;
mod settings;

pub use kinds::{CrossEntropy, Divergence, Margin, Targeted};
pub use settings::{ScorerKind, ScorerSettings, TargetClass};
