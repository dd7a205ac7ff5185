//! Checkpoints in several files: an index of shards, or the folder that holds them.

#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "shared with other test binaries")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fmr_checkpoint::{Checkpoint, Container, FloatType, Selection, write_safetensors};
use serde_json::{Value, json};
use tempfile::TempDir;

const FIRST: &str = "model-00001-of-00002.safetensors";
const SECOND: &str = "model-00002-of-00002.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// A folder of two shards with tensors `a`, `b` and `c`, and their index.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join(FIRST), &[("a", 1.0), ("b", 2.0)]);
    write(&folder.path().join(SECOND), &[("c", 3.0)]);
    index(folder.path(), &json!({"a": FIRST, "b": FIRST, "c": SECOND}));
    folder
}

fn write(path: &Path, tensors: &[(&str, f32)]) {
    let tensors: Vec<(&str, [f32; 2])> = tensors.iter().map(|(key, value)| (*key, [*value; 2])).collect();
    let entries = tensors.iter().map(|(key, values)| (*key, [2].as_slice(), values.as_slice()));
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    write_safetensors(path, entries, &metadata, FloatType::F32).unwrap();
}

fn index(folder: &Path, weight_map: &Value) {
    let index = json!({"metadata": {"total_size": 24}, "weight_map": weight_map});
    fs::write(folder.join(INDEX), index.to_string()).unwrap();
}

fn refused(folder: &TempDir) -> String {
    let error = Checkpoint::open(folder.path().join(INDEX)).unwrap_err().to_string();
    error.replace(&folder.path().display().to_string(), "FOLDER")
}

#[test]
fn shards_are_read_through_their_index_or_their_folder() {
    let folder = folder();
    for path in [folder.path().join(INDEX), folder.path().to_owned()] {
        let checkpoint = Checkpoint::open(&path).unwrap();
        assert_eq!(checkpoint.path(), folder.path().join(INDEX));
        let files: Vec<PathBuf> = [INDEX, FIRST, SECOND].iter().map(|name| folder.path().join(name)).collect();
        assert_eq!(checkpoint.files(), files);
        assert_eq!((checkpoint.container(), checkpoint.shards()), (Container::Safetensors, 2));
        let mut weights = checkpoint.weights(&Selection::by_keys(["a", "c"])).unwrap();
        assert_eq!(weights.take("a", &[2]).unwrap(), [1.0; 2]);
        assert_eq!(weights.take("c", &[2]).unwrap(), [3.0; 2]);
        assert_eq!(weights.load(|_| true).unwrap().len(), 3);
        assert_eq!(checkpoint.metadata().len(), 1);
        let text = checkpoint.summary().unwrap().to_string();
        assert!(text.contains("safetensors in 2 shards"), "{text}");
    }
}

#[test]
fn pytorch_shards_are_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let pickle = |key: &str| support::Pickle::new().raw(b"}").str(key).tensor("0", 8, 0, &[2], &[1]).raw(b"s").end();
    fs::write(folder.path().join("pytorch_model-1.bin"), support::torch_zip(&pickle("a"))).unwrap();
    fs::write(folder.path().join("pytorch_model-2.bin"), support::legacy(&state_of_two())).unwrap();
    let map = json!({"a": "pytorch_model-1.bin", "b": "pytorch_model-2.bin", "c": "pytorch_model-2.bin"});
    let index = json!({"weight_map": map}).to_string();
    fs::write(folder.path().join("pytorch_model.bin.index.json"), index).unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    assert_eq!(checkpoint.container(), Container::TorchZip);
    assert_eq!(checkpoint.tensor_f32("a").unwrap().1, [0.0, 1.0]);
    assert_eq!(checkpoint.tensor_f32("c").unwrap().1, [0.5]);
    // Files of safetensors hold the same in a better container.
    write(&folder.path().join("model.safetensors"), &[("a", 7.0)]);
    assert_eq!(Checkpoint::open(folder.path()).unwrap().tensor_f32("a").unwrap().1, [7.0; 2]);
}

/// A pickle with tensors `b` and `c`, of storages `0` and `1`.
fn state_of_two() -> Vec<u8> {
    let pickle = support::Pickle::new().raw(b"}(").str("b").tensor("0", 8, 0, &[2], &[1]);
    pickle.str("c").tensor("1", 1, 0, &[1], &[1]).raw(b"u").end()
}

