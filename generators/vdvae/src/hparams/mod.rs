//! The configuration that a run of Efficient-VDVAE archives: INI sections of Python expressions.

mod expression;
mod token;

use std::collections::BTreeMap;

use fmr_checkpoint::shown;
use serde_json::{Map, Value as Json};

use crate::config::VdvaeConfig;
use expression::{Budget, evaluate};

/// Bytes that a configuration may have.
pub(crate) const LONGEST: u64 = 256 << 10;

/// The entries that a model depends on, by section. Upstream's other entries, and unknown ones, are never evaluated.
const USED: &[(&str, &[&str])] = &[
    ("data", &["dataset_source", "target_res", "channels", "num_bits"]),
    (
        "model",
        &[
            "stable_init",
            "initialize_prior_weights_as_zero",
            "use_1x1_conv",
            "distribution_base",
            "output_distribution_base",
            "gradient_smoothing_beta",
            "output_gradient_smoothing_beta",
            "use_residual_distribution",
            "input_conv_filters",
            "input_kernel_size",
            "up_strides",
            "up_n_blocks_per_res",
            "up_n_blocks",
            "up_n_layers",
            "up_filters",
            "up_mid_filters_ratio",
            "up_kernel_size",
            "up_skip_filters",
            "down_strides",
            "down_n_blocks_per_res",
            "down_n_blocks",
            "down_n_layers",
            "down_filters",
            "down_mid_filters_ratio",
            "down_kernel_size",
            "down_latent_variates",
            "output_kernel_size",
            "num_output_mixtures",
        ],
    ),
    ("loss", &["min_mol_logscale"]),
    ("synthesis", &["variate_masks_quantile"]),
];

/// Upstream's code reads this spelling, its files write the other. Where a file has both, the code's counts.
const CODE_SPELLING: &str = "variates_masks_quantile";

/// Reads a configuration.
///
/// # Errors
/// A sentence: what is no such file, which entry cannot be read, is missing, or is of the wrong kind.
pub(crate) fn parse(text: &str) -> Result<VdvaeConfig, String> {
    let entries = entries(text)?;
    let mut budget = Budget::default();
    let mut found = Map::new();
    for (section, keys) in USED {
        for key in *keys {
            let code = (*key == "variate_masks_quantile").then(|| entries.get(&(section, CODE_SPELLING))).flatten();
            let Some(text) = code.or_else(|| entries.get(&(section, *key))) else { continue };
            let value = evaluate(text.trim(), &mut budget).map_err(|e| format!("[{section}] {key}: {e}"))?;
            found.insert((*key).to_owned(), value.into_json());
        }
    }
    if !found.contains_key("up_strides") {
        return Err("it is no configuration of an Efficient-VDVAE: [model] has no up_strides".to_owned());
    }
    serde_json::from_value(Json::Object(found)).map_err(|e| shown::escaped(&e.to_string(), shown::MESSAGE).to_string())
}

/// The texts of the entries that are used, by section and key, keys in lower case.
fn entries(text: &str) -> Result<BTreeMap<(&'static str, &'static str), String>, String> {
    let mut entries: BTreeMap<(&str, &str), String> = BTreeMap::new();
    let mut section = "";
    // The entry that further lines, which are indented, belong to: at first none, and of an entry that nobody uses, no key.
    let mut current: Option<Option<(&'static str, &'static str)>> = None;
    for (number, line) in text.lines().enumerate() {
        let at = number + 1;
        let content = line.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        if let (true, Some(key)) = (line.starts_with(char::is_whitespace), current) {
            if let Some(entry) = key.and_then(|key| entries.get_mut(&key)) {
                entry.push('\n');
                entry.push_str(content);
            }
            continue;
        }
        if let Some(name) = content.strip_prefix('[') {
            section = name.strip_suffix(']').ok_or_else(|| format!("line {at}: a section's name has no end"))?;
            current = None;
            continue;
        }
        let (key, value) = content.split_once(['=', ':']).ok_or_else(|| {
            format!("line {at}: {} is neither a section nor `key = value`", shown::quoted(content, shown::TEXT))
        })?;
        let key = used(section, &key.trim().to_lowercase());
        current = Some(key);
        if let Some(key) = key
            && entries.insert(key, value.trim().to_owned()).is_some()
        {
            return Err(format!("line {at}: [{}] {} is given twice", key.0, key.1));
        }
    }
    Ok(entries)
}

