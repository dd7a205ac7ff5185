//! Byte-pair encoding, exactly as OpenAI, open_clip and Hugging Face do it.

use std::collections::HashMap;
use std::io::Read;

use crate::text::{Special, clean, pieces};

/// Whose tokenizer: they differ in cleaning, in the names of the special tokens, and in what is done with long texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// OpenAI's CLIP.
    #[default]
    OpenAi,
    /// open_clip.
    OpenClip,
    /// Hugging Face's transformers.
    HuggingFace,
}

/// Why there is no tokenizer, or two files do not belong together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A vocabulary holds every byte twice, and two special tokens.
    #[error("a vocabulary has at least 514 tokens")]
    Vocabulary,
    /// The list is too short.
    #[error("{wanted} merges are needed for {vocabulary} tokens, and {found} were found")]
    Merges {
        /// Merges that the vocabulary needs.
        wanted: usize,
        /// Tokens of the vocabulary.
        vocabulary: usize,
        /// Merges of the list.
        found: usize,
    },
    /// A `vocab.json` numbers a token otherwise.
    #[error("token {token:?} is not number {number}, as the list of merges says")]
    Number {
        /// Text of the token.
        token: String,
        /// Its number by the list of merges.
        number: usize,
    },
    /// The list that is part of the program cannot be read.
    #[error(transparent)]
    Unreadable(#[from] std::io::Error),
}

/// A tokenizer with the first merges of CLIP's list.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    /// Rank and result of a pair of tokens; the result's number.
    merges: HashMap<(u32, u32), u32>,
    /// Number of each byte's token; 256 more at the end of a word.
    bytes: [u32; 256],
    /// The token's text, by number.
    tokens: Vec<String>,
    size: u32,
    dialect: Dialect,
}

impl Tokenizer {
    /// OpenAI's from the text of its merge list, for a vocabulary of that size, which is at least 514.
    pub fn from_merges(text: &str, vocabulary: usize) -> Self {
        Self::build(text, vocabulary, Dialect::OpenAi)
    }

    /// From the text of a merge list (a header, then a pair a line), for a vocabulary of that size.
    ///
    /// # Errors
    /// The list is too short for the vocabulary.
    pub fn new(text: &str, vocabulary: usize, dialect: Dialect) -> Result<Self, TokenizerError> {
        let wanted = vocabulary.checked_sub(514).ok_or(TokenizerError::Vocabulary)?;
        let tokenizer = Self::build(text, vocabulary, dialect);
        if tokenizer.tokens.len() != 512 + wanted {
            return Err(TokenizerError::Merges { wanted, vocabulary, found: tokenizer.tokens.len() - 512 });
        }
        Ok(tokenizer)
    }

    /// From the list that all published models share.
    ///
    /// # Errors
    /// The vocabulary is larger than the list's.
    pub fn standard(vocabulary: usize, dialect: Dialect) -> Result<Self, TokenizerError> {
        let mut merges = String::new();
        flate2::read::GzDecoder::new(crate::MERGES).read_to_string(&mut merges)?;
        Self::new(&merges, vocabulary, dialect)
    }

    fn build(text: &str, vocabulary: usize, dialect: Dialect) -> Self {
        let printable = |b: u32| (33..=126).contains(&b) || (161..=172).contains(&b) || (174..=255).contains(&b);
        let order = (0..256).filter(|b| printable(*b)).chain((0..256).filter(|b| !printable(*b)));
        let mut bytes = [0; 256];
        let mut tokens = Vec::with_capacity(vocabulary);
        let mut next = 256;
        for (number, byte) in order.enumerate() {
            bytes[byte as usize] = number as u32;
            // Bytes that cannot be printed are written as letters from U+0100.
            let shown = if printable(byte) { byte } else { next };
            next += u32::from(!printable(byte));
            tokens.push(char::from_u32(shown).map(String::from).unwrap_or_default());
        }
        tokens.extend(tokens.clone().into_iter().map(|t| t + "</w>"));
        let mut numbers: HashMap<String, u32> = tokens.iter().cloned().zip(0..).collect();
        let mut merges = HashMap::new();
        for line in text.lines().skip(1).take(vocabulary.saturating_sub(514)) {
            let Some((a, b)) = line.split_once(' ') else { break };
            let (Some(a), Some(b)) = (numbers.get(a), numbers.get(b)) else { break };
            let number = tokens.len() as u32;
            merges.entry((*a, *b)).or_insert(number);
            let token = format!("{}{}", tokens[*a as usize], tokens[*b as usize]);
            numbers.entry(token.clone()).or_insert(number);
            tokens.push(token);
        }
        Self { merges, bytes, tokens, size: vocabulary as u32, dialect }
    }

