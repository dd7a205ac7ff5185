//! Patterns and templates of names.

use std::collections::BTreeMap;

/// What the captures of a pattern hold, by their names.
pub(super) type Captured<'k> = BTreeMap<&'k str, String>;

/// A name with captures.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    parts: Vec<Part>,
}

/// A part of a pattern, between two dots.
#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    /// One part with this start and end, and something in between.
    Capture {
        before: String,
        name: String,
        after: String,
    },
    /// One or more parts.
    Rest(String),
}

/// A name with places for what was captured.
#[derive(Debug, Clone)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Capture(String),
    Sum(String, String),
    Difference(String, String),
}

/// Text and the contents of braces by turns, starting and ending with text.
fn pieces(text: &str) -> Result<Vec<&str>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, after) = after.split_once('}').ok_or("a brace is not closed")?;
        if inside.is_empty() || before.contains('}') {
            return Err("a brace is empty or not opened".into());
        }
        pieces.extend([before, inside]);
        rest = after;
    }
    pieces.push(rest);
    Ok(pieces)
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        // Dots inside braces are those of `{rest..}`.
        let mut parts: Vec<String> = vec![String::new()];
        let mut depth = 0;
        for character in text.chars() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if character == '.' && depth == 0 {
                parts.push(String::new());
            } else if let Some(part) = parts.last_mut() {
                part.push(character);
            }
        }
        let parts: Vec<Part> = parts.iter().map(|part| Part::parse(part)).collect::<Result<_, _>>()?;
        let mut names: Vec<&str> = parts.iter().filter_map(Part::name).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("two captures share a name".into());
        }
        if parts.iter().filter(|part| matches!(part, Part::Rest(_))).count() > 1 {
            return Err("two captures take several parts each".into());
        }
        Ok(Self { parts })
    }

    /// What the captures hold if the pattern fits a name in parts.
    pub(super) fn captures<'p>(&'p self, name: &[&str]) -> Option<Captured<'p>> {
        let mut captured = Captured::new();
        let rest = self.parts.iter().position(|part| matches!(part, Part::Rest(_)));
        let (front, back) = match rest {
            // One or more parts stand for the rest.
            Some(at) if name.len() >= self.parts.len() => (at, self.parts.len() - at - 1),
            None if name.len() == self.parts.len() => (name.len(), 0),
            _ => return None,
        };
        let back_start = name.len() - back;
        let ends = self.parts[self.parts.len() - back..].iter().zip(&name[back_start..]);
        for (part, text) in self.parts[..front].iter().zip(name).chain(ends) {
            part.capture(text, &mut captured)?;
        }
        if let Some(Part::Rest(capture)) = self.parts.get(front) {
            captured.insert(capture, name[front..back_start].join("."));
        }
        Some(captured)
    }
}

impl Part {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(match pieces(text)?.as_slice() {
            [literal] => Self::Literal((*literal).to_owned()),
            [before, name, after] => match name.strip_suffix("..") {
                Some(name) if before.is_empty() && after.is_empty() => Self::Rest(name.to_owned()),
                Some(_) => return Err("a capture of several parts stands in a part with other text".into()),
                None => {
                    Self::Capture { before: (*before).to_owned(), name: (*name).to_owned(), after: (*after).to_owned() }
                }
            },
            _ => return Err("a part has two captures".into()),
        })
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Capture { name, .. } | Self::Rest(name) => Some(name),
        }
    }

    fn capture<'p>(&'p self, text: &str, captured: &mut Captured<'p>) -> Option<()> {
        match self {
            Self::Literal(literal) => (literal == text).then_some(()),
            Self::Capture { before, name, after } => {
                let inside = text.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?;
                if inside.is_empty() {
                    return None;
                }
                captured.insert(name, inside.to_owned());
                Some(())
            }
            Self::Rest(_) => None,
        }
    }
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let piece = |(place, text): (usize, &&str)| {
            if place % 2 == 0 {
                return Piece::Text((*text).to_owned());
            }
            let pair = |(a, b): (&str, &str)| (a.trim().to_owned(), b.trim().to_owned());
            if let Some((a, b)) = text.split_once('+').map(pair) {
                return Piece::Sum(a, b);
            }
            if let Some((a, b)) = text.split_once('-').map(pair) {
                return Piece::Difference(a, b);
            }
            Piece::Capture(text.trim_end_matches("..").to_owned())
        };
        Ok(Self { pieces: pieces(text)?.iter().enumerate().map(piece).collect() })
    }

    /// The name, or `None` if a capture is unknown, is no number where one is needed, or a result is none.
    pub(super) fn fill(&self, captured: &Captured<'_>, constants: &[(&str, usize)]) -> Option<String> {
        let number = |name: &str| -> Option<usize> {
            let constant = constants.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| *value);
            constant.or_else(|| captured.get(name).map_or(name, String::as_str).parse().ok())
        };
        let mut name = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Capture(capture) => name.push_str(captured.get(capture.as_str())?),
                Piece::Sum(a, b) => name.push_str(&number(a)?.checked_add(number(b)?)?.to_string()),
                Piece::Difference(a, b) => name.push_str(&number(a)?.checked_sub(number(b)?)?.to_string()),
            }
        }
        Some(name)
    }
}
