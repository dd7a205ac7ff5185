//! What a run keeps of a mask.

use fmr_core::validity::MaskFacts;
use serde::{Deserialize, Serialize};

use crate::{Learning, Mask};

/// A row's mask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MaskFigures {
    /// What people read.
    pub label: String,
    /// [`Mask::hash`].
    pub hash: String,
    /// Latent values that may move.
    pub kept: usize,
    /// Latent values that there are.
    pub values: usize,
    /// How it was learned; absent for a mask made by hand.
    pub learning: Option<Learning>,
    /// Images that it was learned from in this run, those that gave no pair included; absent where it came from a file.
    pub images: Option<usize>,
    /// Seconds that the run spent on learning it.
    pub seconds: Option<f64>,
}

impl MaskFigures {
    /// Figures of a mask that came from a file.
    pub fn of(mask: &Mask, label: &str) -> Self {
        Self {
            label: label.to_owned(),
            hash: mask.hash(),
            kept: mask.count(),
            values: mask.kept().len(),
            learning: mask.learning.clone(),
            images: None,
            seconds: None,
        }
    }

    /// What flags need to know of the mask.
    pub fn facts(&self) -> MaskFacts {
        let test = self.learning.as_ref().map(|l| (l.fit.test_right, l.fit.test_rows));
        MaskFacts { kept: self.kept, values: self.values, test }
    }

    /// Percentage of the classifier's weights that are zero, or of the latent values that stay, where the mask was made
    /// by hand.
    pub fn sparsity(&self) -> f64 {
        let by_hand = || 100.0 * (self.values - self.kept) as f64 / self.values.max(1) as f64;
        self.learning.as_ref().map_or_else(by_hand, |l| l.fit.sparsity())
    }

    /// What the mask would be at its settings' strength, in columns of the classifier; nothing where that is what it is.
    pub fn at_strength(&self) -> Option<Self> {
        let learning = self.learning.as_ref()?;
        let fit = learning.at_strength.clone()?;
        let (kept, values) = (fit.kept, fit.columns);
        let learning = Learning { fit, at_strength: None, ..learning.clone() };
        Some(Self { kept, values, learning: Some(learning), ..self.clone() })
    }
}
