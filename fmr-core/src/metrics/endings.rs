//! How samples ended.

use serde::{Deserialize, Serialize};

use crate::{Outcome, SampleRecord};

/// How a search ended, as tables, files and pictures name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The oracle rejected the reconstruction.
    ReconstructionRejected,
    /// The oracle rejected the first update.
    StoppedAtFirst,
    /// The oracle rejected a later update.
    StoppedLater,
    /// The oracle accepted all updates of the budget.
    BudgetExhausted,
    /// The early-exit rule applied.
    EarlyExit,
    /// A value was not finite, or a component failed.
    Failed,
}

impl Ending {
    /// All endings, in the order in which tables list them.
    pub const ALL: [Self; 6] = [
        Self::ReconstructionRejected,
        Self::StoppedAtFirst,
        Self::StoppedLater,
        Self::BudgetExhausted,
        Self::EarlyExit,
        Self::Failed,
    ];

    /// The ending of one sample.
    pub fn of(record: &SampleRecord) -> Self {
        match record.outcome {
            Outcome::ReconstructionRejected => Self::ReconstructionRejected,
            Outcome::StoppedByOracle if record.ended_at <= 1 => Self::StoppedAtFirst,
            Outcome::StoppedByOracle => Self::StoppedLater,
            Outcome::BudgetReached => Self::BudgetExhausted,
            Outcome::EarlyExit => Self::EarlyExit,
            Outcome::Failed | Outcome::ComponentFailed => Self::Failed,
        }
    }

    /// Its name for people, e.g. `stopped at step 1`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReconstructionRejected => "reconstruction rejected",
            Self::StoppedAtFirst => "stopped at step 1",
            Self::StoppedLater => "stopped later",
            Self::BudgetExhausted => "budget exhausted",
            Self::EarlyExit => "early exit",
            Self::Failed => "failed",
        }
    }

    /// What it means, without a full stop.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::ReconstructionRejected => "by the oracle; the original stands",
            Self::StoppedAtFirst => "the oracle rejected the first update; the reconstruction stands",
            Self::StoppedLater => "the oracle rejected a later update; the image before it stands",
            Self::BudgetExhausted => "the oracle accepted every update",
            Self::EarlyExit => "the early-exit rule applied",
            Self::Failed => "a value was not finite, or a component failed",
        }
    }
}

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
    /// A value was not finite, or a component failed.
    pub failed: usize,
    /// Of `failed`, the samples on which a component failed.
    #[serde(default)]
    pub component_failed: usize,
    /// Samples whose search the oracle ended at update t, by t; entry 0 counts refused reconstructions. Ends with the
    /// last t at which any was refused.
    pub refused_at: Vec<usize>,
}

impl Endings {
    /// Counts the endings of the samples.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a SampleRecord>) -> Self {
        let mut endings = Self::default();
        for record in records {
            let count = match Ending::of(record) {
                Ending::ReconstructionRejected => &mut endings.reconstruction_rejected,
                Ending::StoppedAtFirst => &mut endings.stopped_at_first,
                Ending::StoppedLater => &mut endings.stopped_later,
                Ending::BudgetExhausted => &mut endings.budget_reached,
                Ending::EarlyExit => &mut endings.early_exit,
                Ending::Failed => &mut endings.failed,
            };
            *count += 1;
            endings.component_failed += usize::from(record.component_failed());
            if matches!(record.outcome, Outcome::ReconstructionRejected | Outcome::StoppedByOracle) {
                if endings.refused_at.len() <= record.ended_at {
                    endings.refused_at.resize(record.ended_at + 1, 0);
                }
                endings.refused_at[record.ended_at] += 1;
            }
        }
        endings
    }

    /// Samples that ended in this way.
    pub fn count(&self, ending: Ending) -> usize {
        match ending {
            Ending::ReconstructionRejected => self.reconstruction_rejected,
            Ending::StoppedAtFirst => self.stopped_at_first,
            Ending::StoppedLater => self.stopped_later,
            Ending::BudgetExhausted => self.budget_reached,
            Ending::EarlyExit => self.early_exit,
            Ending::Failed => self.failed,
        }
    }

    /// Number of samples.
    pub fn total(&self) -> usize {
        Ending::ALL.into_iter().map(|ending| self.count(ending)).sum()
    }

    /// Share of all samples that the oracle refused at update `t` (0: the reconstruction); absent without samples.
    pub fn share_refused_at(&self, t: usize) -> Option<f64> {
        let refused = self.refused_at.get(t).copied().unwrap_or(0);
        (self.total() > 0).then(|| refused as f64 / self.total() as f64)
    }
}
