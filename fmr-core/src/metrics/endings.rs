//! How samples ended.

use serde::{Deserialize, Serialize};

use crate::{Outcome, SampleRecord};

/// The count of every way a sample can end. They add up to the number of samples.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Endings {
    /// The oracle refused the reconstruction.
    pub reconstruction_rejected: usize,
    /// The oracle refused the first update.
    pub stopped_at_first: usize,
    /// The oracle refused a later update.
    pub stopped_later: usize,
    /// All updates were used up.
    pub budget_reached: usize,
    /// The early-exit rule applied.
    pub early_exit: usize,
    /// Something was not finite, or a component failed.
    pub failed: usize,
    /// Samples whose search the oracle ended at update t, by t; entry 0 counts refused reconstructions. Ends with the
    /// last t at which any was refused.
    pub refused_at: Vec<usize>,
}

impl Endings {
    /// Counts the endings of the samples.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a SampleRecord>) -> Self {
        let mut endings = Self::default();
        for record in records {
            let count = match record.outcome {
                Outcome::ReconstructionRejected => &mut endings.reconstruction_rejected,
                Outcome::StoppedByOracle if record.ended_at <= 1 => &mut endings.stopped_at_first,
                Outcome::StoppedByOracle => &mut endings.stopped_later,
                Outcome::BudgetReached => &mut endings.budget_reached,
                Outcome::EarlyExit => &mut endings.early_exit,
                Outcome::Failed | Outcome::ComponentFailed => &mut endings.failed,
            };
            *count += 1;
            if matches!(record.outcome, Outcome::ReconstructionRejected | Outcome::StoppedByOracle) {
                if endings.refused_at.len() <= record.ended_at {
                    endings.refused_at.resize(record.ended_at + 1, 0);
                }
                endings.refused_at[record.ended_at] += 1;
            }
        }
        endings
    }

    /// Number of samples.
    pub fn total(&self) -> usize {
        self.reconstruction_rejected
            + self.stopped_at_first
            + self.stopped_later
            + self.budget_reached
            + self.early_exit
            + self.failed
    }

    /// Share of all samples that the oracle refused at update `t` (0: the reconstruction); absent without samples.
    pub fn share_refused_at(&self, t: usize) -> Option<f64> {
        let refused = self.refused_at.get(t).copied().unwrap_or(0);
        (self.total() > 0).then(|| refused as f64 / self.total() as f64)
    }
}
