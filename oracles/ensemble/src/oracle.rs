//! The judges together.

use fmr_core::preprocess::Picture;
use fmr_core::verdict::{Verdict, VerdictSettings};
use fmr_core::{ComponentError, Oracle};
use ndarray::{Array2, ArrayView4};

use crate::combine::{Rule, combine};

/// A member and its place.
pub(crate) struct Member {
    pub(crate) label: String,
    pub(crate) weight: f32,
    /// Its own prompts.
    pub(crate) templates: Option<Vec<String>>,
    pub(crate) oracle: Box<dyn Oracle>,
}

/// Oracles that judge together.
pub struct Ensemble {
    name: String,
    rule: Rule,
    members: Vec<Member>,
    /// Which classes have one name; absent until the classes are set.
    verdict: Option<Verdict>,
    classes: usize,
}

impl std::fmt::Debug for Ensemble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ensemble({})", self.name)
    }
}

impl Ensemble {
    pub(crate) fn new(rule: Rule, mut members: Vec<Member>) -> Self {
        number_twins(&mut members);
        let how = match rule {
            Rule::Majority => "majority",
            Rule::Unanimous => "unanimity",
            Rule::Mean => "mean",
        };
        let labels: Vec<&str> = members.iter().map(|member| member.label.as_str()).collect();
        let name = format!("{how} of {}", labels.join(", "));
        Self { name, rule, members, verdict: None, classes: 0 }
    }

    fn error(&self, asked: &str, problem: String) -> ComponentError {
        ComponentError::new(format!("oracle {:?}", self.name), asked, problem)
    }

    /// The ensemble's answers `[n, k]` from the members'.
    fn together(&self, n: usize, answers: &[Array2<f32>]) -> Result<Array2<f32>, ComponentError> {
        let Some(verdict) = &self.verdict else {
            return Err(self.error("judge", "it has not been told the classes".to_owned()));
        };
        for (member, answer) in self.members.iter().zip(answers) {
            if answer.dim() != (n, self.classes) {
                let problem =
                    format!("{} gave {:?} values instead of {:?}", member.label, answer.dim(), (n, self.classes));
                return Err(self.error("judge", problem));
            }
        }
        let mut all = Array2::zeros((n, self.classes));
        for (i, mut row) in all.outer_iter_mut().enumerate() {
            let members: Vec<_> =
                self.members.iter().zip(answers).map(|(m, answer)| (m.weight, answer.row(i))).collect();
            row.assign(&combine(self.rule, &members, verdict));
        }
        Ok(all)
    }
}

/// Tells members of one label apart.
fn number_twins(members: &mut [Member]) {
    let labels: Vec<String> = members.iter().map(|member| member.label.clone()).collect();
    for (i, member) in members.iter_mut().enumerate() {
        if labels.iter().filter(|label| **label == labels[i]).count() > 1 {
            let before = labels[..i].iter().filter(|label| **label == labels[i]).count();
            member.label = format!("{} ({})", labels[i], before + 1);
        }
    }
}

impl Oracle for Ensemble {
    fn name(&self) -> &str {
        &self.name
    }

    fn set_classes(&mut self, names: &[String], templates: &[String]) -> Result<(), ComponentError> {
        for member in &mut self.members {
            let own = member.templates.as_deref().unwrap_or(templates);
            member.oracle.set_classes(names, own)?;
        }
        self.verdict = Some(Verdict::new(VerdictSettings::default(), names));
        self.classes = names.len();
        Ok(())
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let answers: Result<Vec<_>, _> = self.members.iter().map(|member| member.oracle.judge(images)).collect();
        self.together(images.dim().0, &answers?)
    }

    /// Pictures are for members that all prepare pictures themselves; else all of them see the images.
    fn judge_pictures(&self, pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        for member in &self.members {
            if member.oracle.judge_pictures(&[])?.is_none() {
                return Ok(None);
            }
        }
        if pictures.is_empty() {
            return Ok(Some(Array2::zeros((0, self.classes))));
        }
        let mut answers = Vec::with_capacity(self.members.len());
        for member in &self.members {
            let Some(answer) = member.oracle.judge_pictures(pictures)? else {
                return Err(self.error("judge", format!("{} takes pictures at times only", member.label)));
            };
            answers.push(answer);
        }
        self.together(pictures.len(), &answers).map(Some)
    }

    fn members(&self) -> Vec<(&str, &dyn Oracle)> {
        self.members.iter().map(|member| (member.label.as_str(), &*member.oracle)).collect()
    }

