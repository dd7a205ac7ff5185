//! Names of files, as people read them: nothing in them reaches a terminal, and none is printed without end.

use std::path::Path;

/// Most characters of a path, or of a sentence with names in it.
const LONGEST: usize = 1000;
/// Most names in a list.
const LISTED: usize = 3;

/// A name, or a sentence with names in it, with control characters escaped. Of a long one the end is shown, which says most.
pub(crate) fn name(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for c in name.chars() {
        match is_plain(c) {
            true => escaped.push(c),
            false => escaped.extend(c.escape_default()),
        }
    }
    let length = escaped.chars().count();
    if length <= LONGEST {
        escaped
    } else {
        format!("…{}", escaped.chars().skip(length - LONGEST).collect::<String>())
    }
}

/// A path, likewise.
pub(crate) fn path(path: &Path) -> String {
    name(&path.to_string_lossy())
}

/// The first few of several names.
pub(crate) fn list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let mut names = names.into_iter();
    let first: Vec<String> = names.by_ref().take(LISTED).map(name).collect();
    let more = if names.next().is_some() { ", …" } else { "" };
    format!("{}{more}", first.join(", "))
}

/// Whether a character is printed as itself: not a control, and none that turns the direction of the text or is unseen.
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal() {
        assert_eq!(name("a\u{1b}[2J\n\u{202e}b é.png"), "a\\u{1b}[2J\\n\\u{202e}b é.png");
        let long = name(&"x".repeat(5000));
        assert_eq!((long.chars().count(), long.starts_with('…')), (LONGEST + 1, true));
        assert_eq!(list(["a", "b\r", "c", "d"]), "a, b\\r, c, …");
    }
}
