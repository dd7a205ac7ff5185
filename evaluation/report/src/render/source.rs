//! Source of a markup language, which text enters through its escaping alone.

use std::marker::PhantomData;

use super::{label, sentence};

/// A markup language.
pub(super) trait Language {
    /// Writes a character so that the language takes it for text.
    fn escape(c: char, out: &mut String);
}

/// Source in a language. It comes from literals of this program or from escaped text, so that no name can act as markup.
pub(super) struct Source<L>(String, PhantomData<L>);

impl<L: Language> Source<L> {
    pub(super) fn new() -> Self {
        Self(String::new(), PhantomData)
    }

    /// Markup of this program.
    pub(super) fn code(code: &'static str) -> Self {
        Self(code.to_owned(), PhantomData)
    }

    /// A name.
    pub(super) fn label(text: &str) -> Self {
        Self::escaped(&label(text))
    }

    /// Words.
    pub(super) fn text(text: &str) -> Self {
        Self::escaped(&sentence(text))
    }

    fn escaped(text: &str) -> Self {
        let mut out = Self::new();
        text.chars().for_each(|c| L::escape(c, &mut out.0));
        out
    }

    /// This between two pieces of markup; nothing where this is empty.
    pub(super) fn within(self, before: &'static str, after: &'static str) -> Self {
        if self.0.is_empty() { self } else { Self(format!("{before}{}{after}", self.0), PhantomData) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, more: Self) -> &mut Self {
        self.0.push_str(&more.0);
        self
    }

    /// Adds markup of this program.
    pub(super) fn add(&mut self, code: &'static str) -> &mut Self {
        self.0.push_str(code);
        self
    }

    pub(super) fn join(parts: impl IntoIterator<Item = Self>, between: &'static str) -> Self {
        let mut out = Self::new();
        for (at, part) in parts.into_iter().enumerate() {
            if at > 0 {
                out.add(between);
            }
            out.push(part);
        }
        out
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}
