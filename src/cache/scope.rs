//! What the answers of a cache depend on.

use std::collections::BTreeMap;

use fmr_store::RowPlan;
use sha2::{Digest as _, Sha256};

/// Fields of a row's fingerprint that answers without a target depend on, by their first word or whole name.
const FIELDS: [&str; 7] =
    ["engine", "generator", "oracle", "templates", "run.device", "run.minimal-filtering", "run.seed"];
/// How decoded images become the images that everybody sees.
const SEARCH: [&str; 2] = ["search.clamp", "search.image-domain"];

/// A name for everything that latents, reconstructions and the oracle's answers depend on, but for the image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope(String);

impl Scope {
    /// The scope of a row with that fingerprint and those classes.
    pub(crate) fn of(fingerprint: &BTreeMap<String, String>, classes: &[String]) -> Self {
        let below = |field: &str, name: &str| {
            field.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let matters = |field: &str| FIELDS.iter().any(|name| below(field, name)) || SEARCH.contains(&field);
        // Built-in components are part of the program: a folder may outlive a version of it.
        let mut hash = Sha256::new().chain_update(env!("CARGO_PKG_VERSION"));
        let mut add = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        for (field, value) in fingerprint.iter().filter(|(field, _)| matters(field.as_str())) {
            add(field);
            add(value);
        }
        classes.iter().for_each(|class| add(class));
        let digest = hash.finalize();
        Self(digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The name of its folder.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

/// A name for everything that a row depends on.
pub(crate) fn digest_of_row(plan: &RowPlan) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    add(env!("CARGO_PKG_VERSION"));
    plan.fingerprint.iter().for_each(|(field, value)| {
        add(field);
        add(value);
    });
    plan.classes.iter().for_each(|class| add(class));
    hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_share_a_scope_and_other_oracles_do_not() {
        let scope = |changes: &[(&str, &str)]| {
            let all = [
                ("generator.weights", "g"),
                ("oracle.kind", "clip"),
                ("target.weights", "t"),
                ("templates[0]", "an image of {class}"),
                ("search.clamp", "hard"),
                ("search.budget", "50"),
            ];
            let fields = all.iter().chain(changes).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            Scope::of(&fields, &["cat".to_owned(), "dog".to_owned()])
        };
        let same = scope(&[]);
        assert_eq!(scope(&[("target.weights", "u")]), same);
        assert_eq!(scope(&[("search.budget", "5")]), same);
        for other in [
            ("generator.weights", "h"),
            ("oracle.kind", "human"),
            ("templates[0]", "{class}"),
            ("search.clamp", "none"),
            ("generator.file:config.json", "x"),
        ] {
            assert_ne!(scope(&[other]), same, "{other:?}");
        }
    }
}
