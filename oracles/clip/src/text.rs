//! Cleaning of texts, and their division into pieces that are encoded one by one.

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;

use crate::entities::unescape;
use crate::repair::repair;
use crate::tokenizer::Dialect;

/// A special token that a text names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    Start,
    End,
}

/// The text as the tokenizer sees it.
pub(crate) fn clean(text: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::OpenAi | Dialect::OpenClip => {
            let text = repair(text);
            let text = unescape(&unescape(&text));
            collapse(&text).to_lowercase()
        }
        Dialect::HuggingFace => collapse(&text.nfc().collect::<String>()),
    }
}

/// Python's white space.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

fn collapse(text: &str) -> String {
    text.split(is_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Character by character, so that a sigma at the end of a word is like any other.
fn lower_each(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Space,
    Letter,
    Number,
    Other,
}

fn kind(c: char) -> Kind {
    use GeneralCategory::{
        DecimalNumber, LetterNumber, LowercaseLetter, ModifierLetter, OtherLetter, OtherNumber, TitlecaseLetter,
        UppercaseLetter,
    };
    if is_space(c) {
        return Kind::Space;
    }
    match get_general_category(c) {
        UppercaseLetter | LowercaseLetter | TitlecaseLetter | ModifierLetter | OtherLetter => Kind::Letter,
        DecimalNumber | LetterNumber | OtherNumber => Kind::Number,
        _ => Kind::Other,
    }
}

/// Length of the contraction at the start of a text.
fn contraction(text: &str, dialect: Dialect) -> Option<usize> {
    const ENDINGS: &[&str] = &["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
    // Upstream's expression ignores case, by which ſ is an s.
    if dialect != Dialect::HuggingFace && text.starts_with("'ſ") {
        return Some("'ſ".len());
    }
    ENDINGS.iter().find(|ending| text.starts_with(**ending)).map(|ending| ending.len())
}

/// Pieces in order: special tokens, contractions, runs of letters, single numerals, runs of anything else.
pub(crate) fn pieces(text: &str, [start, end]: [&str; 2], dialect: Dialect) -> Vec<Result<Special, String>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let special = [(start, Special::Start), (end, Special::End)].into_iter().find(|(n, _)| rest.starts_with(n));
        if let Some((name, special)) = special {
            out.push(Ok(special));
            rest = &rest[name.len()..];
            continue;
        }
        // Hugging Face looks for special tokens before it changes the case, and everywhere.
        let until_special = match dialect {
            Dialect::HuggingFace => [start, end].iter().filter_map(|n| rest.find(n)).min().unwrap_or(rest.len()),
            _ => rest.len(),
        };
        if dialect == Dialect::HuggingFace {
            let lower = lower_each(&rest[..until_special]);
            split(&lower, dialect, &mut out);
            rest = &rest[until_special..];
            continue;
        }
        let len = piece_len(rest, first, dialect);
        if kind(first) != Kind::Space {
            out.push(Err(rest[..len].to_owned()));
        }
        rest = &rest[len..];
    }
    out
}

fn split(mut text: &str, dialect: Dialect, out: &mut Vec<Result<Special, String>>) {
    while let Some(first) = text.chars().next() {
        let len = piece_len(text, first, dialect);
        if kind(first) != Kind::Space {
            out.push(Err(text[..len].to_owned()));
        }
        text = &text[len..];
    }
}

fn piece_len(text: &str, first: char, dialect: Dialect) -> usize {
    if let Some(len) = contraction(text, dialect) {
        return len;
    }
    match kind(first) {
        Kind::Number | Kind::Space => first.len_utf8(),
        run => text.find(|c| kind(c) != run).unwrap_or(text.len()),
    }
}
