//! Text from a file, made fit to be shown.
//!
//! Keys, metadata and file names are chosen by the author of a file. Printed as they are, they can move the cursor of
//! a terminal, fake a line of a report, or run to megabytes. Every error, summary and `Debug` of this crate shows such
//! text through the functions here: characters that do not print are escaped, and long text is cut.

use std::fmt::{self, Write};
use std::path::Path;

/// Characters of a key or a name that are shown.
pub const KEY: usize = 120;
/// Characters of a free text that are shown on one line.
pub const TEXT: usize = 60;
/// Characters of a message that a parser makes of a file.
pub const MESSAGE: usize = 300;
/// Characters of a path that are shown.
pub const PATH: usize = 4096;

/// Text from a file, as its `Display` shows it: see [`escaped`] and [`quoted`].
#[derive(Debug, Clone, Copy)]
pub struct Shown<'t> {
    text: &'t str,
    limit: usize,
    quotes: bool,
}

/// Shows `text` on one line of at most `limit` characters.
///
/// Control characters, line breaks, marks that change the direction of writing and everything else that does not print
/// become escapes such as `\n` or `\u{1b}`; a backslash is doubled. An ellipsis stands for what is cut.
///
/// ```
/// use fmr_checkpoint::shown::escaped;
///
/// assert_eq!(escaped("conv1.weight", 60).to_string(), "conv1.weight");
/// assert_eq!(escaped("\u{1b}[2Jowned\n", 60).to_string(), r"\u{1b}[2Jowned\n");
/// assert_eq!(escaped(&"x".repeat(1_000_000), 4).to_string(), "xxxx…");
/// ```
#[must_use]
pub fn escaped(text: &str, limit: usize) -> Shown<'_> {
    Shown { text, limit, quotes: false }
}

/// As [`escaped`], between quotation marks.
#[must_use]
pub fn quoted(text: &str, limit: usize) -> Shown<'_> {
    Shown { text, limit, quotes: true }
}

/// A key of a file, between quotation marks.
pub(crate) fn key(text: &str) -> Shown<'_> {
    quoted(text, KEY)
}

/// Shows a path; bytes that are no Unicode become replacement characters.
///
/// ```
/// use std::path::Path;
///
/// assert_eq!(fmr_checkpoint::shown::path(Path::new("a\u{7}.pt")), r"a\u{7}.pt");
/// ```
#[must_use]
pub fn path(path: &Path) -> String {
    escaped(&path.to_string_lossy(), PATH).to_string()
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.quotes { "\"" } else { "" };
        f.write_str(mark)?;
        let mut left = self.limit;
        for character in self.text.chars() {
            let is_plain = character == '\'' || (character == '"' && !self.quotes);
            let escape = character.escape_debug();
            let width = if is_plain { 1 } else { escape.len() };
            let Some(rest) = left.checked_sub(width) else {
                f.write_char('…')?;
                break;
            };
            left = rest;
            if is_plain {
                f.write_char(character)?;
            } else {
                escape.fmt(f)?;
            }
        }
        f.write_str(mark)
    }
}

/// The first few of many items, and an ellipsis where there are more.
pub(crate) fn first_few<T>(items: &[T], most: usize, show: impl Fn(&T) -> String) -> String {
    let mut shown: Vec<String> = items.iter().take(most).map(show).collect();
    if items.len() > most {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_cursor_is_shown() {
        for hostile in ["\u{1b}[31m", "\r", "\n", "\u{9b}2J", "\u{202e}", "\u{2028}", "\u{feff}", "\0", "\u{7f}"] {
            let text = escaped(hostile, 100).to_string();
            assert!(text.starts_with('\\') && text.chars().all(|c| !c.is_control()), "{text:?}");
        }
        assert_eq!(escaped("naïve 模型 \"a\" 'b'", 100).to_string(), "naïve 模型 \"a\" 'b'");
        assert_eq!(quoted("a\"b\\", 100).to_string(), r#""a\"b\\""#);
    }

    #[test]
    fn long_text_is_cut_after_escaping() {
        assert_eq!(escaped("\u{1b}\u{1b}", 6).to_string(), r"\u{1b}…");
        assert_eq!(quoted("abcdef", 3).to_string(), "\"abc…\"");
        assert_eq!(escaped("", 0).to_string(), "");
        assert_eq!(first_few(&[1, 2, 3], 2, i32::to_string), "1, 2, …");
    }
}