#[test]
fn shards_that_differ_from_the_index_are_named() {
    let sound = folder();
    fs::remove_file(sound.path().join(SECOND)).unwrap();
    insta::assert_snapshot!(refused(&sound), @r#"FOLDER/model.safetensors.index.json: its shard "model-00002-of-00002.safetensors" is missing; fetch it and put it beside the index"#);

    let sound = folder();
    index(sound.path(), &json!({"a": FIRST, "b": SECOND, "c": SECOND}));
    insta::assert_snapshot!(refused(&sound), @r#"FOLDER/model.safetensors.index.json: its index puts the tensor "b" into "model-00002-of-00002.safetensors", and "model-00001-of-00002.safetensors" holds it"#);
    index(sound.path(), &json!({"a": FIRST, "c": SECOND}));
    insta::assert_snapshot!(refused(&sound), @r#"FOLDER/model.safetensors.index.json: its shard "model-00001-of-00002.safetensors" holds the tensor "b", which its index does not name"#);
    index(sound.path(), &json!({"a": FIRST, "b": FIRST, "c": SECOND, "d": SECOND}));
    insta::assert_snapshot!(refused(&sound), @r#"FOLDER/model.safetensors.index.json: its index puts the tensor "d" into "model-00002-of-00002.safetensors", which does not hold it"#);

    let bytes = fs::read(sound.path().join(SECOND)).unwrap();
    fs::write(sound.path().join(SECOND), &bytes[..bytes.len() - 1]).unwrap();
    assert!(refused(&sound).starts_with("FOLDER/model-00002-of-00002.safetensors (safetensors) is damaged"));
    fs::write(sound.path().join(SECOND), "<html>").unwrap();
    index(sound.path(), &json!({"a": FIRST, "b": FIRST, "c": SECOND}));
    assert!(refused(&sound).contains("model-00002-of-00002.safetensors is not a checkpoint: it is an HTML page"));
}

#[test]
fn no_shard_lies_outside_of_the_folder() {
    let outer = tempfile::tempdir().unwrap();
    write(&outer.path().join("outside.safetensors"), &[("c", 3.0)]);
    let inner = outer.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let absolute = outer.path().join("outside.safetensors").display().to_string();
    for name in ["../outside.safetensors", absolute.as_str(), "x/../../outside.safetensors", "", ".", "..", "/"] {
        index(&inner, &json!({"c": name}));
        let error = Checkpoint::open(inner.join(INDEX)).unwrap_err().to_string();
        assert!(error.contains("lies outside of its folder"), "{name}: {error}");
    }
    index(&inner, &json!({"c": "\u{1b}[2J\n"}));
    let error = Checkpoint::open(inner.join(INDEX)).unwrap_err().to_string();
    assert!(error.contains(r#""\u{1b}[2J\n" is missing"#), "{error}");
    fs::create_dir(inner.join("folder.safetensors")).unwrap();
    index(&inner, &json!({"c": "folder.safetensors"}));
    let error = Checkpoint::open(inner.join(INDEX)).unwrap_err().to_string();
    assert!(error.ends_with("folder.safetensors is a folder, not a file"), "{error}");
}

#[test]
fn malformed_and_oversized_indices_are_refused() {
    let folder = folder();
    let path = folder.path().join(INDEX);
    let refused = |text: String, part: &str| {
        fs::write(&path, text).unwrap();
        let error = Checkpoint::open(&path).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(r#"{"weight_map": {"a": 1}}"#.into(), "the index of its shards is malformed");
    refused(r#"{"weight_map": {"a": "x"}, "weight_map": {}}"#.into(), "occurs twice");
    refused(format!(r#"{{"weight_map": {{"a": "{FIRST}", "a": "{SECOND}"}}}}"#), "into two files");
    refused(r#"{"weight_map": {"a": "#.into(), "malformed");
    refused(r#"{"model_type": "vit"}"#.into(), "is not a checkpoint: it is a JSON document");
    let many: Vec<String> = (0..2000).map(|n| format!(r#""{n}":"{n}""#)).collect();
    refused(format!(r#"{{"weight_map": {{{}}}}}"#, many.join(",")), "names 2000 files");
    refused(format!(r#"{{"weight_map": {{{}"":""}}}}"#, r#""":"","#.repeat(1_500_000)), "takes more memory");
    let error = Checkpoint::from_bytes("index.json", br#"{"weight_map": {}}"#.to_vec()).unwrap_err().to_string();
    assert!(error.contains("it is a JSON document"), "{error}");
}

#[test]
fn folders_lead_to_one_checkpoint_or_say_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Checkpoint::open(folder.path());
    assert!(open().unwrap_err().to_string().contains("it is a folder without an index of shards"));
    write(&folder.path().join("model.safetensors"), &[("a", 1.0)]);
    fs::write(folder.path().join("config.json"), "{}").unwrap();
    assert_eq!(open().unwrap().files(), [folder.path().join("model.safetensors")]);
    fs::write(folder.path().join(INDEX), "{}").unwrap();
    let error = open().unwrap_err().to_string();
    assert!(
        error.contains(r#"holds several checkpoints ("model.safetensors", "model.safetensors.index.json")"#),
        "{error}"
    );
}

#[test]
fn a_single_shard_is_told_from_the_whole() {
    let folder = folder();
    let shard = Checkpoint::open(folder.path().join(FIRST)).unwrap();
    let weights = shard.weights(&Selection::by_keys(["a", "c"])).unwrap();
    let shape: &[usize] = &[2];
    let error = weights.check("a toy", [("a", shape), ("b", shape), ("c", shape)]).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "1 missing: c; the file is one of several shards: name their index (….index.json) or their folder"
        ),
        "{error}"
    );
}
