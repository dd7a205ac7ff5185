//! One set of weights in the containers of several projects: each gives the same logits.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use fmr_checkpoint::{FloatType, StateDict, Stored, write_safetensors};
use fmr_core::Target as _;
use fmr_core::registry::{MakeContext, MakeError};
use fmr_nn::weights::{Builder, state_dict};
use fmr_zoo::{Architecture, Classifier, ClassifierSettings, Network};
use ndarray::{Array2, Array4};

/// A Swin of two stages, whose files the authors and timm name differently.
const SWIN: &str = r#"{"family": "swin", "image": [16, 16], "patch": 2, "width": 6, "depths": [1, 2], "heads": [2, 3],
    "window": 4, "classes": 3}"#;

fn architecture() -> Architecture {
    serde_json::from_str(SWIN).unwrap()
}

/// Random weights under timm's names.
fn weights(seed: u64) -> StateDict {
    let mut b = Builder::random_frozen(seed, &Device::flex());
    let network = Network::new(&mut b, &architecture());
    state_dict(&network, &b.finish(|_| false).unwrap())
}

/// The same under the authors' names.
fn authors(weights: StateDict) -> StateDict {
    let rename =
        |name: String| name.replace("layers.1.downsample.", "layers.0.downsample.").replace("head.fc.", "head.");
    let mut renamed: StateDict = weights.into_iter().map(|(name, stored)| (rename(name), stored)).collect();
    // Buffers that follow from the sizes.
    let mask = Stored { shape: vec![4, 16, 16], values: vec![0.0; 1024] };
    renamed.insert("layers.0.blocks.0.attn_mask".to_owned(), mask);
    renamed
}

fn below(prefix: &str, weights: StateDict) -> StateDict {
    weights.into_iter().map(|(name, stored)| (format!("{prefix}{name}"), stored)).collect()
}

/// Mean and deviation of a normalising layer under these names.
fn with_normaliser(mut weights: StateDict, [mean, std]: [&str; 2]) -> StateDict {
    let buffer = |values: [f32; 3]| Stored { shape: vec![1, 3, 1, 1], values: values.to_vec() };
    weights.insert(mean.to_owned(), buffer([0.4, 0.5, 0.6]));
    weights.insert(std.to_owned(), buffer([0.2, 0.25, 0.3]));
    weights
}

fn write(path: &Path, weights: &StateDict) {
    let tensors =
        weights.iter().map(|(name, stored)| (name.as_str(), stored.shape.as_slice(), stored.values.as_slice()));
    write_safetensors(path, tensors, &BTreeMap::new(), FloatType::F32).unwrap();
}

fn logits_of(path: &Path, change: impl FnOnce(&mut ClassifierSettings)) -> Result<Array2<f32>, MakeError> {
    let mut settings: ClassifierSettings = serde_json::from_value(serde_json::json!({
        "model": "swin", "weights": path, "preprocess": {"input": [3, 16, 16]},
        "architecture": serde_json::from_str::<serde_json::Value>(SWIN).unwrap(),
    }))
    .unwrap();
    change(&mut settings);
    let target = Classifier::from_settings(&settings, &MakeContext::alone([3, 16, 16]))?;
    let images = Array4::from_shape_fn((2, 3, 16, 16), |(n, c, y, x)| ((n * 5 + c * 3 + y * 7 + x) % 11) as f32 / 10.0);
    Ok(target.logits(images.view()).unwrap())
}

/// Files that are removed with it.
struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    fn file(&self, name: &str, weights: &StateDict) -> PathBuf {
        let path = self.dir.path().join(name);
        write(&path, weights);
        path
    }
}

