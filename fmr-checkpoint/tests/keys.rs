//! The full-size models whose key lists lie in the fixtures are recognised by keys and shapes alone.
//!
//! Each list becomes a safetensors file with an honest header over a hole in the file system: sizes are real, and
//! nothing is stored.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::env;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use fmr_checkpoint::{Checkpoint, Selection};
use serde_json::{Map, Value, json};

/// Components, and the word that every model of theirs is recognised by.
const COMPONENTS: &[(&str, &str)] = &[
    ("vqgan", "VQ"),
    ("clip", "clip"),
    ("diffusion", "diffusion"),
    ("vdvae", "VDVAE"),
    ("stylegan", "StyleGAN"),
    ("targets", ""),
];

type Parameter = (String, Vec<usize>, String);

/// The parameters of a key list: tab-separated columns `key`, `shape` (`64x3`, `[64,3]`, `scalar`), `dtype`.
/// `None` for a table of something else.
fn parameters(path: &Path) -> Option<Vec<Parameter>> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let header: Vec<&str> = lines.next()?.split('\t').collect();
    let column = |name: &str| header.iter().position(|column| *column == name);
    let (key, shape, dtype) = (column("key")?, column("shape")?, column("dtype")?);
    let parameters = lines.map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let sizes = fields[shape].trim_matches(['[', ']']).split(['x', ',']);
        let sizes = sizes.filter_map(|size| size.trim().parse().ok()).collect();
        (fields[key].to_owned(), sizes, fields[dtype].to_owned())
    });
    Some(parameters.collect())
}

/// A file with a header for these parameters, and a hole in place of the values.
fn hollow(folder: &Path, parameters: &[Parameter]) -> PathBuf {
    let mut entries = Map::new();
    let mut offset = 0;
    for (key, shape, dtype) in parameters {
        let (dtype, size) = match dtype.to_lowercase().as_str() {
            "f16" | "float16" => ("F16", 2),
            "i64" | "int64" => ("I64", 8),
            _ => ("F32", 4),
        };
        let end = offset + size * shape.iter().product::<usize>();
        let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": [offset, end]});
        entries.insert(key.clone(), entry);
        offset = end;
    }
    let header = Value::Object(entries).to_string();
    let path = folder.join("hollow.safetensors");
    let mut file = File::create(&path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len(8 + header.len() as u64 + offset as u64).unwrap();
    path
}

#[test]
fn golden_key_lists_are_recognised() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/golden");
    let root = env::var_os("FMR_GOLDEN").map_or(PathBuf::from(default), PathBuf::from);
    let temporary = tempfile::tempdir().unwrap();
    let (mut models, mut keys) = (0, 0);
    for (component, word) in COMPONENTS {
        let Ok(folder) = root.join(component).join("keys").read_dir() else {
            fmr_golden::skip("golden", format_args!("{} holds no key lists of {component}", root.display()));
            continue;
        };
        let mut lists: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
        lists.sort();
        for list in lists {
            let name = list.file_stem().unwrap().to_string_lossy().into_owned();
            let Some(parameters) = parameters(&list) else {
                continue;
            };
            let checkpoint = Checkpoint::open(hollow(temporary.path(), &parameters)).unwrap();
            let looks_like = checkpoint.looks_like();
            println!("{component}/{name}: {}", looks_like.as_deref().unwrap_or("not recognised"));
            let recognised = looks_like.is_some_and(|found| found.to_lowercase().contains(&word.to_lowercase()));
            assert!(recognised || word.is_empty(), "{component}/{name}");

            // The list is its own model: everything is there, under no prefix, in these shapes.
            let expected = || parameters.iter().map(|(key, shape, _)| (key.as_str(), shape.as_slice()));
            let selection = Selection::by_keys(expected().map(|(key, _)| key));
            let weights = checkpoint.weights(&selection).unwrap();
            assert_eq!(weights.prefix(), "");
            weights.check(&name, expected()).unwrap();
            models += 1;
            keys += parameters.len();
        }
    }
    println!("{models} key lists with {keys} keys");
}

#[test]
fn a_misfit_says_what_the_file_is() {
    let temporary = tempfile::tempdir().unwrap();
    let clip = |patch: usize| -> Vec<Parameter> {
        let positions = (224 / patch) * (224 / patch) + 1;
        let mut parameters = vec![
            ("visual.class_embedding".to_owned(), vec![768]),
            ("visual.conv1.weight".to_owned(), vec![768, 3, patch, patch]),
            ("visual.positional_embedding".to_owned(), vec![positions, 768]),
        ];
        parameters.extend((0..12).map(|block| (format!("visual.transformer.resblocks.{block}.ln_1.bias"), vec![768])));
        parameters.into_iter().map(|(key, shape)| (key, shape, "F32".to_owned())).collect()
    };
    let checkpoint = Checkpoint::open(hollow(temporary.path(), &clip(16))).unwrap();
    let wanted = clip(32);
    let expected = wanted.iter().map(|(key, shape, _)| (key.as_str(), shape.as_slice()));
    let weights = checkpoint.weights(&Selection::by_keys(["visual.class_embedding"])).unwrap();
    let error = weights.check("a CLIP ViT-B/32", expected).unwrap_err().to_string();
    let error = error.replace(&temporary.path().display().to_string(), "weights");
    insta::assert_snapshot!(error, @"weights/hollow.safetensors looks like an open_clip ViT-B/16, but a CLIP ViT-B/32 is asked for; 2 misshapen: visual.conv1.weight is [768, 3, 16, 16] instead of [768, 3, 32, 32], visual.positional_embedding is [197, 768] instead of [50, 768]");
}
