//! Tests that need what a machine may lack.

use std::fmt::Display;

/// Names of what `FMR_REQUIRE` can ask for.
const NAMES: [&str; 7] = ["golden", "cc", "valgrind", "python", "weights", "read-only", "browser"];

/// Says why a test is skipped: it needs `what`, which is one of `golden`, `cc`, `valgrind`, `python`, `weights` (of
/// published models), `read-only` (a folder this user cannot write to) and `browser`. The caller returns after it.
///
/// # Panics
/// `FMR_REQUIRE`, a list separated by commas, names `what`: then a skip is a failure. CI sets it, so that no test goes
/// green without having run.
pub fn skip(what: &str, reason: impl Display) {
    let required = std::env::var("FMR_REQUIRE").unwrap_or_default();
    match verdict(&required, what) {
        Ok(()) => println!("skipped: {reason}"),
        Err(problem) => panic!("{problem}: {reason}"),
    }
}

fn verdict(required: &str, what: &str) -> Result<(), String> {
    debug_assert!(NAMES.contains(&what), "{what}");
    let mut names = required.split(',').map(str::trim).filter(|name| !name.is_empty());
    if let Some(unknown) = names.clone().find(|name| !NAMES.contains(name)) {
        return Err(format!("FMR_REQUIRE knows {}, not {unknown:?}", NAMES.join(", ")));
    }
    if names.any(|name| name == what) {
        return Err(format!("FMR_REQUIRE asks for {what}, and this test would be skipped"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn what_is_required_is_not_skipped() {
        assert!(verdict("", "cc").is_ok());
        assert!(verdict("golden, valgrind", "cc").is_ok());
        assert!(verdict("golden, cc", "cc").is_err());
        assert!(verdict("gold", "cc").is_err(), "a misspelt name must not pass");
    }
}
