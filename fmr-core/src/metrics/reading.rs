//! From what happened to a sample to what the metrics count.

use super::Indicators;
use super::settings::{MetricsSettings, Produced, SaOn};
use crate::{Outcome, SampleRecord};

/// The settings, applied to the samples of one run.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    settings: &'a MetricsSettings,
    /// Updates that the budget allowed, as far as any sample shows it.
    allowed: Option<usize>,
}

impl<'a> Reading<'a> {
    /// Reads the samples of one run (one budget).
    pub fn new(settings: &'a MetricsSettings, records: &[SampleRecord]) -> Self {
        let reached = records.iter().filter(|r| r.outcome == Outcome::BudgetReached);
        Self { settings, allowed: reached.map(|r| r.ended_at).max() }
    }

    /// Whether the sample counts as successfully produced.
    pub fn produced(&self, record: &SampleRecord) -> bool {
        if record.outcome.is_failure() {
            return false;
        }
        let accepted = record.reconstruction_accepted;
        match self.settings.produced {
            Produced::All => true,
            Produced::Reconstruction => accepted,
            Produced::FirstStep => {
                let exit_at_start = record.outcome == Outcome::EarlyExit && record.ended_at == 0;
                accepted && (record.accepted_updates > 0 || exit_at_start)
            }
            Produced::FullBudget => match record.outcome {
                Outcome::BudgetReached => accepted && record.accepted_updates == record.ended_at,
                // An exit after the very last update has had them all accepted.
                Outcome::EarlyExit => accepted && self.allowed == Some(record.accepted_updates),
                _ => false,
            },
        }
    }

    /// What the metrics count of the sample.
    pub fn indicators(&self, record: &SampleRecord) -> Indicators {
        let clean = match self.settings.sa_on {
            SaOn::Original => record.clean_prediction,
            SaOn::Reconstruction => record.reconstruction_prediction,
        };
        Indicators {
            clean_correct: clean == Some(record.label),
            produced: self.produced(record),
            final_correct: record.final_prediction == Some(record.label),
        }
    }
}