/// The table's own words for an entry that is used.
fn used(section: &str, key: &str) -> Option<(&'static str, &'static str)> {
    let (section, keys) = USED.iter().find(|(name, _)| *name == section)?;
    let key = if key == CODE_SPELLING { Some(&CODE_SPELLING) } else { keys.iter().find(|name| **name == key) };
    key.map(|key| (*section, *key))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Kernel;

    const TEXT: &str = include_str!("../../tests/excerpt/hparams.cfg");

    #[test]
    fn archived_configurations_are_read() {
        let config = parse(TEXT).unwrap();
        assert_eq!(config.up_strides, [2, 1, 2, 2, 4, 1]);
        assert_eq!(config.up_kernel_size[0], Kernel::Square(3));
        assert_eq!(config.input_kernel_size, Kernel::Sides([1, 1]));
        assert_eq!((config.target_res, config.variate_masks_quantile), (32, Some(0.4)));
        config.check().unwrap();
    }

    proptest::proptest! {
        /// Files with a piece replaced by anything, and anything: a model or a sentence, never a panic.
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}", cut in 0_usize..2000, length in 0_usize..40) {
            let _ = parse(&text);
            let chars: Vec<char> = TEXT.chars().collect();
            let (start, end) = (cut.min(chars.len()), (cut + length).min(chars.len()));
            let pieced: String = chars[..start].iter().copied().chain(text.chars()).chain(chars[end..].iter().copied()).collect();
            if let Err(e) = parse(&pieced).map(|config| config.check()) {
                proptest::prop_assert!(e.len() < 1000 && !e.chars().any(|c| c.is_control()), "{e:?}");
            }
        }
    }

    #[test]
    fn both_spellings_of_the_quantile_and_further_lines() {
        let one = TEXT.replace("variates_masks_quantile = 0.4", "");
        assert_eq!(parse(&one).unwrap().variate_masks_quantile, Some(0.4));
        let both = TEXT.replace("variate_masks_quantile = 0.4", "variate_masks_quantile = 0.03");
        assert_eq!(parse(&both).unwrap().variate_masks_quantile, Some(0.4));
        let lines = TEXT.replace("up_strides = [2] + ", "UP_STRIDES = [2] +\n  ");
        assert_ne!(lines, TEXT);
        assert_eq!(parse(&lines).unwrap(), parse(TEXT).unwrap());
    }

    #[test]
    fn what_is_wrong_names_line_and_entry() {
        let wrong = |from: &str, to: &str| parse(&TEXT.replace(from, to)).unwrap_err();
        assert!(wrong("up_n_blocks = [1] * 6", "up_n_blocks = [1] * ").starts_with("[model] up_n_blocks: it ends"));
        assert!(wrong("target_res = 32", "target_res = 'large'").contains("invalid type"));
        assert!(wrong("target_res = 32", "").contains("missing field `target_res`"));
        assert!(wrong("target_res = 32", "target_res = 32\ntarget_res = 32").contains("is given twice"));
        assert!(parse("no = 1").unwrap_err().contains("no configuration of an Efficient-VDVAE"));
        let long = parse(&"\u{1b}".repeat(100_000)).unwrap_err();
        assert!(long.len() < 500 && !long.contains('\u{1b}'), "{long}");
        // Entries that nobody uses are not looked at.
        assert!(parse(&TEXT.replace("batch_size = 1\n", "batch_size = [0] * 1000000000\n")).is_ok());
    }
}
