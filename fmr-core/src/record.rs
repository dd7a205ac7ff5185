use serde::{Deserialize, Serialize};

/// JSON has no words for what is not a finite number: it is written as null, and read back as not a number.
mod or_null {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, s: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() { s.serialize_some(value) } else { s.serialize_none() }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(d)?.unwrap_or(f64::NAN))
    }
}

/// How the search for one sample ended (`protocol`, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The oracle refused the bare reconstruction; the original stands as the final image.
    ReconstructionRejected,
    /// The oracle refused the image of update `ended_at`; the image before it stands.
    StoppedByOracle,
    /// All updates were accepted.
    BudgetReached,
    /// The early-exit rule applied after update `ended_at`.
    EarlyExit,
    /// A score, gradient, latent, image or answer was not finite at update `ended_at`.
    Failed,
    /// A component could not do what it was asked to at update `ended_at`; 0 where that was before the search.
    ComponentFailed,
}

impl Outcome {
    /// Whether the search ended without a result, for whatever reason. Such a sample never counts as produced.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::ComponentFailed)
    }
}

/// One attempted update of one sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Number of the update, from 1.
    pub t: usize,
    /// Scorer's value before the update (on image t − 1).
    #[serde(with = "or_null")]
    pub score: f64,
    /// Euclidean norm of the unmasked gradient of the score in the latent before the update.
    #[serde(with = "or_null")]
    pub gradient_norm: f64,
    /// Oracle's probability of the true class on image t; absent where the update failed.
    pub oracle_true: Option<f32>,
    /// Oracle's class on image t; absent where the update failed, and where the oracle abstained.
    pub oracle_class: Option<usize>,
    /// Target's class on image t; absent where the update failed.
    pub prediction: Option<usize>,
    /// Whether the oracle's verdict let the update stand.
    pub accepted: bool,
}

/// Everything the metrics and reports need of one evaluated sample. Images and latents are kept elsewhere.
///
/// A class is absent where nobody was asked for it, because a component failed first. So is the oracle's where it
/// abstained: it saw none of the classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleRecord {
    /// Position of the sample in the evaluated subset, from 0.
    pub index: usize,
    /// Stable name of the sample in its data set, e.g. `test/00017`.
    pub key: String,
    /// True class.
    pub label: usize,
    /// Target's class on the original.
    pub clean_prediction: Option<usize>,
    /// Oracle's class on the original.
    pub clean_oracle: Option<usize>,
    /// Target's class on the reconstruction x̂0.
    pub reconstruction_prediction: Option<usize>,
    /// Oracle's class on the reconstruction x̂0.
    pub reconstruction_oracle: Option<usize>,
    /// Whether the oracle's verdict accepted the reconstruction.
    pub reconstruction_accepted: bool,
    /// Score of the reconstruction.
    #[serde(with = "or_null")]
    pub score0: f64,
    /// Score of the final image.
    #[serde(with = "or_null")]
    pub final_score: f64,
    /// Target's class on the final image.
    pub final_prediction: Option<usize>,
    /// Oracle's class on the final image.
    pub final_oracle: Option<usize>,
    /// How the search ended.
    pub outcome: Outcome,
    /// The refused, failed or exiting update, or the number of updates allowed; 0 for a refused reconstruction.
    pub ended_at: usize,
    /// Updates that the oracle accepted.
    pub accepted_updates: usize,
    /// Number of the accepted update whose image is final (0: the reconstruction); absent where the original stands.
    pub final_from: Option<usize>,
    /// Whether the oracle accepted the image of the finished latent ([`crate::Generator::finish`]), which is final
    /// then; where it did not, the image that the search ended with stands. Absent where nothing was to be finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<bool>,
    /// Largest absolute change of any latent value between z0 and the latent that the search ended with; 0 where none
    /// moved.
    pub latent_moved: f64,
    /// The same in standard deviations of each block ([`crate::perturb::Spread`]); absent where these are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_spreads: Option<f64>,
    /// What failed, for an outcome that [is a failure](Outcome::is_failure).
    pub error: Option<String>,
    /// The trace, one entry an attempted update.
    pub steps: Vec<StepRecord>,
}

impl SampleRecord {
    /// Whether a component failed on the sample. That says nothing about the sample: a resumed run tries it again.
    pub fn component_failed(&self) -> bool {
        self.outcome == Outcome::ComponentFailed
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn outcomes_keep_their_names() {
        let names = |outcomes: &[Outcome]| serde_json::to_string(outcomes).unwrap();
        assert_eq!(names(&[Outcome::Failed, Outcome::ComponentFailed]), r#"["failed","component-failed"]"#);
        assert!(Outcome::Failed.is_failure() && Outcome::ComponentFailed.is_failure());
        assert!(!Outcome::ReconstructionRejected.is_failure() && !Outcome::EarlyExit.is_failure());
    }

    #[test]
    fn numbers_that_are_not_finite_survive_json() {
        let step = StepRecord {
            t: 1,
            score: f64::INFINITY,
            gradient_norm: f64::NAN,
            oracle_true: Some(0.5),
            oracle_class: Some(1),
            prediction: None,
            accepted: false,
        };
        let text = serde_json::to_string(&step).unwrap();
        let again: StepRecord = serde_json::from_str(&text).unwrap();
        assert!(again.score.is_nan() && again.gradient_norm.is_nan());
        let finite = StepRecord { score: 0.1, gradient_norm: 2.0, ..step };
        assert_eq!(serde_json::from_str::<StepRecord>(&serde_json::to_string(&finite).unwrap()).unwrap(), finite);
    }
}
