//! Under what a row was measured: what two rows must share so that only their targets differ.

use std::collections::{BTreeMap, BTreeSet};

use fmr_store::{ComponentNames, RowPlan};

use crate::RowResults;

/// Fields of a fingerprint that may differ between rows that are compared: the target, and what changes no more than the
/// last digits.
const FREE: [&str; 3] = ["target", "run.device", "run.minimal-filtering"];
/// The field that holds the step size.
pub(crate) const STEP_SIZE: &str = "search.step-size";

/// Everything that the results of a row depend on but its target: names and values.
pub(crate) fn setting(plan: &RowPlan) -> BTreeMap<&str, &str> {
    let own = |field: &str| FREE.iter().any(|head| under(field, head));
    let fields = plan.fingerprint.iter().filter(|(field, _)| !own(field));
    fields.map(|(field, value)| (field.as_str(), value.as_str())).collect()
}

/// What the results of a row depend on for its target.
pub(crate) fn target(plan: &RowPlan) -> BTreeMap<&str, &str> {
    let fields = plan.fingerprint.iter().filter(|(field, _)| under(field, "target"));
    fields.map(|(field, value)| (field.as_str(), value.as_str())).collect()
}

/// Whether a field is `head` or below it.
pub(crate) fn under(field: &str, head: &str) -> bool {
    field.strip_prefix(head).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether rows of these plans can be compared.
pub(crate) fn comparable(a: &RowPlan, b: &RowPlan) -> bool {
    a.classes == b.classes && setting(a) == setting(b)
}

/// In what two rows differ beside their targets, in words, each thing once.
pub(crate) fn differences(a: &RowPlan, b: &RowPlan) -> Vec<String> {
    let (ours, theirs) = (setting(a), setting(b));
    let mut words: Vec<String> = Vec::new();
    let mut say = |word: String| {
        if !words.contains(&word) {
            words.push(word);
        }
    };
    for field in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let (one, two) = (ours.get(field).copied(), theirs.get(field).copied());
        if one == two {
            continue;
        }
        let head = field.split(['.', '[']).next().unwrap_or_default();
        match head {
            "data" => say("the data".to_owned()),
            "generator" => say("the generator".to_owned()),
            "oracle" | "templates" => say("the oracle".to_owned()),
            "mask" => say("the mask".to_owned()),
            "engine" => say("the revision of the engine".to_owned()),
            _ => say(format!("{field} ({} and {})", one.unwrap_or("absent"), two.unwrap_or("absent"))),
        }
    }
    if a.classes != b.classes {
        say("the classes".to_owned());
    }
    words
}

/// A short name for the setting of each row: its data set, and what tells it from the others' settings on that data.
pub(crate) fn names(rows: &[(&str, &RowResults)]) -> Vec<String> {
    let mut names = Vec::with_capacity(rows.len());
    for (data, row) in rows {
        let rivals: Vec<&RowResults> = rows.iter().filter(|(other, _)| other == data).map(|(_, row)| *row).collect();
        let own = setting(&row.plan);
        let differs = |field: &str| rivals.iter().any(|rival| setting(&rival.plan).get(field) != own.get(field));
        let mut parts = vec![(*data).to_owned()];
        let component = |of: &dyn Fn(&ComponentNames) -> String| row.facts.components.as_ref().map(of);
        let fields: BTreeSet<&str> = own.keys().copied().collect();
        let any = |heads: &[&str]| fields.iter().any(|f| heads.iter().any(|head| under(f, head)) && differs(f));
        if any(&["generator"]) {
            parts.extend(component(&|names| names.generator.clone()));
        }
        if any(&["oracle", "templates"]) {
            parts.extend(component(&|names| names.oracle.clone()));
        }
        if rivals.iter().any(|rival| rival.facts.mask.is_some() != row.facts.mask.is_some()) || any(&["mask"]) {
            let mask = row.facts.mask.as_ref().map_or_else(|| "no mask".to_owned(), |mask| mask.label.clone());
            parts.push(mask);
        }
        for field in fields.into_iter().filter(|field| differs(field)) {
            for head in ["search.", "verdict.", "scorer."] {
                if let Some(name) = field.strip_prefix(head) {
                    parts.push(format!("{} {}", name.replace('-', " "), own[field]));
                }
            }
        }
        names.push(parts.join(", "));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(fields: &[(&str, &str)]) -> RowPlan {
        let base = [("data", "d"), ("generator.weights", "g"), ("oracle.kind", "clip"), ("search.step-size", "0.001")];
        RowPlan {
            id: "row".to_owned(),
            title: "row".to_owned(),
            samples: 1,
            classes: vec!["cat".to_owned()],
            fingerprint: base.iter().chain(fields).map(|(f, v)| ((*f).to_owned(), (*v).to_owned())).collect(),
        }
    }

    #[test]
    fn targets_and_devices_may_differ_and_nothing_else() {
        let one = plan(&[("target.weights", "a"), ("run.device", "cpu")]);
        assert!(comparable(&one, &plan(&[("target.weights", "b"), ("run.device", "wgpu")])));
        assert!(!comparable(&one, &plan(&[("generator.weights", "h")])));
        let other = plan(&[("generator.weights", "h"), ("generator.config", "c"), ("search.step-size", "0.01")]);
        assert_eq!(differences(&one, &other), ["the generator", "search.step-size (0.001 and 0.01)"]);
        assert_eq!(differences(&one, &plan(&[("targets", "not one")])), ["targets (absent and not one)"]);
    }
}
