//! Repair of damaged texts, as the library ftfy does it before OpenAI's tokenizer.
//!
//! All of ftfy's repairs but one are here in full. Of its search for texts that were decoded with a wrong encoding, the
//! commonest case is: UTF-8 read as Windows-1252 or Latin-1.

use unicode_normalization::UnicodeNormalization;

use crate::entities::unescape;

/// The repaired text, in composed form.
pub(crate) fn repair(text: &str) -> String {
    let mut text = text.to_owned();
    loop {
        let next = pass(&text);
        if next == text {
            return text;
        }
        text = next;
    }
}

fn pass(text: &str) -> String {
    let text = if text.contains('<') { text.to_owned() } else { unescaped(text) };
    let text = without_terminal_escapes(&text);
    let text = redecoded(&text);
    let text: String =
        text.chars().map(|c| if ('\u{80}'..='\u{9f}').contains(&c) { cp1252(c as u8) } else { c }).collect();
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push('\n');
            }
            '\u{2028}' | '\u{2029}' | '\u{85}' => out.push('\n'),
            '\u{2bc}' | '\u{2018}'..='\u{201b}' => out.push('\''),
            '\u{201c}'..='\u{201f}' => out.push('"'),
            '\u{3000}' => out.push(' '),
            '\u{ff01}'..='\u{ffef}' => out.extend(c.nfkc()),
            _ if is_control(c) => {}
            _ => match ligature(c) {
                Some(letters) => out.push_str(letters),
                None => out.push(c),
            },
        }
    }
    out.nfc().collect()
}

/// Entities with their semicolon replaced by their characters.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let body = rest[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '#').map_or(rest.len(), |n| n + 1);
        if rest[body..].starts_with(';') && (2..=26).contains(&body) {
            out.push_str(&unescape(&rest[..=body]));
            rest = &rest[body + 1..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out + rest
}

/// Without what changes colours in a terminal: escape, bracket, digits and semicolons, a letter.
fn without_terminal_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        out.push_str(&rest[..at]);
        let tail = rest[at + 2..].trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        match tail.chars().next() {
            Some(c) if c.is_ascii_alphabetic() => rest = &tail[1..],
            _ => {
                out.push_str("\x1b[");
                rest = &rest[at + 2..];
            }
        }
    }
    out + rest
}

/// Characters that have no visible effect.
fn is_control(c: char) -> bool {
    matches!(c, '\0'..='\x08' | '\x0b' | '\x0e'..='\x1f' | '\x7f' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}')
}

fn ligature(c: char) -> Option<&'static str> {
    Some(match c {
        'Ĳ' => "IJ",
        'ĳ' => "ij",
        'ŉ' => "ʼn",
        'Ǳ' => "DZ",
        'ǲ' => "Dz",
        'ǳ' => "dz",
        'Ǆ' => "DŽ",
        'ǅ' => "Dž",
        'ǆ' => "dž",
        'Ǉ' => "LJ",
        'ǈ' => "Lj",
        'ǉ' => "lj",
        'Ǌ' => "NJ",
        'ǋ' => "Nj",
        'ǌ' => "nj",
        'ﬀ' => "ff",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬃ' => "ffi",
        'ﬄ' => "ffl",
        'ﬅ' => "ſt",
        'ﬆ' => "st",
        _ => return None,
    })
}

/// Windows-1252's characters for the bytes 0x80 to 0x9f; the five that it leaves open stand for themselves.
const HIGH: [u32; 32] = [
    0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d,
    0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d,
    0x17e, 0x178,
];

pub(crate) fn cp1252(byte: u8) -> char {
    let code = match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        _ => byte.into(),
    };
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte that a character stands for in Windows-1252 or Latin-1.
fn byte(c: char) -> Option<u8> {
    let code = u32::from(c);
    let high = HIGH.iter().position(|h| *h == code).map(|at| at as u8 + 0x80);
    high.or_else(|| u8::try_from(code).ok())
}

/// Runs of characters that are one character's UTF-8 bytes read as Windows-1252, put right. Only the lead bytes that
/// Western letters, punctuation and emoji have: others occur in sound texts too.
fn redecoded(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let len = match byte(chars[at]) {
            Some(0xc2 | 0xc3) => 2,
            Some(0xe2 | 0xef) => 3,
            Some(0xf0) => 4,
            _ => 1,
        };
        let bytes: Option<Vec<u8>> = chars.get(at..at + len).and_then(|run| run.iter().map(|c| byte(*c)).collect());
        let found = bytes.filter(|_| len > 1).and_then(|bytes| String::from_utf8(bytes).ok());
        match found {
            Some(character) => {
                out.push_str(&character);
                at += len;
            }
            None => {
                out.push(chars[at]);
                at += 1;
            }
        }
    }
    out
}
