//! Words of an expression.

use std::fmt;

use fmr_checkpoint::shown;

use super::expression::ExpressionError;

/// A number, a text, a word or a sign.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Token<'t> {
    Int(i64),
    Float(f64),
    /// A text in quotation marks, as it stands between them.
    Text(&'t str),
    Word(&'t str),
    Symbol(char),
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(i) => write!(f, "\"{i}\""),
            Self::Float(x) => write!(f, "\"{x}\""),
            Self::Text(text) | Self::Word(text) => shown::quoted(text, shown::TEXT).fmt(f),
            Self::Symbol(symbol) => write!(f, "\"{symbol}\""),
        }
    }
}

/// The tokens of a text, one ahead.
pub(crate) struct Tokens<'t> {
    rest: &'t str,
    ahead: Option<Token<'t>>,
}

impl<'t> Tokens<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { rest: text, ahead: None }
    }

    /// The next token, left where it is.
    pub(crate) fn peek(&mut self) -> Result<Option<Token<'t>>, ExpressionError> {
        if self.ahead.is_none() {
            self.ahead = self.read()?;
        }
        Ok(self.ahead)
    }

    /// The next token, taken.
    pub(crate) fn next(&mut self) -> Result<Option<Token<'t>>, ExpressionError> {
        self.peek()?;
        Ok(self.ahead.take())
    }

    /// Takes the next token if it is this sign.
    pub(crate) fn take_symbol(&mut self, symbol: char) -> Result<bool, ExpressionError> {
        let is_next = self.peek()? == Some(Token::Symbol(symbol));
        if is_next {
            self.ahead = None;
        }
        Ok(is_next)
    }

    fn read(&mut self) -> Result<Option<Token<'t>>, ExpressionError> {
        self.rest = self.rest.trim_start();
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        if matches!(first, '"' | '\'') {
            return self.quoted(first).map(Some);
        }
        let digit_next = self.rest[first.len_utf8()..].starts_with(|c: char| c.is_ascii_digit());
        if first.is_ascii_digit() || (first == '.' && digit_next) {
            return self.number().map(Some);
        }
        if first.is_alphabetic() || first == '_' {
            // A dot belongs to the word, as in `np.max`.
            let word = self.split(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
            return Ok(Some(Token::Word(word)));
        }
        if "+-*/()[],".contains(first) {
            self.rest = &self.rest[1..];
            return Ok(Some(Token::Symbol(first)));
        }
        let sign = shown::quoted(self.rest, first.len_utf8().max(10)).to_string();
        Err(ExpressionError(format!("it cannot be read from {sign} on")))
    }

    /// Takes characters as long as they belong.
    fn split(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn quoted(&mut self, mark: char) -> Result<Token<'t>, ExpressionError> {
        let inside = &self.rest[1..];
        let end = inside.find(mark).ok_or_else(|| ExpressionError("a text does not end".to_owned()))?;
        self.rest = &inside[end + 1..];
        Ok(Token::Text(&inside[..end]))
    }

    fn number(&mut self) -> Result<Token<'t>, ExpressionError> {
        let start = self.rest;
        let mantissa = self.split(|c| c.is_ascii_digit() || matches!(c, '.' | '_'));
        let mut length = mantissa.len();
        if let Some(exponent) = self.rest.strip_prefix(['e', 'E']) {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.starts_with(|c: char| c.is_ascii_digit()) {
                self.rest = digits;
                self.split(|c| c.is_ascii_digit());
                length = start.len() - self.rest.len();
            }
        }
        let text = &start[..length];
        let whole = text.bytes().all(|b| b.is_ascii_digit());
        let token = if whole { text.parse().ok().map(Token::Int) } else { text.parse().ok().map(Token::Float) };
        token.ok_or_else(|| ExpressionError(format!("{} is no number", shown::quoted(text, shown::TEXT))))
    }
}
