//! Text from files, as people may safely read it: nothing in it reaches a terminal, and none is printed without end.

use std::path::Path;

/// Most characters of a path, or of a sentence with names in it.
const LONGEST: usize = 1000;
/// Most names in a list.
const LISTED: usize = 3;

/// A name, or a sentence with names in it, with control characters and line breaks escaped. Of a long one the end is
/// shown, which says most.
///
/// ```
/// assert_eq!(fmr_core::shown::text("\u{1b}[2Jowned"), r"\u{1b}[2Jowned");
/// ```
pub fn text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
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

/// Several lines, each likewise; the line breaks stay.
pub fn lines(lines: &str) -> String {
    lines.split('\n').map(text).collect::<Vec<_>>().join("\n")
}

/// A path, as [`text`].
pub fn path(path: &Path) -> String {
    text(&path.to_string_lossy())
}

/// The first few of several names.
pub fn list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let mut names = names.into_iter();
    let first: Vec<String> = names.by_ref().take(LISTED).map(text).collect();
    let more = if names.next().is_some() { ", …" } else { "" };
    format!("{}{more}", first.join(", "))
}

/// Whether a character is printed as itself: not a control, and none that turns the direction of the text or is unseen.
pub fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal() {
        assert_eq!(text("a\u{1b}[2J\n\u{202e}b é.png"), "a\\u{1b}[2J\\n\\u{202e}b é.png");
        let long = text(&"x".repeat(5000));
        assert_eq!((long.chars().count(), long.starts_with('…')), (LONGEST + 1, true));
        assert_eq!(lines("a\u{7}\nb\r"), "a\\u{7}\nb\\r");
        assert_eq!(list(["a", "b\r", "c", "d"]), "a, b\\r, c, …");
    }
}
