//! "Did you mean …?"

use fmr_core::near;

/// A sentence that names the likeliest of the known names, or all of them.
pub(super) fn help(given: &str, what: &str, known: &[&str]) -> Option<String> {
    if let Some(name) = near(given, known.iter().copied()).first() {
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
    fn a_near_name_or_all() {
        let known = ["step-size", "budget", "rule"];
        assert_eq!(help("bugdet", "key", &known).as_deref(), Some("did you mean `budget`?"));
        assert_eq!(help("weights", "key", &known).as_deref(), Some("the keys are `step-size`, `budget`, `rule`"));
        assert_eq!(help("weights", "key", &[]).as_deref(), Some("there is no key here"));
    }
}
