//! Oracles of one file for the rows of another.

use std::path::Path;

use serde_json::Value;

use super::error::ConfigError;
use super::experiment::text_of;
use super::inherit::Document;

/// The `[oracles.NAME]` tables of a TOML file, which need hold nothing else: names and tables, ready to be laid on an
/// experiment that lies elsewhere. A text that names a file or a folder beside this one, and any `weights`, becomes an
/// absolute path; each table gets its name as label where it has none.
///
/// # Errors
/// The file cannot be read, is no TOML, or holds no such table.
pub fn oracle_tables(file: &Path) -> Result<Vec<(String, Value)>, ConfigError> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let Document { source, root, base } = Document::read(file, text_of(file)?, folder)?;
    let base = std::path::absolute(base.join(".")).unwrap_or(base);
    let Some(tables) = root.get("oracles").filter(|tables| !tables.is_table() || tables.entries().next().is_some())
    else {
        let help = "an oracle has an [oracles.NAME] table, as in an experiment file".to_owned();
        return Err(source.error(None, "the file has no [oracles.NAME] table", Some(help)));
    };
    tables.expect_table(&source, "oracles")?;
    let mut found = Vec::new();
    for (name, table) in tables.entries() {
        table.expect_table(&source, &format!("oracles.{name}"))?;
        let mut value = table.to_json();
        absolute(&mut value, &base);
        if let Value::Object(table) = &mut value {
            table.entry("label").or_insert_with(|| name.into());
        }
        found.push((name.to_owned(), value));
    }
    Ok(found)
}

fn absolute(value: &mut Value, base: &Path) {
    match value {
        Value::Object(table) => {
            for (key, value) in table.iter_mut() {
                match value {
                    Value::String(text) if key == "weights" => *text = base.join(&*text).to_string_lossy().into_owned(),
                    value => absolute(value, base),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| absolute(item, base)),
        Value::String(text) if !text.is_empty() && base.join(&*text).exists() => {
            *text = base.join(&*text).to_string_lossy().into_owned();
        }
        _ => {}
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn tables_of_a_file_can_be_read_from_elsewhere() {
        let folder = std::env::temp_dir().join(format!("fmr-oracle-tables-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("models")).unwrap();
        std::fs::write(folder.join("models/judge.json"), "{}").unwrap();
        let file = folder.join("oracles.toml");
        let text = "[oracles.judge]\nkind = \"clip\"\nweights = \"models/judge.safetensors\"\nconfig = \"models/judge.json\"\n\
                    templates = [\"a photo\"]\n[oracles.other]\nlabel = \"Other\"\nkind = \"classifier\"\nmembers = [{ weights = \"/a\" }]\n";
        std::fs::write(&file, text).unwrap();
        let tables = oracle_tables(&file).unwrap();
        let names: Vec<&str> = tables.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["judge", "other"]);
        let (judge, other) = (&tables[0].1, &tables[1].1);
        for key in ["weights", "config"] {
            let path = Path::new(judge[key].as_str().unwrap());
            assert!(path.is_absolute() && path.starts_with(&folder), "{path:?}");
        }
        assert_eq!((judge["kind"].as_str(), judge["label"].as_str()), (Some("clip"), Some("judge")));
        assert_eq!((other["label"].as_str(), other["members"][0]["weights"].as_str()), (Some("Other"), Some("/a")));
        std::fs::write(&file, "name = \"none\"\n").unwrap();
        assert!(oracle_tables(&file).unwrap_err().to_string().contains("no [oracles.NAME] table"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
