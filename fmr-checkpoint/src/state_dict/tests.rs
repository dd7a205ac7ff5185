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
    let state_dict = checkpoint.state_dict(selection).unwrap();
    state_dict.prefix().to_owned()
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
    let error = checkpoint.state_dict(&Selection::default().under("G_ema")).unwrap_err();
    insta::assert_snapshot!(error, @r#"weights.safetensors holds no tensor "G_ema"; it holds for example "a.weight""#);
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
    let mut weights = checkpoint.state_dict(&Selection::default()).unwrap();
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
fn tensors_can_be_renamed() {
    let checkpoint = checkpoint(&[("stem.weight", &[1]), ("position_ids", &[1])]);
    let mut weights = checkpoint.state_dict(&Selection::default()).unwrap();
    weights.rename(|key| Some(format!("conv1.{}", key.strip_prefix("stem.")?)));
    assert_eq!(weights.take("conv1.weight", &[1]).unwrap(), [0.0]);
    assert!(weights.take("conv1.weight", &[2]).is_err());
    weights.finish("a toy").unwrap();
}

#[test]
fn buffers_beside_a_wrapped_model_are_found() {
    let checkpoint = checkpoint(&[
        ("state_dict.0.mean", &[3]),
        ("state_dict.1.conv.weight", &[9]),
        ("state_dict.1.conv.bias", &[3]),
    ]);
    let weights = checkpoint.state_dict(&Selection::default()).unwrap();
    assert_eq!(weights.prefix(), "state_dict.1.");
    let beside: Vec<&str> = weights.beside().map(TensorInfo::key).collect();
    assert_eq!(beside, ["state_dict.0.mean"]);
}
