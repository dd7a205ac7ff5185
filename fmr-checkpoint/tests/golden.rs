//! Every checkpoint of the fixtures opens, and is what its `case.toml` says.
//!
//! The fixtures lie in the folder that `FMR_GOLDEN` names, or in `shared/golden` beside the repository.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};

use fmr_checkpoint::{Checkpoint, Container, Scalar, Selection, Weights};
use toml::{Table, Value};

/// The folders whose cases hold checkpoints.
const COMPONENTS: &[&str] = &["vqgan", "clip", "targets", "diffusion", "vdvae", "stylegan"];

struct Case {
    folder: PathBuf,
    table: Table,
}

impl Case {
    fn name(&self) -> String {
        self.folder.display().to_string()
    }

    /// Every table that describes a checkpoint, with the file's name under `file`.
    fn checkpoints(&self) -> Vec<Table> {
        let mut found = Vec::new();
        let mut named = |file: &Value| {
            found.push(Table::from_iter([("file".to_owned(), file.clone())]));
        };
        match self.table.get("checkpoint") {
            Some(file @ Value::String(_)) => named(file),
            Some(Value::Table(table)) => found.push(table.clone()),
            Some(Value::Array(tables)) => {
                found.extend(tables.iter().filter_map(Value::as_table).cloned());
            }
            _ => {}
        }
        if let Some(Value::Table(files)) = self.table.get("files")
            && let Some(Value::String(file)) = files.get("checkpoint")
        {
            let mut table = files.clone();
            table.insert("file".into(), file.clone().into());
            found.push(table);
        }
        found
    }

    /// The tables of the tensors in `io.safetensors`.
    fn tensors(&self) -> Vec<&Table> {
        let tensors = self.table.get("tensor").and_then(Value::as_array);
        let tensors = tensors.into_iter().flatten().filter_map(Value::as_table);
        tensors.filter(|t| t.contains_key("name") && t.contains_key("shape")).collect()
    }
}

/// The cases of each component folder that exists; empty, with a notice, if there are no fixtures.
fn cases() -> Vec<(String, Vec<Case>)> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/golden");
    let root = env::var_os("FMR_GOLDEN").map_or(PathBuf::from(default), PathBuf::from);
    let folders = COMPONENTS.iter().map(|name| (*name, root.join(name)));
    let folders: Vec<_> = folders.filter(|(_, folder)| folder.is_dir()).collect();
    if folders.is_empty() {
        fmr_golden::skip("golden", format_args!("{} holds no checkpoint fixtures", root.display()));
    }
    let cases = |folder: &Path| -> Vec<Case> {
        let mut entries: Vec<_> = folder.read_dir().unwrap().map(|e| e.unwrap().path()).collect();
        entries.sort();
        let cases = entries.into_iter().filter_map(|folder| {
            let text = std::fs::read_to_string(folder.join("case.toml")).ok()?;
            Some(Case { folder, table: text.parse().unwrap() })
        });
        cases.collect()
    };
    folders.iter().map(|(name, folder)| ((*name).to_owned(), cases(folder))).collect()
}

/// Opens the file of a checkpoint's table; `None` if the case says that it is not stored.
fn open(case: &Case, table: &Table) -> Option<Checkpoint> {
    let file = table["file"].as_str().unwrap();
    let path = case.folder.join(file);
    if !path.exists() && (file.starts_with('(') || table.contains_key("sha256")) {
        println!("{}: {file} is not part of the fixtures", case.name());
        return None;
    }
    Some(Checkpoint::open(&path).unwrap_or_else(|error| panic!("{}: {error}", case.name())))
}

#[test]
fn golden_checkpoints_are_what_their_cases_say() {
    let (mut files, mut values, mut facts) = (0, 0, 0);
    for (component, cases) in cases() {
        let mut understood = 0;
        for case in &cases {
            understood += usize::from(case.folder.join("io.safetensors").exists());
            let mut opened = Vec::new();
            for table in case.checkpoints() {
                let Some(checkpoint) = open(case, &table) else {
                    continue;
                };
                assert!(!checkpoint.tensors().is_empty(), "{}", case.name());
                for tensor in checkpoint.tensors() {
                    let (shape, read) = checkpoint.tensor_f32(tensor.key()).unwrap();
                    assert_eq!(shape.iter().product::<usize>(), read.len());
                    values += read.len();
                }
                facts += check_facts(&case.name(), &table, &checkpoint);
                files += 1;
                understood += 1;
                opened.push(checkpoint);
            }
            facts += check_equal(&case.name(), &opened);
        }
        assert!(understood > 0, "no case of {component} is understood");
    }
    println!("{files} checkpoints opened, {values} values read, {facts} facts compared");
}