    /// Whether a `vocab.json` numbers the tokens likewise.
    ///
    /// # Errors
    /// The first token that it numbers otherwise.
    pub fn agrees_with(&self, vocabulary: &serde_json::Value) -> Result<(), TokenizerError> {
        for (number, token) in self.tokens.iter().enumerate() {
            if vocabulary.get(token).and_then(serde_json::Value::as_u64) != Some(number as u64) {
                return Err(TokenizerError::Number { token: token.clone(), number });
            }
        }
        Ok(())
    }

    /// Number of the start token.
    pub fn start(&self) -> u32 {
        self.size - 2
    }

    /// Number of the end token, the largest.
    pub fn end(&self) -> u32 {
        self.size - 1
    }

    /// Start token, pieces, end token.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut out = vec![self.start()];
        let (names, cleaned) = (self.special_names(), clean(text, self.dialect));
        for piece in pieces(&cleaned, names, self.dialect) {
            match piece {
                Ok(Special::Start) => out.push(self.start()),
                Ok(Special::End) => out.push(self.end()),
                Err(word) => self.word(&word, &mut out),
            }
        }
        out.push(self.end());
        out
    }

    /// As [`Tokenizer::encode`], cut to `context` tokens of which the last is the end token.
    pub fn encode_cut(&self, text: &str, context: usize) -> Vec<u32> {
        let mut out = self.encode(text);
        if out.len() > context {
            out.truncate(context);
            if let Some(last) = out.last_mut() {
                *last = self.end();
            }
        }
        out
    }

    /// Position of the first end token: where a text's embedding is taken.
    pub fn end_of(&self, ids: &[u32]) -> usize {
        ids.iter().position(|id| *id == self.end()).unwrap_or(ids.len().saturating_sub(1))
    }

    /// Whether long texts are cut without a word, as upstream does.
    pub fn cuts(&self) -> bool {
        self.dialect != Dialect::OpenAi
    }

    fn special_names(&self) -> [&'static str; 2] {
        match self.dialect {
            Dialect::OpenAi | Dialect::HuggingFace => ["<|startoftext|>", "<|endoftext|>"],
            Dialect::OpenClip => ["<start_of_text>", "<end_of_text>"],
        }
    }

    fn word(&self, word: &str, out: &mut Vec<u32>) {
        let mut parts: Vec<u32> = word.bytes().map(|b| self.bytes[usize::from(b)]).collect();
        if let Some(last) = parts.last_mut() {
            *last += 256;
        }
        while parts.len() > 1 {
            // Results are numbered in the order of the list, so the lowest number is the lowest rank.
            let best = parts
                .windows(2)
                .filter_map(|w| self.merges.get(&(w[0], w[1])).map(|number| (*number, w[0], w[1])))
                .min();
            let Some((number, a, b)) = best else { break };
            let mut merged = Vec::with_capacity(parts.len());
            let mut rest = parts.as_slice();
            loop {
                match rest {
                    [x, y, tail @ ..] if (*x, *y) == (a, b) => {
                        merged.push(number);
                        rest = tail;
                    }
                    [x, tail @ ..] => {
                        merged.push(*x);
                        rest = tail;
                    }
                    [] => break,
                }
            }
            parts = merged;
        }
        out.extend(parts);
    }
}
