//! Masks as files: TOML that says itself what it is.
//!
//! `kept` lists indices and ranges, so that a mask can also be written by hand:
//!
//! ```toml mask
//! format = "fmr-mask"
//! version = 1
//! kept = "7, 150-163, 1014"
//!
//! [[layout]]
//! name = "z"
//! shape = [256, 14, 14]
//! offset = 0
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use fmr_core::LatentBlock;
use serde::{Deserialize, Serialize};

use super::layout::{length, problem};
use super::{Learning, Mask, MaskError, Origin};

const FORMAT: &str = "fmr-mask";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    format: String,
    version: u32,
    kept: String,
    /// Of layout and kept values; absent in a mask written by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    layout: Vec<LatentBlock>,
    #[serde(default)]
    origin: Origin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    learning: Option<Learning>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    weights: BTreeMap<String, f64>,
}

/// What every version of the format holds.
#[derive(Deserialize)]
struct Head {
    format: Option<String>,
    version: Option<u32>,
}

impl Mask {
    /// Writes the mask to a file, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), MaskError> {
        let failed = |problem: String| MaskError::File { path: path.to_owned(), problem };
        let text = self.to_toml().map_err(&failed)?;
        fmr_files::replace(path, text.as_bytes()).map_err(|e| failed(format!("cannot be written: {e}")))
    }

    /// Reads a mask.
    ///
    /// # Errors
    /// The file cannot be read, is no mask of this version, is damaged, or contradicts itself.
    pub fn load(path: &Path) -> Result<Self, MaskError> {
        let failed = |problem: String| MaskError::File { path: path.to_owned(), problem };
        // A pipe would be waited for.
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            return Err(failed("is not a regular file".to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(|e| failed(format!("cannot be read: {e}")))?;
        Self::from_toml(&text).map_err(failed)
    }

    fn to_toml(&self) -> Result<String, String> {
        let file = File {
            format: FORMAT.into(),
            version: VERSION,
            kept: ranges(self.kept()),
            hash: Some(self.hash()),
            layout: self.layout().to_vec(),
            origin: self.origin.clone(),
            learning: self.learning.clone(),
            weights: self.weights.iter().map(|(column, w)| (column.to_string(), *w)).collect(),
        };
        toml::to_string(&file).map_err(|e| format!("cannot be written: {e}"))
    }

    fn from_toml(text: &str) -> Result<Self, String> {
        let head: Head = toml::from_str(text).map_err(|e| format!("is no mask file: {}", told(&e, text)))?;
        match (head.format.as_deref(), head.version) {
            (Some(FORMAT), Some(VERSION)) => {}
            (Some(FORMAT), version) => {
                let version = version.map_or("none".to_owned(), |v| v.to_string());
                return Err(format!("is a mask file of version {version}; this fmr reads version {VERSION}"));
            }
            _ => return Err(format!("is no mask file: it does not say format = \"{FORMAT}\"")),
        }
        let file: File = toml::from_str(text).map_err(|e| format!("is a damaged mask file: {}", told(&e, text)))?;
        if let Some(problem) = problem(&file.layout) {
            return Err(problem);
        }
        let kept = parse_ranges(&file.kept, length(&file.layout))?;
        let mut mask = Self::new(file.layout, kept).map_err(|e| e.to_string())?;
        if let Some(hash) = file.hash
            && hash != mask.hash()
        {
            return Err("its values do not have the hash that it names: it was damaged, or changed by hand (then \
                        remove the line `hash`)"
                .into());
        }
        mask.origin = file.origin;
        mask.learning = file.learning;
        for (column, weight) in file.weights {
            let index = column.parse().map_err(|_| format!("weights: {column:?} is no column"))?;
            mask.weights.insert(index, weight);
        }
        Ok(mask)
    }
}

/// Line and problem of text that does not parse, in one line.
fn told(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or_else(String::new, |before| format!("line {}: ", before.matches('\n').count() + 1));
    format!("{line}{}", error.message())
}

/// `2, 5-7` for the indices of the kept values.
fn ranges(kept: &[bool]) -> String {
    let mut parts = Vec::new();
    let mut from = 0;
    for run in kept.chunk_by(|a, b| a == b) {
        let last = from + run.len() - 1;
        match (run[0], run.len()) {
            (false, _) => {}
            (true, 1) => parts.push(from.to_string()),
            (true, _) => parts.push(format!("{from}-{last}")),
        }
        from = last + 1;
    }
    parts.join(", ")
}

fn parse_ranges(text: &str, len: usize) -> Result<Vec<bool>, String> {
    let mut kept = vec![false; len];
    for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (Ok(from), Ok(to)) = (from.trim().parse::<usize>(), to.trim().parse::<usize>()) else {
            return Err(format!("kept: {part:?} is neither an index nor a range like 5-7"));
        };
        if from > to || to >= len {
            return Err(format!("kept: {part:?} is not within the latent's {len} values, from 0 to {}", len - 1));
        }
        kept[from..=to].fill(true);
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    const BY_HAND: &str = "format = \"fmr-mask\"\nversion = 1\nkept = \"1, 4-6\"\n\n[[layout]]\nname = \"z\"\nshape = [2, 2, 2]\noffset = 0\n";

    #[test]
    fn reads_a_mask_made_by_hand_and_names_what_is_wrong() {
        let mask = Mask::from_toml(BY_HAND).unwrap();
        assert_eq!(mask.kept(), [false, true, false, false, true, true, true, false]);
        let error = |from: &str, to: &str| Mask::from_toml(&BY_HAND.replace(from, to)).unwrap_err();
        insta::assert_snapshot!(error("fmr-mask", "png"), @r#"is no mask file: it does not say format = "fmr-mask""#);
        insta::assert_snapshot!(error("version = 1", "version = 9"), @"is a mask file of version 9; this fmr reads version 1");
        insta::assert_snapshot!(error("4-6", "4-8"), @r#"kept: "4-8" is not within the latent's 8 values, from 0 to 7"#);
        insta::assert_snapshot!(error("4-6", "four"), @r#"kept: "four" is neither an index nor a range like 5-7"#);
        insta::assert_snapshot!(error("offset = 0", "offset = 1"), @r#"block "z" of shape [2, 2, 2] at offset 1 does not follow the 0 values before it"#);
        assert!(error("kept", "keep").contains("line 3: unknown field `keep`"));

        let saved = mask.to_toml().unwrap();
        let damaged = Mask::from_toml(&saved.replace("4-6", "4-7")).unwrap_err();
        assert!(damaged.contains("hash"), "{damaged}");
    }

    #[test]
    fn saves_and_loads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mask.toml");
        let mut mask = Mask::from_toml(BY_HAND).unwrap();
        mask.weights = BTreeMap::from([(1, 0.1 + 0.2), (4, -1e-9)]);
        mask.origin.generator = Some("vqgan".into());
        mask.save(&path).unwrap();
        assert_eq!(Mask::load(&path).unwrap(), mask);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
        let missing = Mask::load(&folder.path().join("b")).unwrap_err().to_string();
        assert!(missing.contains("b: cannot be read"), "{missing}");
        // What a file holds does not act on a terminal.
        std::fs::write(&path, BY_HAND.replace("kept", "\"\\u001b[2J\"")).unwrap();
        let hostile = Mask::load(&path).unwrap_err().to_string();
        assert!(hostile.contains(r"unknown field `\u{1b}[2J`"), "{hostile}");
        std::fs::write(&path, BY_HAND.replace("kept", "\0")).unwrap();
        let hostile = Mask::load(&path).unwrap_err().to_string();
        assert!(!hostile.contains(char::is_control), "{hostile}");
    }

    proptest! {
        #[test]
        fn ranges_round_trip(kept in prop::collection::vec(any::<bool>(), 1..60)) {
            prop_assert_eq!(parse_ranges(&ranges(&kept), kept.len()).unwrap(), kept);
        }

        #[test]
        fn no_text_panics(text in "[0-9, -]{0,30}") {
            let _ = parse_ranges(&text, 50);
        }
    }
}