/// Compares what a checkpoint's table states; returns how many facts it stated.
fn check_facts(case: &str, table: &Table, checkpoint: &Checkpoint) -> usize {
    let mut facts = 0;
    let mut fact = |holds: bool, what: String| {
        assert!(holds, "{case}: {}: {what}", checkpoint.path().display());
        facts += 1;
    };
    let container = checkpoint.container();
    let zip = matches!(container, Container::TorchZip | Container::TorchScript);
    match table.get("format").and_then(Value::as_str) {
        Some("zip") => fact(zip, format!("{container} is no zip archive")),
        Some("legacy") => fact(container == Container::TorchLegacy, format!("{container} is not legacy")),
        _ => {}
    }
    match table.get("container").and_then(Value::as_str) {
        Some("jit") => fact(container == Container::TorchScript, format!("{container} is no TorchScript")),
        Some("safetensors") => fact(container == Container::Safetensors, format!("{container}")),
        _ => {}
    }
    if let Some(prefix) = table.get("prefix").and_then(Value::as_str) {
        let found = checkpoint.weights(&Selection::default()).unwrap();
        let found = found.prefix();
        fact(found.ends_with(prefix), format!("prefix {found:?} instead of {prefix:?}"));
    }
    if let Some(Value::Array(levels)) = table.get("top_level") {
        let keys = checkpoint.tensors().iter().map(|tensor| tensor.key());
        let keys = keys.chain(checkpoint.metadata().iter().map(|(key, _)| &**key));
        let found: BTreeSet<&str> = keys.filter_map(|key| key.split('.').next()).collect();
        // A level that holds nothing but empty containers has no entries to list.
        let stated: BTreeSet<&str> = levels.iter().filter_map(Value::as_str).collect();
        fact(found.is_subset(&stated), format!("levels {found:?} instead of {stated:?}"));
    }
    let top_level = |key: &str| checkpoint.weights(&Selection::default().under(key));
    for (name, stated) in table {
        match stated {
            Value::Integer(n) if checkpoint.scalar(name).is_some() => {
                let found = checkpoint.scalar(name);
                fact(found == Some(&Scalar::Int(*n)), format!("{name} = {found:?}"));
            }
            Value::Integer(n) if name == "tensors_per_state_dict" => {
                let levels = table["top_level"].as_array().unwrap().iter();
                for level in levels.filter_map(Value::as_str).filter(|l| l.ends_with("model_state_dict")) {
                    let found = top_level(level).unwrap().keys().count();
                    fact(found as i64 == *n, format!("{level} holds {found} tensors"));
                }
            }
            _ => {}
        }
    }
    if let Some(Value::Array(keys)) = table.get("keys") {
        for key in keys.iter().filter_map(Value::as_str) {
            let (key, note) = key.split_once(' ').unwrap_or((key, ""));
            let tensor = checkpoint.get(key);
            let typed = tensor.is_some_and(|t| !note.contains("int64") || t.dtype().to_string() == "i64");
            fact(typed, format!("{key} {note}"));
        }
    }
    facts
}

/// Checkpoints of one case with the same parameter names hold the same weights; returns the number of values.
fn check_equal(case: &str, checkpoints: &[Checkpoint]) -> usize {
    let opened: Vec<_> =
        checkpoints.iter().map(|checkpoint| checkpoint.weights(&Selection::default()).unwrap()).collect();
    let names = |weights: &Weights<'_>| weights.keys().map(str::to_owned).collect::<BTreeSet<_>>();
    let mut compared = 0;
    for (index, weights) in opened.iter().enumerate() {
        let alike = opened[..index].iter().find(|other| names(other) == names(weights));
        let Some(other) = alike else { continue };
        for (name, tensor) in weights.iter() {
            let here = weights.checkpoint().tensor_f32(tensor.key()).unwrap();
            let there = other.checkpoint().tensor_f32(other.get(name).unwrap().key()).unwrap();
            assert_eq!(here, there, "{case}: {name}");
            compared += here.1.len();
        }
    }
    compared
}

#[test]
fn golden_converted_generators_equal_their_pickles() {
    let (mut tensors, mut values) = (0, 0);
    for (_, cases) in cases() {
        for case in &cases {
            let entry = |key: &str| case.table.get(key).and_then(Value::as_str);
            let (Some(converted), Some(original), Some(key)) =
                (entry("converted"), entry("checkpoint"), entry("checkpoint_key"))
            else {
                continue;
            };
            let converted = Checkpoint::open(case.folder.join(converted)).unwrap();
            let original = Checkpoint::open(case.folder.join(original)).unwrap();
            let weights = original.weights(&Selection::default().under(key)).unwrap();
            assert_eq!(weights.prefix(), format!("{key}."));
            assert_eq!(weights.keys().count(), converted.tensors().len(), "{}", case.name());
            for tensor in converted.tensors() {
                let full = format!("{key}.{}", tensor.key());
                let found = original.tensor_f32(&full).unwrap();
                assert_eq!(found, converted.tensor_f32(tensor.key()).unwrap(), "{full}");
                tensors += 1;
                values += found.1.len();
            }
        }
    }
    println!("{tensors} tensors with {values} values are equal");
}

