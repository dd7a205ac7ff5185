//! The `scorer` table of an experiment file (`protocol`, open choice 4).

use serde::{Deserialize, Serialize};

use super::{CrossEntropy, Divergence, Margin, Scorer, Targeted};

/// What is maximised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScorerKind {
    /// Cross-entropy of the true class.
    #[default]
    CrossEntropy,
    /// Largest other logit minus the true one.
    Margin,
    /// Log-probability of a chosen wrong class.
    Targeted,
    /// Kullback–Leibler divergence of the prediction from the one on the original.
    Kl,
}

impl ScorerKind {
    /// Whether a built-in scorer has that name.
    pub fn knows(name: &str) -> bool {
        serde_json::from_value::<Self>(name.into()).is_ok()
    }
}

/// Which class a targeted search aims at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TargetClass {
    /// This class; samples of the class itself aim at the one after it.
    Index(usize),
    /// The likeliest wrong class on the original.
    #[default]
    SecondBest,
    /// Any wrong class, fixed for a sample by its logits on the original.
    Random,
}

/// Settings of the scorer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct ScorerSettings {
    /// What is maximised.
    pub kind: ScorerKind,
    /// For `targeted`: `"second-best"`, `"random"` or a class index.
    #[serde(with = "target_class")]
    pub target: TargetClass,
}

mod target_class {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::TargetClass;

    pub(super) fn serialize<S: Serializer>(value: &TargetClass, s: S) -> Result<S::Ok, S::Error> {
        match value {
            TargetClass::Index(i) => s.serialize_u64(*i as u64),
            TargetClass::SecondBest => s.serialize_str("second-best"),
            TargetClass::Random => s.serialize_str("random"),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<TargetClass, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Index(usize),
            Name(String),
        }
        match Raw::deserialize(d)? {
            Raw::Index(i) => Ok(TargetClass::Index(i)),
            Raw::Name(name) if name == "second-best" => Ok(TargetClass::SecondBest),
            Raw::Name(name) if name == "random" => Ok(TargetClass::Random),
            Raw::Name(name) => Err(de::Error::custom(format!(
                "unknown target {name:?}; it is \"second-best\", \"random\" or a class index"
            ))),
        }
    }
}

impl ScorerSettings {
    /// The scorer.
    pub fn build(&self) -> Box<dyn Scorer> {
        match self.kind {
            ScorerKind::CrossEntropy => Box::new(CrossEntropy),
            ScorerKind::Margin => Box::new(Margin),
            ScorerKind::Targeted => Box::new(Targeted { class: self.target }),
            ScorerKind::Kl => Box::new(Divergence),
        }
    }
}
