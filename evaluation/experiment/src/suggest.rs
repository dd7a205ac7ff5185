//! "Did you mean …?"

/// The known name that `given` is most likely a misspelling of, if any is near.
pub fn closest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = |s: &str| s.to_lowercase().replace('_', "-");
    let given = folded(given);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&given, &folded(name)), name))
        .filter(|(distance, name)| *distance <= (given.len().max(name.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A sentence that names the likeliest of the known names, or all of them.
pub(super) fn help(given: &str, what: &str, known: &[&str]) -> Option<String> {
    if let Some(name) = closest(given, known.iter().copied()) {
        return Some(format!("did you mean `{name}`?"));
    }
    if known.is_empty() {
        return Some(format!("there is no {what} here"));
    }
    let list = known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
    Some(format!("the {what}s are {list}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = ["step-size", "budget", "rule"];
        assert_eq!(closest("step_size", known), Some("step-size"));
        assert_eq!(closest("sise", known), None);
        assert_eq!(closest("bugdet", known), Some("budget"));
        assert_eq!(help("weights", "key", &known).as_deref(), Some("the keys are `step-size`, `budget`, `rule`"));
    }
}
