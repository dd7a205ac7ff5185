//! What plugins there are.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::error::PluginError;
use super::library::Library;
use super::plugins::Plugins;

/// All libraries of a search path, the refused ones too. Prints as a table for people.
#[derive(Debug)]
pub struct Listing {
    /// The folders that were searched.
    pub folders: Vec<PathBuf>,
    /// What was found in them.
    pub libraries: Vec<Result<Arc<Library>, PluginError>>,
}

/// Loads and lists every library of the search path. **This runs code of each.**
pub fn list(plugins: &Plugins) -> Listing {
    let libraries = plugins.load_all().into_iter().map(|(_, result)| result).collect();
    Listing { folders: plugins.search.0.clone(), libraries }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.libraries.is_empty() {
            writeln!(f, "No plugins. Searched:")?;
            return self.folders.iter().try_for_each(|folder| writeln!(f, "  {}", folder.display()));
        }
        for library in &self.libraries {
            match library {
                Ok(library) => write!(f, "{library}")?,
                Err(error) => writeln!(f, "refused: {error}\n")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.abi();
        writeln!(f, "{} {} (interface {major}.{minor})", self.name(), self.version())?;
        writeln!(f, "  file    {}", self.path().display())?;
        if !self.sha256().is_empty() {
            writeln!(f, "  sha256  {}", self.sha256())?;
        }
        for offer in self.offers() {
            writeln!(f, "  {:<9} {}", offer.role.name(), offer.name)?;
            for line in settings(offer.schema) {
                writeln!(f, "    {line}")?;
            }
        }
        writeln!(f)
    }
}

/// A line for each setting of a JSON Schema.
fn settings(schema: &str) -> Vec<String> {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let required = |key: &str| schema["required"].as_array().is_some_and(|r| r.iter().any(|k| k == key));
    let Some(properties) = schema["properties"].as_object() else { return vec![] };
    let line = |(key, value): (&String, &Value)| {
        format!("{key}: {}{}", kind(value), if required(key) { ", required" } else { "" })
    };
    properties.iter().map(line).collect()
}

fn kind(schema: &Value) -> String {
    if let Some(choices) = schema["enum"].as_array() {
        return choices.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ");
    }
    match schema["type"].as_str() {
        Some("string") if schema["format"] == "path" => "path".into(),
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("object") => "table".into(),
        Some(other) => other.into(),
        None => "any".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::settings;

    #[test]
    fn settings_read_like_a_manual() {
        let schema = r#"{"properties": {"mean": {"type": "array", "items": {"type": "number"}},
            "mode": {"enum": ["a", "b"]}, "any": {}, "t": {"type": "object"}}, "required": ["mode"]}"#;
        insta::assert_snapshot!(settings(schema).join("\n"), @r#"
        any: any
        mean: list of number
        mode: "a" or "b", required
        t: table
        "#);
        assert!(settings("").is_empty());
    }
}
