//! Containers in small, and the errors about them.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{FloatType, write_safetensors};
use std::collections::BTreeMap;

/// A checkpoint whose tensor number n holds the value n.
fn checkpoint(tensors: &[(&str, &[usize])]) -> Checkpoint {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let values: Vec<Vec<f32>> =
        tensors.iter().enumerate().map(|(n, (_, shape))| vec![n as f32; shape.iter().product()]).collect();
    let entries = tensors.iter().zip(&values);
    let entries = entries.map(|(&(key, shape), values)| (key, shape, values.as_slice()));
    write_safetensors(&path, entries, &BTreeMap::new(), FloatType::F32).unwrap();
    Checkpoint::from_bytes("weights.safetensors", std::fs::read(path).unwrap()).unwrap()
}

fn prefix(tensors: &[&str], selection: &Selection) -> String {
    let tensors: Vec<(&str, &[usize])> = tensors.iter().map(|key| (*key, [5].as_slice())).collect();
    let checkpoint = checkpoint(&tensors);
    let weights = checkpoint.weights(selection).unwrap();
    weights.prefix().to_owned()
}

#[test]
fn the_place_is_where_the_wanted_keys_are() {
    let keys = Selection::by_keys(["conv.weight", "fc.bias"]);
    let found = |tensors: &[&str]| prefix(tensors, &keys);
    assert_eq!(found(&["conv.weight", "fc.bias"]), "");
    assert_eq!(found(&["net.module.conv.weight", "net.module.fc.bias", "optimizer.conv.weight"]), "net.module.");
    assert_eq!(found(&["model.a.attacker.m.conv.weight", "model.a.m.conv.weight"]), "model.a.m.");
    let both = ["ema.conv.weight", "model.conv.weight", "model.fc.bias", "ema.fc.bias"];
    assert_eq!(found(&both), "model.");
    assert_eq!(prefix(&both, &keys.clone().ema(true)), "ema.");
    assert_eq!(prefix(&both, &keys.clone().under("ema")), "ema.");
}

#[test]
fn without_keys_the_usual_places_are_followed() {
    let found = |tensors: &[&str]| prefix(tensors, &Selection::default());
    assert_eq!(found(&["layer.weight", "fc.bias"]), "");
    assert_eq!(found(&["state_dict.module.a", "optimizer.state.0"]), "state_dict.module.");
    assert_eq!(found(&["state_dict_ema.a", "state_dict.a"]), "state_dict.");
    assert_eq!(found(&["model.embed.weight", "head.weight"]), "");
    assert_eq!(found(&["module.model.a", "module.attacker.model.a"]), "module.model.");
}

