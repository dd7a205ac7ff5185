//! Parameter names and shapes of the published files: those that the registered models expect.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use burn::tensor::Device;
use fmr_nn::weights::Builder;
use fmr_zoo::{Network, entry};

/// Names and shapes of a key list; counters and comments left out.
fn published(text: &str) -> BTreeMap<String, Vec<usize>> {
    let rows = text.lines().skip(1).filter(|line| !line.starts_with('#'));
    rows.filter_map(|row| {
        let [key, shape, dtype, ..] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row:?}") };
        let shape = if shape == "scalar" { Vec::new() } else { shape.split('x').map(|n| n.parse().unwrap()).collect() };
        dtype.starts_with("float").then(|| (key.to_owned(), shape))
    })
    .collect()
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
        // MNIST's LeNet is registered under the name of the family.
        let registered = entry(&name).or_else(|| entry(name.strip_prefix("mnist_")?));
        let Some(entry) = registered else {
            println!("{name}: not run: no model of that name is registered");
            continue;
        };
        let wanted = published(&std::fs::read_to_string(&path).unwrap());
        let mut b = Builder::shapes(&Device::flex());
        Network::new(&mut b, &entry.architecture);
        let expected: BTreeMap<_, _> = b.finish(|_| false).unwrap().into_iter().map(|k| (k.name, k.shape)).collect();
        assert_eq!(expected, wanted, "{name}");
        lists += 1;
        keys += wanted.len();
        println!("{name}: {} parameters", wanted.len());
    }
    println!("{lists} lists with {keys} parameters are equal");
    assert!(lists > 0, "no key list of {} is of a registered model", folder.display());
}
