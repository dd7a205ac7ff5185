//! Model cards: what a leaderboard says of a model beside its figures. One TOML file a model.

use std::path::Path;

use fmr_store::RowPlan;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Something that can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Link {
    /// What people read.
    pub title: String,
    /// Where it is, an http or https address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What is known of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct ModelCard {
    /// SHA-256 of its files of weights, in hexadecimal digits. The card is of rows with one of these weights.
    pub weights_sha256: Vec<String>,
    /// Labels of targets that the card is of, where it names no weights.
    pub targets: Vec<String>,
    /// The paper that describes it.
    pub paper: Option<Link>,
    /// Its code.
    pub code: Option<Link>,
    /// Where its weights come from.
    pub weights: Option<Link>,
    /// Who made it.
    pub authors: Vec<String>,
    /// Licence of its weights.
    pub licence: Option<String>,
    /// Number of its parameters.
    pub parameters: Option<u64>,
}

/// A card that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CardError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: std::path::PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// The file is no card.
    #[error("{}: {problem}", path.display())]
    Format {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl ModelCard {
    /// Reads a card.
    ///
    /// # Errors
    /// The file cannot be read, or is no card.
    pub fn read(path: &Path) -> Result<Self, CardError> {
        let text = std::fs::read_to_string(path).map_err(|source| CardError::Io { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|problem| CardError::Format { path: path.to_owned(), problem })
    }

    /// Reads the cards of a folder (all files that end in `.toml`, by name) or a single one.
    ///
    /// # Errors
    /// The folder or a file cannot be read, or a file is no card.
    pub fn read_all(path: &Path) -> Result<Vec<Self>, CardError> {
        if !path.is_dir() {
            return Ok(vec![Self::read(path)?]);
        }
        let refuse = |source| CardError::Io { path: path.to_owned(), source };
        let entries = std::fs::read_dir(path).map_err(refuse)?;
        let mut files = entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(refuse)?;
        files.retain(|file| file.extension().is_some_and(|ending| ending == "toml"));
        files.sort();
        files.iter().map(|file| Self::read(file)).collect()
    }

    /// Reads the text of a card.
    ///
    /// # Errors
    /// In a sentence: what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let card: Self = toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned())?;
        if card.weights_sha256.is_empty() && card.targets.is_empty() {
            return Err("names no model: list `weights-sha256` or `targets`".to_owned());
        }
        let is_no_hash = |hash: &&String| hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some(hash) = card.weights_sha256.iter().find(is_no_hash) {
            return Err(format!("weights-sha256 holds {hash:?}, which is not 64 hexadecimal digits"));
        }
        let links = [&card.paper, &card.code, &card.weights].into_iter().flatten();
        let is_no_address = |url: &&str| !url.starts_with("https://") && !url.starts_with("http://");
        if let Some(url) = links.filter_map(|link| link.url.as_deref()).find(is_no_address) {
            return Err(format!("the address {url:?} is neither http nor https"));
        }
        Ok(card)
    }

    /// Whether the card is of a row: by its weights, or by its target's label where the card names no weights.
    pub(super) fn is_of(&self, target: &str, plan: &RowPlan) -> bool {
        if self.weights_sha256.is_empty() {
            return self.targets.iter().any(|label| label == target);
        }
        let known = plan.fingerprint.get("target.weights").and_then(|hash| hash.strip_prefix("sha256:"));
        known.is_some_and(|known| self.weights_sha256.iter().any(|hash| hash.eq_ignore_ascii_case(known)))
    }
}