#[test]
fn golden_checkpoints_cut_short_or_altered_never_panic() {
    const LARGEST: usize = 1 << 20;
    const CHANGES: usize = 48;
    let (mut cuts, mut flips) = (0, 0);
    for (_, cases) in cases() {
        for case in &cases {
            for table in case.checkpoints() {
                let path = case.folder.join(table["file"].as_str().unwrap());
                let Ok(bytes) = std::fs::read(&path) else {
                    continue;
                };
                if bytes.len() > LARGEST {
                    continue;
                }
                for n in 0..CHANGES {
                    let cut = Checkpoint::from_bytes(&path, bytes[..bytes.len() * n / CHANGES].to_vec());
                    assert!(cut.is_err(), "{}: cut at {n}/{CHANGES}", case.name());
                    cuts += 1;
                    // An even spread over the file, which starts with the structure or ends with it.
                    let mut altered = bytes.clone();
                    altered[(bytes.len() * n / CHANGES + 97 * n) % bytes.len()] ^= 1 << (n % 8);
                    if let Ok(checkpoint) = Checkpoint::from_bytes(&path, altered) {
                        for tensor in checkpoint.tensors() {
                            let _ = checkpoint.tensor_f32(tensor.key());
                        }
                        let _ = checkpoint.looks_like();
                    }
                    flips += 1;
                }
            }
        }
    }
    println!("{cuts} truncations refused, {flips} altered files survived");
}

#[test]
fn golden_tensors_match_their_descriptions() {
    let (mut tensors, mut values) = (0, 0);
    for (_, cases) in cases() {
        for case in &cases {
            let Ok(io) = Checkpoint::open(case.folder.join("io.safetensors")) else {
                continue;
            };
            for stated in case.tensors() {
                let name = stated["name"].as_str().unwrap();
                let shape = stated["shape"].as_array().unwrap().iter();
                let shape: Vec<usize> = shape.map(|n| n.as_integer().unwrap() as usize).collect();
                let context = format!("{}: {name}", case.name());
                // Descriptions may cover tensors of another file of the case.
                let Some(tensor) = io.get(name) else { continue };
                assert_eq!(tensor.shape(), shape, "{context}");
                if let Some(dtype) = stated.get("dtype").and_then(Value::as_str) {
                    let dtype = dtype.to_lowercase().replace("float", "f").replace("uint", "u").replace("int", "i");
                    assert_eq!(tensor.dtype().to_string(), dtype, "{context}");
                }
                let (_, read) = io.tensor_f32(name).unwrap();
                check_values(&context, stated, &read);
                if !tensor.dtype().is_float() {
                    let integers = io.tensor_i64(name).unwrap().1;
                    assert!(integers.iter().zip(&read).all(|(&n, &x)| n as f32 == x));
                }
                tensors += 1;
                values += read.len();
            }
        }
    }
    println!("{tensors} tensors with {values} values match their descriptions");
}

/// Compares the statistics that a description states, which are rounded to about three digits.
fn check_values(context: &str, stated: &Table, values: &[f32]) {
    let number = |value: &Value| value.as_float().or_else(|| value.as_integer().map(|n| n as f64));
    let close = |found: f64, stated: f64, scale: f64| (found - stated).abs() <= 6e-3 * scale + 1e-4;
    if values.is_empty() {
        return;
    }
    let low = values.iter().copied().fold(f32::INFINITY, f32::min).into();
    let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max).into();
    let scale = f64::max(f64::abs(low), f64::abs(high));
    if let Some([from, to]) = stated.get("range").and_then(Value::as_array).map(Vec::as_slice)
        && let (Some(from), Some(to)) = (number(from), number(to))
    {
        let inside = low >= from - 6e-3 * scale - 1e-4 && high <= to + 6e-3 * scale + 1e-4;
        assert!(inside, "{context}: {low} to {high} instead of {from} to {to}");
    }
    let squares = values.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
    let rms = (squares / values.len() as f64).sqrt();
    for (name, found) in [("min", low), ("max", high), ("rms", rms)] {
        if let Some(expected) = stated.get(name).and_then(number) {
            assert!(close(found, expected, scale), "{context}: {name} {found} instead of {expected}");
        }
    }
}
