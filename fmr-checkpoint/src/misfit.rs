//! The difference between the weights of a file and those that a model needs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::shown;

/// All differences between the weights of a file and those that a model needs.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Misfit {
    /// The file.
    pub path: PathBuf,
    /// What the file looks like, with its article, when it is recognised: "an open_clip ViT-B/16".
    pub looks_like: Option<String>,
    /// What was asked for, with its article: "a CLIP ViT-B/32".
    pub wanted: String,
    /// Keys that the model needs and the file lacks, in the model's order.
    pub missing: Vec<String>,
    /// Keys that the file holds and the model does not know, in the file's order.
    pub unexpected: Vec<String>,
    /// Keys whose shape differs, in the model's order.
    pub misshapen: Vec<Misshapen>,
    /// Tensors of the file that hold something other than floating-point numbers, in the file's order. Counters and
    /// indices are such tensors in every checkpoint; weights are where the file is quantised.
    pub integers: Vec<OtherType>,
}

/// One tensor whose shape is not the one that the model needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misshapen {
    /// The parameter's name.
    pub key: String,
    /// Its shape in the file.
    pub found: Vec<usize>,
    /// The shape that the model needs.
    pub expected: Vec<usize>,
}

/// One tensor that does not hold floating-point numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherType {
    /// The parameter's name.
    pub key: String,
    /// Its type in the file.
    pub dtype: crate::Dtype,
}

impl fmt::Display for Misshapen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = shown::escaped(&self.key, shown::KEY);
        write!(f, "{key} is {:?} instead of {:?}", self.found, self.expected)
    }
}

impl fmt::Display for OtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", shown::escaped(&self.key, shown::KEY), self.dtype)
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = shown::escaped(&self.wanted, shown::MESSAGE);
        let path = shown::path(&self.path);
        match &self.looks_like {
            Some(found) => {
                let found = shown::escaped(found, shown::MESSAGE);
                write!(f, "{path} looks like {found}, but {wanted} is asked for")?;
            }
            None => write!(f, "{path} does not hold the weights of {wanted}")?,
        }
        let name = |key: &String| shown::escaped(key, shown::KEY).to_string();
        first_few(f, "missing", &self.missing, name)?;
        first_few(f, "misshapen", &self.misshapen, Misshapen::to_string)?;
        first_few(f, "unexpected", &self.unexpected, name)?;
        if let Some(hint) = self.hint() {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Misfit({self})")
    }
}

impl Misfit {
    /// What explains the missing keys, and what to do.
    fn hint(&self) -> Option<String> {
        if self.missing.is_empty() {
            return None;
        }
        if let Some(prefix) = self.common_prefix() {
            return Some(format!("they stand below {}: set prefix to it", shown::key(prefix)));
        }
        if self.is_shard() {
            return Some("the file is one of several shards: name their index (….index.json) or their folder".into());
        }
        let quantised: Vec<&OtherType> = self.integers.iter().filter(|tensor| tensor.is_weight()).collect();
        if quantised.is_empty() {
            return None;
        }
        let first = shown::first_few(&quantised, 3, |tensor| tensor.to_string());
        Some(format!(
            "{} tensors are integers or quantised ({first}), which cannot be used: fetch the file in floating point",
            quantised.len()
        ))
    }

    /// What stands before every missing key among the unexpected ones; the longest where there are several.
    fn common_prefix(&self) -> Option<&str> {
        let wanted = self.missing.first()?;
        let mut found: BTreeMap<&str, usize> = BTreeMap::new();
        for key in &self.unexpected {
            if let Some(prefix) = key.strip_suffix(wanted.as_str()).filter(|prefix| prefix.ends_with('.')) {
                found.insert(prefix, 0);
            }
        }
        // A key is below few prefixes at once: levels of one name.
        const PREFIXES: usize = 8;
        let candidates: Vec<&str> = found.into_keys().take(PREFIXES).collect();
        let known: std::collections::HashSet<&str> = self.unexpected.iter().map(String::as_str).collect();
        candidates.into_iter().find(|prefix| {
            let mut key = String::new();
            self.missing.iter().all(|name| {
                key.clear();
                key.push_str(prefix);
                key.push_str(name);
                known.contains(key.as_str())
            })
        })
    }

    /// Whether the file's name is that of one shard: `model-00001-of-00002.safetensors`.
    fn is_shard(&self) -> bool {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let number = |text: &str| text.len() >= 5 && text.bytes().all(|b| b.is_ascii_digit());
        stem.rsplit_once("-of-")
            .is_some_and(|(start, of)| number(of) && start.rsplit_once('-').is_some_and(|(_, shard)| number(shard)))
    }
}

impl OtherType {
    /// Whether a tensor is one of a layer's weights rather than a counter or a table of indices.
    fn is_weight(&self) -> bool {
        const ENDS: &[&str] = &["weight", "bias", "qweight", "weight_packed", "_packed_params"];
        let last = self.key.rsplit('.').next().unwrap_or_default();
        ENDS.contains(&last) || !matches!(self.dtype, crate::Dtype::I64 | crate::Dtype::Bool)
    }
}

/// Writes "; 7 missing: a, b, c, …", or nothing for an empty list.
fn first_few<T>(f: &mut fmt::Formatter<'_>, label: &str, items: &[T], show: impl Fn(&T) -> String) -> fmt::Result {
    const SHOWN: usize = 3;
    if items.is_empty() {
        return Ok(());
    }
    write!(f, "; {} {label}: {}", items.len(), shown::first_few(items, SHOWN, show))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misfit(missing: &[&str], unexpected: &[&str]) -> Misfit {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Misfit { wanted: "a toy".into(), missing: owned(missing), unexpected: owned(unexpected), ..Misfit::default() }
    }

    #[test]
    fn a_prefix_that_explains_everything_is_told() {
        let text = misfit(&["a", "b.c"], &["model.a", "model.b.c", "loss.a"]).to_string();
        assert!(text.ends_with("they stand below \"model.\": set prefix to it"), "{text}");
        assert!(misfit(&["a", "b"], &["model.a", "teacher.b"]).hint().is_none());
    }

    #[test]
    fn quantised_weights_and_single_shards_are_told() {
        let integer = |key: &str, dtype| OtherType { key: key.into(), dtype };
        let mut quantised = misfit(&["a.weight"], &[]);
        quantised.integers = vec![integer("a.steps", crate::Dtype::I64), integer("a.weight", crate::Dtype::I8)];
        let text = quantised.to_string();
        assert!(text.contains("1 tensors are integers or quantised (a.weight is i8)"), "{text}");
        let mut shard = misfit(&["a"], &[]);
        shard.path = "model-00001-of-00002.safetensors".into();
        assert!(shard.to_string().contains("one of several shards"));
    }

    #[test]
    fn hostile_keys_are_escaped_and_cut() {
        let long = "\u{1b}[2J".repeat(100_000);
        let mut hostile = misfit(&[], &[&long, &long, &long, &long]);
        hostile.misshapen = vec![Misshapen { key: long.clone(), found: vec![], expected: vec![1] }];
        hostile.looks_like = Some(long);
        for text in [hostile.to_string(), format!("{hostile:?}")] {
            assert!(text.len() < 3000 && !text.contains('\u{1b}'), "{} bytes", text.len());
        }
    }
}
