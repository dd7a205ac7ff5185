//! Parameter names and shapes of the published files: those that the registered models expect.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use burn::tensor::Device;
use fmr_nn::weights::{Builder, StateDict, Stored};
use fmr_zoo::{Architecture, Network, entry};

/// Names and shapes.
type Shapes = BTreeMap<String, Vec<usize>>;

/// Names and shapes of a key list in one of its columns, `key` or `alias`; counters and comments left out. None where the
/// list has no such column.
fn published(text: &str, column: &str) -> Option<Shapes> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect::<Vec<_>>());
    let header = lines.next()?;
    let place = |name: &str| header.iter().position(|h| *h == name);
    let (name, shape, dtype) = (place(column)?, place("shape")?, place("dtype")?);
    let mut shapes = Shapes::new();
    for row in lines.filter(|row| row[dtype].starts_with("float")) {
        let sizes: Vec<usize> = match row[shape] {
            "scalar" => Vec::new(),
            sizes => sizes.split('x').map(|n| n.parse().unwrap()).collect(),
        };
        // Rows of one tensor: `qkv.weight[q]`.
        let Some((whole, _)) = row[name].split_once('[') else {
            shapes.insert(row[name].to_owned(), sizes);
            continue;
        };
        match shapes.get_mut(whole) {
            Some(known) => known[0] += sizes[0],
            None => drop(shapes.insert(whole.to_owned(), sizes)),
        }
    }
    Some(shapes)
}

/// What a network asks for, and what a file of these parameters offers it.
fn expected(architecture: &Architecture, file: &Shapes) -> (Shapes, Shapes) {
    let stored =
        |(name, shape): (&String, &Vec<usize>)| (name.clone(), Stored { shape: shape.clone(), values: Vec::new() });
    let file: StateDict = file.iter().map(stored).collect();
    let (architecture, file) = architecture.clone().fitted_to(file);
    let mut b = Builder::shapes(&Device::flex());
    Network::new(&mut b, &architecture);
    let keys = b.finish(|_| false).unwrap().into_iter().map(|key| (key.name, key.shape)).collect();
    (keys, file.into_iter().map(|(name, stored)| (name, stored.shape)).collect())
}

#[test]
fn golden_key_lists_match_the_registered_models() {
    let Some(folder) = fmr_golden::folder("targets") else { return };
    let folder = folder.join("keys");
    let Ok(files) = std::fs::read_dir(&folder) else {
        fmr_golden::skip("golden", format_args!("there is no folder {}", folder.display()));
        return;
    };
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let (mut lists, mut keys) = (0, 0);
    for path in paths {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let Some(entry) = entry(&name) else {
            println!("{name}: not run: no model of that name is registered");
            continue;
        };
        let text = std::fs::read_to_string(&path).unwrap();
        for column in ["key", "alias"] {
            let Some(file) = published(&text, column) else { continue };
            let (wanted, offered) = expected(&entry.architecture, &file);
            assert_eq!(wanted, offered, "{name}, column {column}");
            lists += 1;
            keys += wanted.len();
            println!("{name}: {} parameters ({column})", wanted.len());
        }
    }
    println!("{lists} lists with {keys} parameters are equal");
    assert!(lists > 0, "no key list of {} is of a registered model", folder.display());
}
