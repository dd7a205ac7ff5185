//! Patterns over the names of an archive's members: `*` and `{NAME}`.

use std::collections::BTreeMap;

/// A part of a pattern.
enum Part<'p> {
    Text(&'p str),
    /// Some characters but `/`, which a name may stand for.
    Some(Option<&'p str>),
}

/// What each `{NAME}` of the pattern stands for in `text`, if the text matches. A wildcard ends where the text behind it
/// first occurs, so that matching takes one pass.
pub(crate) fn captures<'t>(pattern: &str, text: &'t str) -> Option<BTreeMap<String, &'t str>> {
    let parts = parts(pattern);
    let mut found = BTreeMap::new();
    let mut rest = text;
    let mut at = 0;
    while let Some(part) = parts.get(at) {
        at += 1;
        match part {
            Part::Text(text) => rest = rest.strip_prefix(text)?,
            Part::Some(name) => {
                let segment = rest.find('/').unwrap_or(rest.len());
                let len = match parts.get(at) {
                    // The last text of a pattern stands at the end of the name.
                    Some(Part::Text(next)) if at + 1 == parts.len() => rest.len().checked_sub(next.len())?,
                    Some(Part::Text(next)) => rest.find(next)?,
                    _ => segment,
                };
                let named = name.is_some();
                if len > segment || (named && len == 0) || !rest.is_char_boundary(len) {
                    return None;
                }
                if let Some(name) = name {
                    found.insert((*name).to_owned(), &rest[..len]);
                }
                rest = &rest[len..];
            }
        }
    }
    rest.is_empty().then_some(found)
}

/// The template with each `{NAME}` replaced; `None` where it names something that the pattern does not.
pub(crate) fn fill(template: &str, captures: &BTreeMap<String, &str>) -> Option<String> {
    parts(template)
        .into_iter()
        .map(|part| match part {
            Part::Text(text) => Some(text),
            Part::Some(Some(name)) => captures.get(name).copied(),
            Part::Some(None) => Some("*"),
        })
        .collect()
}

fn parts(pattern: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(['*', '{']) {
        if at > 0 {
            parts.push(Part::Text(&rest[..at]));
        }
        let name = rest[at..].strip_prefix('{').and_then(|inside| inside.split_once('}'));
        match name {
            Some((name, after)) => {
                parts.push(Part::Some(Some(name)));
                rest = after;
            }
            None if rest[at..].starts_with('*') => {
                parts.push(Part::Some(None));
                rest = &rest[at + 1..];
            }
            // A brace that is never closed is text.
            None => {
                parts.push(Part::Text(&rest[at..]));
                rest = "";
            }
        }
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_and_put_together() {
        let pattern = "pictures-*/{class}_{name}.JPEG";
        let found = captures(pattern, "pictures-master/n01440764_great_white.JPEG").unwrap();
        assert_eq!((found["class"], found["name"]), ("n01440764", "great_white"));
        assert_eq!(fill("{class}/{class}_{name}.JPEG", &found).unwrap(), "n01440764/n01440764_great_white.JPEG");
        assert_eq!(fill("{other}", &found), None);
        for other in ["pictures-master/README.md", "pictures-master/_a.JPEG", "pictures-master/n1_.JPEG"] {
            assert!(captures(pattern, other).is_none(), "{other}");
        }
        assert!(captures(pattern, "pictures-a/b/n1_c.JPEG").is_none(), "a wildcard stays in its folder");
        assert!(captures("a/*.pth", "a/x.pth").is_some() && captures("a/*.pth", "a/x.pt").is_none());
        assert!(captures("exact", "exact").is_some() && captures("exact", "exactly").is_none());
        assert!(captures("{a}é", "xé").is_some() && captures("{a}b", "é").is_none());
    }
}
