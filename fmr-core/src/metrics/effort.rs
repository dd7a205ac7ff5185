//! What a search cost: updates that were tried, and those that came to nothing.

use serde::{Deserialize, Serialize};

use crate::SampleRecord;

/// Updates over all images of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Effort {
    /// Updates that were tried.
    pub updates: usize,
    /// Those that the oracle refused.
    pub refused: usize,
    /// Accepted ones after which the score was what it was before to the last digit: no code of a quantising generator
    /// changed, and so the image did not.
    pub unchanged: usize,
}

impl Effort {
    /// The updates of these samples.
    pub fn of(records: &[SampleRecord]) -> Self {
        let mut effort = Self::default();
        for record in records {
            effort.updates += record.steps.len();
            effort.refused += record.steps.iter().filter(|s| !s.accepted && s.oracle_true.is_some()).count();
            let scores = record.steps.iter().map(|s| s.score).skip(1);
            // The score after the last update is that of the final image where that is its image.
            let last = record.steps.last().filter(|s| record.final_from == Some(s.t)).map(|_| record.final_score);
            let after = scores.chain(last);
            let pairs = record.steps.iter().zip(after);
            effort.unchanged += pairs.filter(|(step, after)| step.accepted && step.score == *after).count();
        }
        effort
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Outcome, StepRecord};

    #[test]
    fn counts_updates_by_what_came_of_them() {
        let step = |t: usize, score: f64, accepted: bool| StepRecord {
            t,
            score,
            gradient_norm: 1.0,
            oracle_true: Some(0.5),
            oracle_class: Some(0),
            prediction: Some(0),
            accepted,
        };
        let record = |steps: Vec<StepRecord>, final_from: usize, final_score: f64| SampleRecord {
            index: 0,
            key: "a".into(),
            label: 0,
            clean_prediction: Some(0),
            clean_oracle: Some(0),
            reconstruction_prediction: Some(0),
            reconstruction_oracle: Some(0),
            reconstruction_accepted: true,
            score0: 1.0,
            final_score,
            final_prediction: Some(0),
            final_oracle: Some(0),
            outcome: Outcome::BudgetReached,
            ended_at: steps.len(),
            accepted_updates: steps.len(),
            final_from: Some(final_from),
            finished: None,
            latent_moved: 0.1,
            moved_spreads: None,
            error: None,
            steps,
        };
        let to_the_end = record(vec![step(1, 1.0, true), step(2, 1.0, true), step(3, 2.0, true)], 3, 2.0);
        let refused = record(vec![step(1, 1.0, true), step(2, 3.0, false)], 1, 3.0);
        let effort = Effort::of(&[to_the_end, refused]);
        // The first update of the first image and its last one changed nothing.
        assert_eq!(effort, Effort { updates: 5, refused: 1, unchanged: 2 });
    }
}
