//! Text from files as people may safely see it: no character acts on a terminal or on the direction of writing.

use std::borrow::Cow;

/// Longest label, in characters.
const LABEL: usize = 120;
/// Longest sentence, in characters.
const SENTENCE: usize = 2000;

/// A name: control characters escaped, cut to 120 characters.
pub(crate) fn label(text: &str) -> Cow<'_, str> {
    printable(text, LABEL)
}

/// A sentence: control characters escaped, cut to 2000 characters.
pub(crate) fn sentence(text: &str) -> Cow<'_, str> {
    printable(text, SENTENCE)
}

fn printable(text: &str, most: usize) -> Cow<'_, str> {
    let long = text.len() > most && text.chars().nth(most).is_some();
    if !long && !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    for c in text.chars().take(most) {
        if acts(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    if long {
        out.push('…');
    }
    Cow::Owned(out)
}

/// Whether a character does something other than to be seen: controls, line breaks, marks that hide or reorder text.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown_and_what_is_long_is_cut() {
        assert_eq!(label("犬 café — 9 % ✓"), "犬 café — 9 % ✓");
        assert_eq!(label("a\u{1b}[31mred\nb\u{7f}\u{9b}"), "a\\u{1b}[31mred\\nb\\u{7f}\\u{9b}");
        assert_eq!(label("user\u{202e}gnp.exe"), "user\\u{202e}gnp.exe");
        let long = "x".repeat(500);
        assert_eq!(label(&long).chars().count(), LABEL + 1);
        assert_eq!(label(&"é".repeat(LABEL)).chars().count(), LABEL);
        assert_eq!(sentence(&long), long);
    }
}
