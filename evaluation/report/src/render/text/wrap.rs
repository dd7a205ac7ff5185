//! Prose in lines of a given width.

use unicode_width::UnicodeWidthStr as _;

use super::WIDTH;
use crate::render::{label, sentence};

/// Text under way.
pub(super) struct Writer {
    out: String,
    width: usize,
}

impl Writer {
    pub(super) fn new(width: usize) -> Self {
        Self { out: String::new(), width }
    }

    /// Width of a table.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// A line as it is.
    pub(super) fn line(&mut self, line: &str) {
        self.out.push_str(line.trim_end_matches(' '));
        self.out.push('\n');
    }

    /// Words in lines, the first behind `first`, the others behind `rest`; nothing where there are none. A percent sign
    /// stays with its number.
    pub(super) fn wrapped(&mut self, words: &str, first: &str, rest: &str) {
        if words.trim().is_empty() {
            return;
        }
        let words: Vec<String> =
            words.replace(" %", "\0%").split_whitespace().map(|word| word.replace('\0', " ")).collect();
        self.pieces(words.iter().map(String::as_str), first, rest);
    }

    /// Name and value of each fact; a short one stays in one line.
    pub(super) fn facts(&mut self, facts: &[(String, String)]) {
        if facts.is_empty() {
            return;
        }
        let last = facts.len() - 1;
        let written = facts.iter().enumerate().map(|(at, (name, value))| {
            format!("{} {}{}", label(name), sentence(value), if at < last { " ·" } else { "" })
        });
        let written: Vec<String> = written.collect();
        if written.iter().all(|fact| width(fact) <= self.prose() / 2) {
            self.pieces(written.iter().map(String::as_str), "  ", "  ");
        } else {
            self.wrapped(&written.join(" "), "  ", "  ");
        }
    }

    fn prose(&self) -> usize {
        self.width.min(WIDTH)
    }

    fn pieces<'a>(&mut self, pieces: impl Iterator<Item = &'a str>, first: &str, rest: &str) {
        let mut line = first.to_owned();
        let mut empty = true;
        for piece in pieces {
            if !empty && width(&line) + 1 + width(piece) > self.prose() {
                self.line(&line);
                rest.clone_into(&mut line);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(piece);
            empty = false;
        }
        self.line(&line);
    }

    pub(super) fn finish(self) -> String {
        self.out
    }
}

/// Columns that a text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// A text and spaces behind it.
pub(super) fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Spaces and a text behind them.
pub(super) fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// A heading in the narrowest two lines that are at least `least` wide.
pub(super) fn heading(text: &str, least: usize) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let longest = words.iter().map(|word| width(word)).max().unwrap_or(0).max(least);
    (longest..=width(text).max(longest))
        .map(|room| fold(&words, room))
        .find(|lines| lines.len() <= 2)
        .unwrap_or_default()
}

fn fold(words: &[&str], room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut().filter(|line| width(line) + 1 + width(word) <= room) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push((*word).to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_take_two_lines_at_most() {
        assert_eq!(heading("SA", 4), ["SA"]);
        assert_eq!(heading("stopped at step 1", 3), ["stopped", "at step 1"]);
        assert_eq!(heading("target right on rec.", 5), ["target right", "on rec."]);
        assert_eq!(heading("wall time", 9), ["wall time"]);
    }

    #[test]
    fn wide_letters_count_twice() {
        assert_eq!(right("犬", 4), "  犬");
        assert_eq!(width(&left("犬é", 6)), 6);
    }
}
