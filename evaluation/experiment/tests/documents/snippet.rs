//! What a TOML snippet must be, by what its fence says.
//!
//! - `toml`: a whole experiment file.
//! - `toml fragment`: some tables of one, which [`frame`] completes.
//! - `toml manifest`: a part of a `Cargo.toml`.
//! - `toml mask`: a mask's file.

use std::path::Path;

use fmr_experiment::{Changes, Experiment};
use toml::{Table, Value};

/// Parses a snippet, or says what is wrong with it.
pub(crate) fn parse(kind: &str, text: &str) -> Result<(), String> {
    match kind {
        "" => experiment(text.to_owned()),
        "fragment" => experiment(completed(text)?),
        "manifest" => manifest(text),
        "mask" => mask(text),
        other => Err(format!("`toml {other}` is no known kind of snippet; see tests/documents/snippet.rs")),
    }
}

fn experiment(text: String) -> Result<(), String> {
    let parsed = Experiment::parse(Path::new("snippet.toml"), text, Path::new("/base"), &Changes::default());
    parsed.map(|_| ()).map_err(|error| error.to_string())
}

/// A sound file without rows.
fn frame() -> Table {
    let text = r#"
        [data.images]
        kind = "images"
        path = "images"
        [targets.lenet]
        kind = "zoo"
        [generators.vqgan]
        kind = "vqgan"
        [oracles.clip]
        kind = "clip"
    "#;
    text.parse().unwrap()
}

/// The fragment within the frame. Where it has no rows, rows use everything that it names.
fn completed(fragment: &str) -> Result<String, String> {
    let mut fragment: Table = fragment.parse().map_err(|e: toml::de::Error| e.to_string())?;
    // The frame stands for the file that it extends.
    fragment.remove("extends");
    if fragment.is_empty() {
        return Err("it says nothing".to_owned());
    }
    let mut whole = frame();
    for (key, value) in fragment {
        match (whole.get_mut(&key), value) {
            (Some(Value::Table(tables)), Value::Table(more)) => tables.extend(more),
            (_, value) => {
                whole.insert(key, value);
            }
        }
    }
    if !whole.contains_key("rows") {
        let roles = [("data", "data"), ("targets", "target"), ("generators", "generator"), ("oracles", "oracle")];
        let mut row = Table::new();
        for (tables, role) in roles.into_iter().chain([("masks", "mask")]) {
            if let Some(Value::Table(tables)) = whole.get(tables) {
                let names = tables.keys().cloned().map(Value::String).collect();
                row.insert(role.to_owned(), Value::Array(names));
            }
        }
        whole.insert("rows".to_owned(), Value::Array(vec![Value::Table(row)]));
    }
    toml::to_string(&whole).map_err(|e| e.to_string())
}

fn mask(text: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("snippet.mask");
    std::fs::write(&file, text).unwrap();
    fmr_mask::Mask::load(&file).map(|_| ()).map_err(|error| error.to_string())
}

/// Names this workspace's crates, in a version that it has.
fn manifest(text: &str) -> Result<(), String> {
    let manifest: Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
    let workspace = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml")).unwrap();
    let workspace: Value = toml::from_str(&workspace).unwrap();
    let ours = workspace["workspace"]["dependencies"].as_table().unwrap();
    let present = workspace["workspace"]["package"]["version"].as_str().unwrap();
    let sections = ["dependencies", "dev-dependencies"].map(|section| manifest.get(section).and_then(Value::as_table));
    let mut found = false;
    for (name, dependency) in sections.into_iter().flatten().flatten() {
        found = true;
        if !name.starts_with("fmr-") {
            continue;
        }
        if !ours.contains_key(name) {
            return Err(format!("there is no crate {name}"));
        }
        let version = dependency.get("version").unwrap_or(dependency).as_str().unwrap_or_default();
        if version.is_empty() || !present.starts_with(version) {
            return Err(format!("{name} is asked for in version {version:?}, the present one is {present}"));
        }
    }
    if found { Ok(()) } else { Err("it names no dependency".to_owned()) }
}