#[test]
fn names_prefixes_and_shards_make_no_difference() {
    let folder = Folder { dir: tempfile::tempdir().unwrap() };
    let wanted = logits_of(&folder.file("timm.safetensors", &weights(1)), |_| ()).unwrap();
    let containers = [
        ("authors", authors(weights(1))),
        ("authors-model", below("model.", authors(weights(1)))),
        ("data-parallel", below("module.", weights(1))),
        ("compiled", below("_orig_mod.", authors(weights(1)))),
    ];
    for (name, weights) in containers {
        let path = folder.file(&format!("{name}.safetensors"), &weights);
        assert_eq!(logits_of(&path, |_| ()).unwrap(), wanted, "{name}");
    }

    let (mut first, mut second) = (StateDict::new(), StateDict::new());
    let mut index = serde_json::Map::new();
    for (i, (name, stored)) in weights(1).into_iter().enumerate() {
        let (shard, file) = if i % 2 == 0 {
            (&mut first, "model-00001-of-00002.safetensors")
        } else {
            (&mut second, "model-00002-of-00002.safetensors")
        };
        index.insert(name.clone(), file.into());
        shard.insert(name, stored);
    }
    folder.file("model-00001-of-00002.safetensors", &first);
    folder.file("model-00002-of-00002.safetensors", &second);
    let path = folder.dir.path().join("model.safetensors.index.json");
    let text = serde_json::json!({"metadata": {"total_size": 1}, "weight_map": index}).to_string();
    std::fs::write(&path, text).unwrap();
    assert_eq!(logits_of(&path, |_| ()).unwrap(), wanted, "shards");
}

/// RobustBench's wrappers, newer and older, and EasyRobust's.
#[test]
fn a_normalising_layer_of_a_file_is_used_once() {
    let folder = Folder { dir: tempfile::tempdir().unwrap() };
    let plain = folder.file("plain.safetensors", &weights(2));
    let wanted = logits_of(&plain, |settings| {
        settings.preprocess.mean = Some([0.4, 0.5, 0.6]);
        settings.preprocess.std = Some([0.2, 0.25, 0.3]);
    })
    .unwrap();
    assert_ne!(logits_of(&plain, |_| ()).unwrap(), wanted);
    let wrappers =
        [("model.", ["normalize.mean", "normalize.std"]), ("model.", ["mu", "sigma"]), ("1.", ["0.mean", "0.std"])];
    for (prefix, names) in wrappers {
        for weights in [weights(2), authors(weights(2))] {
            let path = folder.file("wrapped.safetensors", &with_normaliser(below(prefix, weights), names));
            assert_eq!(logits_of(&path, |_| ()).unwrap(), wanted, "{names:?}");
        }
    }
}

#[test]
fn raw_and_averaged_weights_can_be_chosen() {
    let folder = Folder { dir: tempfile::tempdir().unwrap() };
    let both: StateDict =
        below("state_dict.", weights(3)).into_iter().chain(below("state_dict_ema.", authors(weights(4)))).collect();
    let path = folder.file("both.safetensors", &both);
    let [raw, averaged] =
        [3, 4].map(|seed| logits_of(&folder.file("one.safetensors", &weights(seed)), |_| ()).unwrap());
    assert_eq!(logits_of(&path, |_| ()).unwrap(), raw);
    assert_eq!(logits_of(&path, |settings| settings.ema = Some(false)).unwrap(), raw);
    assert_eq!(logits_of(&path, |settings| settings.ema = Some(true)).unwrap(), averaged);
}

#[test]
fn a_file_of_another_network_is_refused() {
    let folder = Folder { dir: tempfile::tempdir().unwrap() };
    let mut fewer = weights(5);
    fewer.remove("layers.1.blocks.1.attn.relative_position_bias_table");
    let error = logits_of(&folder.file("fewer.safetensors", &fewer), |_| ()).unwrap_err().to_string();
    assert!(error.contains("1 missing: layers.1.blocks.1.attn.relative_position_bias_table"), "{error}");
    let other = r#"{"family": "vit", "image": [16, 16], "patch": 4, "width": 6, "depth": 1, "heads": 2, "classes": 3}"#;
    let path = folder.file("swin.safetensors", &weights(5));
    let error = logits_of(&path, |settings| settings.architecture = Some(serde_json::from_str(other).unwrap()));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("looks like a Swin of width 6"), "{error}");
}
