//! Entities of HTML 5 replaced by their characters, by the rules of Python's `html.unescape`.

use std::collections::HashMap;
use std::sync::LazyLock;

static NAMES: LazyLock<HashMap<&'static str, &'static str>> =
    LazyLock::new(|| entities::ENTITIES.iter().map(|e| (e.entity, e.characters)).collect());

/// Longest name that is looked for.
const LONGEST: usize = 32;

/// The text with every entity replaced once; names without their semicolon are found by their longest prefix.
pub(crate) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match entity(rest) {
            Some((characters, len)) => {
                out.push_str(&characters);
                rest = &rest[len..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

/// The characters of the entity at the start of a text, and the bytes that it takes.
fn entity(text: &str) -> Option<(String, usize)> {
    if let Some(body) = text.strip_prefix("&#") {
        let (digits, radix, skipped) = match body.strip_prefix(['x', 'X']) {
            Some(digits) => (digits, 16, 3),
            None => (body, 10, 2),
        };
        let len = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        if len == 0 {
            return None;
        }
        let semicolon = usize::from(digits[len..].starts_with(';'));
        return Some((number(u32::from_str_radix(&digits[..len], radix).ok()), skipped + len + semicolon));
    }
    let stops = |c: char| "\t\n\x0c <&#;".contains(c);
    let body = &text[1..];
    let mut end = body.char_indices().find(|(_, c)| stops(*c)).map_or(body.len(), |(at, _)| at);
    if let Some((at, _)) = body.char_indices().nth(LONGEST) {
        end = end.min(at);
    }
    let name = &text[..1 + end];
    if text[name.len()..].starts_with(';')
        && let Some(characters) = NAMES.get(&text[..=name.len()])
    {
        return Some(((*characters).to_owned(), name.len() + 1));
    }
    let ends = name.char_indices().map(|(at, c)| at + c.len_utf8()).rev();
    let found = { ends }.find_map(|end| Some((NAMES.get(&name[..end])?, end)));
    found.map(|(characters, end)| ((*characters).to_owned(), end))
}

/// The character of a number, as browsers read it: C1 controls are Windows-1252's, what is no character is nothing.
fn number(code: Option<u32>) -> String {
    let Some(code) = code.filter(|code| *code <= 0x10_ffff && !(0xd800..=0xdfff).contains(code)) else {
        return char::REPLACEMENT_CHARACTER.to_string();
    };
    let invalid = matches!(code, 0x1..=0x8 | 0xb | 0xe..=0x1f | 0x7f | 0xfdd0..=0xfdef) || code & 0xfffe == 0xfffe;
    match code {
        0 => char::REPLACEMENT_CHARACTER.to_string(),
        0x80..=0x9f => crate::repair::cp1252(code as u8).to_string(),
        _ if invalid => String::new(),
        _ => char::from_u32(code).map(String::from).unwrap_or_default(),
    }
}
