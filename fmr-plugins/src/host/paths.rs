//! Settings that are files: those that a component's schema says are of `"format": "path"`.

use fmr_core::registry::{MakeContext, NamedFile, Settings};
use fmr_core::setting::join;
use serde_json::Value;

/// Calls `f` with the dotted key and the value of every setting that is a path, wherever it is in the table.
fn each(schema: &Value, value: &mut Value, key: &str, f: &mut dyn FnMut(&str, &mut String)) {
    match value {
        Value::String(path) if schema["format"] == "path" => f(key, path),
        Value::Array(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                each(&schema["items"], item, &format!("{key}[{i}]"), f);
            }
        }
        Value::Object(table) => {
            for (name, item) in table {
                let own = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                each(own, item, &join(key, name), f);
            }
        }
        _ => {}
    }
}

/// The files and folders that the settings name, for the program to look for.
pub(super) fn named(schema: &str, settings: &Settings, context: &MakeContext<'_>) -> Vec<NamedFile> {
    let mut files = vec![];
    let mut table = Value::Object(settings.0.clone());
    each(&parsed(schema), &mut table, "", &mut |key, path| {
        files.push(NamedFile { key: key.to_owned(), path: context.path(path.as_ref()), published: None });
    });
    files
}

/// The settings as JSON with those paths made absolute: a plugin need not know where the experiment lies.
///
/// # Errors
/// The path that cannot be told because it is not UTF-8, or because there is no current folder.
pub(super) fn resolved(schema: &str, settings: &Settings, context: &MakeContext<'_>) -> Result<String, String> {
    let mut problem = None;
    let mut table = Value::Object(settings.0.clone());
    each(&parsed(schema), &mut table, "", &mut |key, path| {
        let whole = std::path::absolute(context.path(path.as_ref())).ok();
        match whole.as_ref().and_then(|whole| whole.to_str()) {
            Some(whole) => whole.clone_into(path),
            None => problem = Some(format!("{key}: the folder of {path:?} has no name in UTF-8")),
        }
    });
    problem.map_or_else(|| Ok(table.to_string()), Err)
}

/// A schema was checked when its library was loaded.
fn parsed(schema: &str) -> Value {
    serde_json::from_str(schema).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type": "object", "properties": {
        "weights": {"type": "string", "format": "path"},
        "name": {"type": "string"},
        "shards": {"type": "array", "items": {"type": "string", "format": "path"}},
        "judge": {"type": "object", "properties": {"weights": {"type": "string", "format": "path"}}},
        "parts": {"type": "object", "additionalProperties": {"type": "string", "format": "path"}}}}"#;

    fn settings() -> Settings {
        let json = r#"{"weights": "w.bin", "name": "w.bin", "shards": ["a", "/b"], "judge": {"weights": "../j"},
            "parts": {"one": "p"}, "other": "x"}"#;
        Settings(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn paths_are_named_wherever_they_are() {
        let context = MakeContext::alone([3, 4, 5]).with_base("/base");
        let files = named(SCHEMA, &settings(), &context);
        let mut files: Vec<(&str, &str)> = files.iter().map(|f| (f.key.as_str(), f.path.to_str().unwrap())).collect();
        files.sort_unstable();
        let wanted = [
            ("judge.weights", "/base/../j"),
            ("parts.one", "/base/p"),
            ("shards[0]", "/base/a"),
            ("shards[1]", "/b"),
            ("weights", "/base/w.bin"),
        ];
        assert_eq!(files, wanted);
        assert!(named("", &settings(), &context).is_empty());
    }

    #[test]
    fn paths_are_handed_over_absolute() {
        let context = MakeContext::alone([3, 4, 5]).with_base("here");
        let table: Value = serde_json::from_str(&resolved(SCHEMA, &settings(), &context).unwrap()).unwrap();
        let here = std::env::current_dir().unwrap().join("here");
        assert_eq!(table["weights"], here.join("w.bin").to_str().unwrap());
        assert_eq!(
            (&table["name"], &table["other"], &table["shards"][1]),
            (&"w.bin".into(), &"x".into(), &"/b".into())
        );
    }
}
