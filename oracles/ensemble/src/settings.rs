//! The tables of an ensemble and of its members.

use fmr_core::registry::{MakeContext, MakeError, NamedFile, Recipe, Registry, Settings};
use fmr_core::{Oracle, SettingError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::combine::Rule;
use crate::oracle::{Ensemble, Member};

/// An oracle of kind `ensemble`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EnsembleSettings {
    /// How the members judge together.
    #[serde(default)]
    pub rule: Rule,
    /// The members, at least two.
    pub members: Vec<MemberSettings>,
}

/// A member: an oracle as it is described elsewhere, with a place in the ensemble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MemberSettings {
    /// Which oracle.
    pub kind: String,
    /// What tables say; the oracle's own name where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How much it counts, above 0.
    #[serde(default = "one")]
    pub weight: f32,
    /// Its prompts; the ensemble's where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub templates: Option<Vec<String>>,
    /// The settings of its kind.
    #[serde(flatten)]
    pub settings: Map<String, Value>,
}

fn one() -> f32 {
    1.0
}

/// Registers the oracle of kind `ensemble`.
pub fn register(registry: &mut Registry) {
    registry.add::<dyn Oracle, EnsembleSettings>(crate::KIND);
}

/// Place of a member's table.
fn place(i: usize) -> String {
    format!("members[{i}]")
}

impl EnsembleSettings {
    fn check_weights(&self) -> Result<(), SettingError> {
        if self.members.len() < 2 {
            return Err(SettingError::new(
                "members",
                format!("names {} oracles, must name at least 2", self.members.len()),
            ));
        }
        for (i, member) in self.members.iter().enumerate() {
            let key = format!("{}.weight", place(i));
            SettingError::require(member.weight > 0.0 && member.weight.is_finite(), &key, member.weight, "above 0")?;
            if self.rule == Rule::Unanimous && member.weight != 1.0 {
                return Err(SettingError::new(key, "has no meaning where all members must agree"));
            }
        }
        Ok(())
    }
}

impl Recipe<dyn Oracle> for EnsembleSettings {
    fn check(&self, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        self.check_weights()?;
        let mut files = Vec::new();
        for (i, member) in self.members.iter().enumerate() {
            let settings = Settings(member.settings.clone());
            let named = context.registry.check::<dyn Oracle>(&member.kind, &settings, context);
            files.extend(named.map_err(|e| e.within(&place(i)))?.into_iter().map(|file| file.within(&place(i))));
        }
        Ok(files)
    }

    fn make(self, context: &MakeContext<'_>) -> Result<Box<dyn Oracle>, MakeError> {
        self.check_weights()?;
        let mut members = Vec::with_capacity(self.members.len());
        for (i, MemberSettings { kind, label, weight, templates, settings }) in self.members.into_iter().enumerate() {
            let oracle = context.registry.make::<dyn Oracle>(&kind, &Settings(settings), context);
            let oracle = oracle.map_err(|e| e.within(&place(i)))?;
            let label = label.unwrap_or_else(|| oracle.name().to_owned());
            members.push(Member { label, weight, templates, oracle });
        }
        Ok(Box::new(Ensemble::new(self.rule, members)))
    }
}
