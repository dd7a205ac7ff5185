//! Known names that a given one is likely a misspelling of.

/// Most names that are suggested.
const MOST: usize = 3;

/// The known names that `given` may be a misspelling of, nearest first, at most three. Case and the difference between
/// hyphens and underscores do not count.
///
/// ```
/// use fmr_core::near;
///
/// assert_eq!(near("resnet5o", ["resnet18", "resnet50", "lenet"]), ["resnet50", "resnet18"]);
/// assert!(near("vit", ["resnet18", "lenet"]).is_empty());
/// ```
pub fn near<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let folded = |s: &str| s.to_lowercase().replace('_', "-");
    let given = folded(given);
    let distance = |name: &&'a str| strsim::osa_distance(&given, &folded(name));
    let mut found: Vec<(usize, &str)> = known.into_iter().map(|name| (distance(&name), name)).collect();
    found.retain(|(distance, name)| *distance <= (given.chars().count().max(name.chars().count()) / 3).max(1));
    found.sort_by_key(|(distance, _)| *distance);
    found.into_iter().take(MOST).map(|(_, name)| name).collect()
}

/// What to say of a name that is not known: near ones, or all of them where there are few.
pub(crate) fn advice(given: &str, known: &[String]) -> Option<String> {
    const FEW: usize = 12;
    let quoted = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
    let near = near(given, known.iter().map(String::as_str));
    match quoted(&near).as_slice() {
        [] if known.is_empty() || known.len() > FEW => None,
        [] => Some(format!("known: {}", quoted(&known.iter().map(String::as_str).collect::<Vec<_>>()).join(", "))),
        [one] => Some(format!("did you mean {one}?")),
        [most @ .., last] => Some(format!("did you mean {} or {last}?", most.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = ["step-size", "budget", "rule"];
        assert_eq!(near("step_size", known), ["step-size"]);
        assert!(near("sise", known).is_empty());
        assert_eq!(near("bugdet", known), ["budget"]);
    }

    #[test]
    fn advice_names_near_names_or_a_few() {
        let known = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let advise = |given: &str, names: &[&str]| advice(given, &known(names)).unwrap_or_default();
        assert_eq!(advise("bugdet", &["budget", "rule"]), "did you mean `budget`?");
        assert_eq!(advise("resnet51", &["resnet50", "resnet52"]), "did you mean `resnet50` or `resnet52`?");
        assert_eq!(advise("weights", &["a", "b"]), "known: `a`, `b`");
        assert_eq!(advise("weights", &[]), "");
    }
}
