//! What a table says of masks: how they were learned (the paper's Table 11), what they cost and save (Table 12).

use fmr_core::metrics::{Effort, Interval, PairedFmr};
use fmr_core::validity::MaskFacts;
use fmr_mask::{Learning, Mask};
use serde::{Deserialize, Serialize};

/// A row's mask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    pub(super) fn at_strength(&self) -> Option<Self> {
        let learning = self.learning.as_ref()?;
        let fit = learning.at_strength.clone()?;
        let (kept, values) = (fit.kept, fit.columns);
        let learning = Learning { fit, at_strength: None, ..learning.clone() };
        Some(Self { kept, values, learning: Some(learning), ..self.clone() })
    }

    /// Interval of the test score, a fraction.
    pub(super) fn test_interval(&self, confidence: f64) -> Option<Interval> {
        let fit = &self.learning.as_ref()?.fit;
        Interval::wilson(fit.test_right, fit.test_rows, confidence)
    }
}

/// What a row's run cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Work {
    /// Updates.
    pub effort: Effort,
    /// Wall seconds, without those of learning a mask.
    pub seconds: Option<f64>,
}

/// A row with a mask held against the same row without.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Against {
    /// FMR with the mask first, without second, paired by image; absent while a row is unfinished.
    pub fmr: Option<PairedFmr>,
    /// Seconds with the mask.
    pub seconds: Option<f64>,
    /// Seconds without.
    pub seconds_without: Option<f64>,
    /// The paper's seconds of the row without a mask.
    pub paper_without: Option<f64>,
}

/// The paper's figures of a row's mask, as printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PaperMask {
    /// Share of zero weights in percent.
    pub sparsity: Option<f64>,
    /// Score on held-out latents in percent.
    pub test_score: Option<f64>,
    /// Run time in seconds.
    pub seconds: Option<f64>,
}

/// All that a row says of masks; nothing where the table has none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MaskPart {
    /// The mask.
    pub figures: Option<MaskFigures>,
    /// What the run cost.
    pub work: Option<Work>,
    /// What the mask changed; absent where the table has no such row without a mask.
    pub against: Option<Against>,
    /// The paper's figures.
    pub paper: PaperMask,
}

/// Shares in percent by which time fell: (old − new)/old, and old/new − 1.
pub(super) fn time_saved(without: Option<f64>, with: Option<f64>) -> Option<(f64, f64)> {
    let (old, new) = (without?, with?);
    (old > 0.0 && new > 0.0).then(|| (100.0 * (old - new) / old, 100.0 * (old / new - 1.0)))
}
