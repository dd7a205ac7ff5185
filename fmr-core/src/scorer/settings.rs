//! The `scorer` table of an experiment file (`protocol`, open choice 4).

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::{CrossEntropy, Divergence, Margin, Scorer, Targeted};
use crate::SettingError;
use crate::registry::{MakeContext, MakeError, NamedFile, Recipe, Registry};

/// Registers `cross-entropy`, `margin`, `targeted` and `kl`.
pub fn register(registry: &mut Registry) {
    registry.add::<dyn Scorer, Plain<CrossEntropy>>("cross-entropy");
    registry.add::<dyn Scorer, Plain<Margin>>("margin");
    registry.add::<dyn Scorer, TargetedSettings>("targeted");
    registry.add::<dyn Scorer, Plain<Divergence>>("kl");
}

/// Settings of a scorer that has none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
struct Plain<S> {
    #[serde(skip)]
    scorer: PhantomData<fn() -> S>,
}

impl<S: Scorer + Default + 'static> Recipe<dyn Scorer> for Plain<S> {
    fn check(&self, _: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        let Self { scorer: _ } = self;
        Ok(Vec::new())
    }

    fn make(self, _: &MakeContext<'_>) -> Result<Box<dyn Scorer>, MakeError> {
        Ok(Box::new(S::default()))
    }
}

/// Settings of `targeted`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TargetedSettings {
    target: Aim,
}

/// What a targeted search aims at, as an experiment file says it: `"second-best"`, `"random"`, a class index or a class name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "it is \"second-best\", \"random\", a class index or a class name")]
pub enum Aim {
    /// A class by its position.
    Index(usize),
    /// A class by its name, or one of the two words.
    Name(String),
}

impl Default for Aim {
    fn default() -> Self {
        Self::Name("second-best".to_owned())
    }
}

impl Aim {
    /// The class among those of the data. While there are none, nothing is known to be wrong: any name will do.
    ///
    /// # Errors
    /// A position or a name that no class has.
    pub fn among(&self, classes: &[String]) -> Result<TargetClass, SettingError> {
        match self {
            Self::Index(i) if classes.is_empty() || *i < classes.len() => Ok(TargetClass::Index(*i)),
            Self::Index(i) => {
                let problem = format!("is {i}, must be below the number of classes, {}", classes.len());
                Err(SettingError::new("target", problem))
            }
            Self::Name(name) => match (name.as_str(), classes.iter().position(|class| class == name)) {
                ("second-best", None) => Ok(TargetClass::SecondBest),
                ("random", None) => Ok(TargetClass::Random),
                (_, Some(i)) => Ok(TargetClass::Index(i)),
                (_, None) if classes.is_empty() => Ok(TargetClass::default()),
                (_, None) => {
                    Err(SettingError::unknown_name("target", "class", name, classes.iter().map(String::as_str)))
                }
            },
        }
    }
}

impl Recipe<dyn Scorer> for TargetedSettings {
    fn check(&self, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        self.target.among(&context.classes)?;
        Ok(Vec::new())
    }

    fn make(self, context: &MakeContext<'_>) -> Result<Box<dyn Scorer>, MakeError> {
        Ok(Box::new(Targeted { class: self.target.among(&context.classes)? }))
    }
}

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
        #[serde(untagged, expecting = "it is \"second-best\", \"random\" or a class index")]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_found_by_name_or_position() {
        let classes = ["cat", "dog"].map(str::to_owned);
        let among = |text: &str| {
            let aim: Aim = serde_json::from_str(text).unwrap_or_default();
            aim.among(&classes).map_err(|error| error.to_string())
        };
        assert_eq!(among("\"dog\""), Ok(TargetClass::Index(1)));
        assert_eq!(among("0"), Ok(TargetClass::Index(0)));
        assert_eq!(among("\"second-best\""), Ok(TargetClass::SecondBest));
        assert_eq!(among("\"random\""), Ok(TargetClass::Random));
        assert_eq!(Aim::Name("dgo".to_owned()).among(&[]), Ok(TargetClass::SecondBest));
        for (wrong, said) in [("\"dgo\"", "there is no class \"dgo\""), ("2", "must be below the number of classes, 2")]
        {
            let error = among(wrong).err().unwrap_or_default();
            assert!(error.contains(said), "{error}");
        }
    }
}