    fn preprocessing(&self) -> Option<String> {
        let of = |member: &Member| Some(format!("{}: {}", member.label, member.oracle.preprocessing()?));
        let all: Vec<String> = self.members.iter().filter_map(of).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use fmr_core::registry::{MakeContext, Registry, Settings};
    use ndarray::{Array4, array};
    use serde_json::json;

    use super::*;
    use crate::register;

    /// Sees class `sees` in everything; knows the prompts that it was told.
    struct Fixed {
        sees: usize,
        classes: usize,
        name: String,
    }

    impl Oracle for Fixed {
        fn name(&self) -> &str {
            &self.name
        }

        fn set_classes(&mut self, names: &[String], templates: &[String]) -> Result<(), ComponentError> {
            self.classes = names.len();
            self.name = templates.join("|");
            Ok(())
        }

        fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
            let mut scores = Array2::zeros((images.dim().0, self.classes));
            scores.column_mut(self.sees).fill(1.0);
            Ok(scores)
        }
    }

    fn registry() -> Registry {
        let mut registry = Registry::default();
        registry.add_oracle("fixed", |settings, _| {
            let sees = settings.0.get("sees").and_then(serde_json::Value::as_u64).unwrap_or(0) as usize;
            Ok(Box::new(Fixed { sees, classes: 0, name: "fixed".to_owned() }))
        });
        register(&mut registry);
        registry
    }

    fn make(settings: serde_json::Value) -> Result<Box<dyn Oracle>, String> {
        let serde_json::Value::Object(settings) = settings else { unreachable!() };
        let registry = registry();
        let context = MakeContext::new(&registry, [1, 2, 2]);
        registry.make::<dyn Oracle>("ensemble", &Settings(settings), &context).map_err(|e| e.to_string())
    }

    #[test]
    fn members_are_made_by_the_registry_and_judge_together() {
        let members = json!([{ "kind": "fixed", "sees": 1 }, { "kind": "fixed", "sees": 1, "templates": ["own"] }, { "kind": "fixed" }]);
        let mut oracle = make(json!({ "members": members })).unwrap();
        assert_eq!(oracle.name(), "majority of fixed (1), fixed (2), fixed (3)");
        oracle.set_classes(&["a".into(), "b".into()], &["all".into()]).unwrap();
        let images = Array4::zeros((1, 1, 2, 2));
        let answer = oracle.judge(images.view()).unwrap();
        assert!((answer[[0, 1]] - 2.0 / 3.0).abs() < 1e-3);
        let members = oracle.members();
        assert_eq!(
            members.iter().map(|(label, _)| *label).collect::<Vec<_>>(),
            ["fixed (1)", "fixed (2)", "fixed (3)"]
        );
        assert_eq!(members.iter().map(|(_, member)| member.name()).collect::<Vec<_>>(), ["all", "own", "all"]);
        assert_eq!(members[2].1.judge(images.view()).unwrap(), array![[1.0, 0.0]]);
    }

    #[test]
    fn an_ensemble_may_be_a_member() {
        let pair = json!([{ "kind": "fixed", "sees": 1 }, { "kind": "fixed", "sees": 1 }]);
        let outer =
            json!([{ "kind": "ensemble", "rule": "unanimous", "members": pair }, { "kind": "fixed", "sees": 1 }]);
        let mut oracle = make(json!({ "rule": "unanimous", "members": outer })).unwrap();
        oracle.set_classes(&["a".into(), "b".into()], &[]).unwrap();
        assert_eq!(oracle.judge(Array4::zeros((1, 1, 2, 2)).view()).unwrap(), array![[0.0, 1.0]]);
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        let refuse = |settings| make(settings).err().unwrap();
        assert!(refuse(json!({ "members": [{ "kind": "fixed" }] })).contains("must name at least 2"));
        let unknown = refuse(json!({ "members": [{ "kind": "fixed" }, { "kind": "fixd" }] }));
        assert!(unknown.contains("no oracle of kind \"fixd\""), "{unknown}");
        let weight = json!([{ "kind": "fixed" }, { "kind": "fixed", "weight": 2.0 }]);
        let idle = refuse(json!({ "rule": "unanimous", "members": weight }));
        assert!(idle.contains("members[1].weight") && idle.contains("no meaning"), "{idle}");
        let negative = json!([{ "kind": "fixed", "weight": -1.0 }, { "kind": "fixed" }]);
        assert!(refuse(json!({ "members": negative })).contains("members[0].weight"));
    }
}