#[test]
fn a_place_without_tensors_is_an_error() {
    let checkpoint = checkpoint(&[("a.weight", &[1])]);
    let error = checkpoint.weights(&Selection::default().under("G_ema")).unwrap_err();
    insta::assert_snapshot!(error, @r#"weights.safetensors holds no tensor "G_ema"; it holds "a." (1)"#);
    let error = checkpoint.tensor_f32("b.weight").unwrap_err();
    insta::assert_snapshot!(error, @r#"weights.safetensors holds no tensor "b.weight"; it holds for example "a.weight""#);
}

#[test]
fn one_error_names_everything_that_does_not_fit() {
    let checkpoint = checkpoint(&[
        ("a", &[2, 3]),
        ("b", &[4]),
        ("c", &[1]),
        ("loss.d", &[1]),
        ("e.0", &[1]),
        ("e.1", &[1]),
        ("e.2", &[1]),
        ("e.3", &[1]),
    ]);
    let mut weights = checkpoint.weights(&Selection::default()).unwrap();
    weights.ignore(|key| key.starts_with("loss."));
    let expected: [(&str, &[usize]); 4] = [("a", &[3, 2]), ("b", &[4]), ("c", &[]), ("f", &[1])];
    let from_check = weights.check("a toy", expected).unwrap_err();
    assert_eq!(weights.fetch("a", &[3, 2]), [0.0; 6]);
    assert_eq!(weights.fetch("b", &[4]), [1.0; 4]);
    assert_eq!(weights.fetch("c", &[]), [2.0]);
    assert_eq!(weights.fetch("f", &[1]), [0.0]);
    assert_eq!(weights.unused().count(), 4);
    let from_finish = weights.finish("a toy").unwrap_err();
    assert_eq!(from_check.to_string(), from_finish.to_string());
    insta::assert_snapshot!(from_finish, @"weights.safetensors does not hold the weights of a toy; 1 missing: f; 1 misshapen: a is [2, 3] instead of [3, 2]; 4 unexpected: e.0, e.1, e.2, …");
}

#[test]
fn buffers_beside_a_wrapped_model_are_found() {
    let checkpoint = checkpoint(&[
        ("state_dict.0.mean", &[3]),
        ("state_dict.1.conv.weight", &[9]),
        ("state_dict.1.conv.bias", &[3]),
    ]);
    let weights = checkpoint.weights(&Selection::default()).unwrap();
    assert_eq!(weights.prefix(), "state_dict.1.");
    let beside: Vec<&str> = weights.beside().map(TensorInfo::key).collect();
    assert_eq!(beside, ["state_dict.0.mean"]);
}

#[test]
fn averaged_weights_are_told_and_chosen() {
    let both = checkpoint(&[("state_dict.fc.weight", &[2]), ("state_dict.fc.bias", &[1]), ("ema.fc.weight", &[2])]);
    let raw = both.weights(&Selection::default()).unwrap();
    assert_eq!((raw.prefix(), raw.averaged()), ("state_dict.", false));
    let places: Vec<String> = raw.alternatives().iter().map(Place::to_string).collect();
    assert_eq!(places, ["under \"ema.\", averaged (EMA)"]);
    let average = both.weights(&Selection::default().ema(true)).unwrap();
    assert_eq!((average.prefix(), average.averaged()), ("ema.", true));

    let only_raw = checkpoint(&[("state_dict.fc.weight", &[2]), ("epoch_loss", &[1])]);
    let error = only_raw.weights(&Selection::default().ema(true)).unwrap_err();
    assert!(matches!(error, CheckpointError::NoAverage { .. }), "{error}");
    let by_keys = Selection::by_keys(["fc.weight"]).ema(true);
    assert!(only_raw.weights(&by_keys).is_err());
    assert_eq!(both.weights(&by_keys).unwrap().prefix(), "ema.");
}

#[test]
fn averages_without_dots_stand_in_for_parameters_and_leave_buffers() {
    let checkpoint = checkpoint(&[
        ("state_dict.encoder.conv.weight", &[2]),
        ("state_dict.encoder.norm.running_mean", &[2]),
        ("state_dict.model_ema.decay", &[]),
        ("state_dict.model_ema.encoderconvweight", &[2]),
    ]);
    let selection = Selection::by_keys(["encoder.conv.weight"]);
    let raw = checkpoint.weights(&selection).unwrap();
    assert_eq!(raw.prefix(), "state_dict.");
    assert_eq!(raw.alternatives()[0].prefix, "state_dict.model_ema.");
    let mut average = checkpoint.weights(&selection.ema(true)).unwrap();
    assert!(average.averaged());
    assert_eq!(average.take("encoder.conv.weight", &[2]).unwrap(), [3.0; 2]);
    assert_eq!(average.take("encoder.norm.running_mean", &[2]).unwrap(), [1.0; 2]);
}

#[test]
fn a_prefix_names_the_model_beside_a_loss_or_a_teacher() {
    let keys = ["model.fc.weight", "teacher.fc.weight", "loss.net.weight"];
    let plain = checkpoint(&keys.map(|key| (key, [1].as_slice())));
    let lightning = keys.map(|key| format!("state_dict.{key}"));
    let lightning = checkpoint(&lightning.each_ref().map(|key| (key.as_str(), [1].as_slice())));
    for (checkpoint, outer) in [(&plain, ""), (&lightning, "state_dict.")] {
        for (prefix, value) in [("model.", 0.0), ("model", 0.0), ("teacher.", 1.0)] {
            let mut weights = checkpoint.weights(&Selection::default().prefix(prefix)).unwrap();
            assert_eq!(weights.prefix(), format!("{outer}{}.", prefix.trim_end_matches('.')));
            assert_eq!(weights.take("fc.weight", &[1]).unwrap(), [value]);
            weights.finish("a toy").unwrap();
        }
        let under = checkpoint.weights(&Selection::default().under(format!("{outer}teacher"))).unwrap();
        assert_eq!(under.keys().collect::<Vec<_>>(), ["fc.weight"]);
        let error = checkpoint.weights(&Selection::default().prefix("student.")).unwrap_err().to_string();
        assert!(error.contains("holds no tensor \"student.\"; it holds "), "{error}");
    }
    let all = plain.weights(&Selection::default()).unwrap();
    assert_eq!(all.with_prefix("loss.").unwrap().keys().collect::<Vec<_>>(), ["net.weight"]);
    assert!(all.with_prefix("optimizer.").is_err());
    let error = all.check("a toy", [("fc.weight", [1].as_slice())]).unwrap_err().to_string();
    assert!(error.contains("they stand below \"model.\": set prefix to it"), "{error}");
}

#[test]
fn all_floating_point_values_are_loaded() {
    let checkpoint = checkpoint(&[("a.weight", &[2, 1]), ("loss.b", &[3])]);
    let weights = checkpoint.weights(&Selection::default()).unwrap();
    let loaded = weights.load(|name| !name.starts_with("loss.")).unwrap();
    let expected = Stored { shape: vec![2, 1], values: vec![0.0, 0.0] };
    assert_eq!(loaded, StateDict::from([("a.weight".to_owned(), expected)]));
}
