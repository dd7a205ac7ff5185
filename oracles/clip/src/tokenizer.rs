//! Byte-pair encoding.

use std::collections::HashMap;

/// A tokenizer with the first merges of CLIP's list.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    ranks: HashMap<(String, String), usize>,
    ids: HashMap<String, u32>,
    size: u32,
}

impl Tokenizer {
    /// From the text of OpenAI's merge list, for a vocabulary of that size.
    pub fn from_merges(text: &str, vocabulary: usize) -> Self {
        let mut printable: Vec<u32> = (33..=126).chain(161..=172).chain(174..=255).collect();
        let mut chars = printable.clone();
        let mut next = 256;
        for b in 0..256 {
            if !printable.contains(&b) {
                printable.push(b);
                chars.push(next);
                next += 1;
            }
        }
        let mut tokens: Vec<String> = chars.iter().filter_map(|c| char::from_u32(*c)).map(String::from).collect();
        tokens.extend(tokens.clone().into_iter().map(|t| t + "</w>"));
        let mut ranks = HashMap::new();
        for (rank, line) in text.lines().skip(1).take(vocabulary - 514).enumerate() {
            if let Some((a, b)) = line.split_once(' ') {
                ranks.insert((a.to_owned(), b.to_owned()), rank);
                tokens.push(format!("{a}{b}"));
            }
        }
        let ids = tokens.into_iter().enumerate().map(|(i, t)| (t, i as u32)).collect();
        Self { ranks, ids, size: vocabulary as u32 }
    }

    /// Start token, pieces, end token.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut out = vec![self.size - 2];
        let mut words: Vec<String> = Vec::new();
        for word in text.to_lowercase().split_whitespace() {
            let mut class = 0;
            for c in word.chars() {
                let kind = if c.is_alphabetic() {
                    1
                } else if c.is_numeric() {
                    2
                } else {
                    3
                };
                if kind == class && kind != 2 {
                    if let Some(last) = words.last_mut() {
                        last.push(c);
                    }
                } else {
                    words.push(c.to_string());
                }
                class = kind;
            }
            // The next word starts a new piece.
            words.push(String::new());
        }
        for word in words.iter().filter(|w| !w.is_empty()) {
            let mut parts: Vec<String> = word.chars().map(String::from).collect();
            if let Some(last) = parts.last_mut() {
                last.push_str("</w>");
            }
            while parts.len() > 1 {
                let best = parts
                    .windows(2)
                    .filter_map(|w| {
                        self.ranks.get(&(w[0].clone(), w[1].clone())).map(|r| (*r, w[0].clone(), w[1].clone()))
                    })
                    .min();
                let Some((_, a, b)) = best else { break };
                let mut merged = Vec::new();
                let mut i = 0;
                while i < parts.len() {
                    if i + 1 < parts.len() && parts[i] == a && parts[i + 1] == b {
                        merged.push(format!("{a}{b}"));
                        i += 2;
                    } else {
                        merged.push(parts[i].clone());
                        i += 1;
                    }
                }
                parts = merged;
            }
            out.extend(parts.iter().filter_map(|p| self.ids.get(p)));
        }
        out.push(self.size - 1);
        out
    }
}
