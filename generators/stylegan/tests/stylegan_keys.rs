//! The full-size models have the parameters, the layers and the filters that the lists say.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use fmr_nn::functional::Fir;
use fmr_nn::weights::Builder;
use fmr_stylegan::{Design, Network, Plan};

/// The resolution of the ImageNet model of a name.
fn resolution(name: &str) -> Option<usize> {
    name.strip_prefix("imagenet")?.parse().ok()
}

#[test]
fn golden_key_lists_match() {
    for (name, path) in fmr_golden::key_lists("stylegan") {
        let Some(resolution) = resolution(&name) else { continue };
        let wanted: BTreeMap<String, Vec<usize>> = fmr_golden::keys(&path).into_iter().collect();
        let config = Plan::imagenet(resolution);
        config.check().unwrap();
        let mut b = Builder::shapes(&Device::flex());
        let _ = Network::new(&mut b, &config);
        let found: BTreeMap<String, Vec<usize>> =
            b.finish(|_| false).unwrap().into_iter().map(|key| (key.name, key.shape)).collect();
        assert_eq!(found, wanted, "{name}");
        println!("{name}: {} parameters match", found.len());
    }
}

/// Rows of a list, by the names of its columns.
fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let row = |line: &str| header.iter().map(|h| (*h).to_owned()).zip(line.split('\t').map(str::to_owned)).collect();
    lines.map(row).collect()
}

fn list(name: &str) -> Option<Vec<BTreeMap<String, String>>> {
    let lists = fmr_golden::key_lists("stylegan");
    lists.iter().find(|(found, _)| found == name).map(|(_, path)| rows(path))
}

#[test]
fn golden_layer_plan_matches() {
    let Some(rows) = list("layers") else { return };
    for row in &rows {
        let number = |key: &str| row[key].parse::<f64>().unwrap();
        let config = Plan::imagenet(resolution(&row["model"]).unwrap());
        let layer = config.layers.iter().find(|layer| layer.name == row["layer"]);
        let layer = layer.unwrap_or_else(|| panic!("{} has no layer {}", row["model"], row["layer"]));
        let whole = [
            ("in_channels", layer.in_channels as f64),
            ("out_channels", layer.out_channels as f64),
            ("in_size", layer.in_size[0] as f64),
            ("out_size", layer.out_size[1] as f64),
            ("conv_kernel", layer.conv_kernel as f64),
            ("in_rate", layer.tmp_sampling_rate / layer.up_factor as f64),
            ("out_rate", layer.tmp_sampling_rate / layer.down_factor as f64),
            ("tmp_rate", layer.tmp_sampling_rate),
            ("up_factor", layer.up_factor as f64),
            ("up_taps", layer.up_taps as f64),
            ("down_factor", layer.down_factor as f64),
            ("down_taps", layer.down_taps as f64),
            ("pad_lo", layer.padding[0] as f64),
            ("pad_hi", layer.padding[3] as f64),
            ("is_torgb", f64::from(u8::from(layer.is_torgb))),
            ("conv_clamp", layer.conv_clamp.unwrap()),
        ];
        for (key, found) in whole {
            assert_eq!(found, number(key), "{} {}: {key}", row["model"], row["layer"]);
        }
        let printed = [
            ("in_cutoff", layer.in_cutoff),
            ("out_cutoff", layer.out_cutoff),
            ("in_half_width", layer.in_half_width),
            ("out_half_width", layer.out_half_width),
        ];
        for (key, found) in printed {
            assert!((found / number(key) - 1.0).abs() < 1e-8, "{} {}: {key} {found}", row["model"], row["layer"]);
        }
    }
    println!("{} layers match", rows.len());
}

#[test]
fn golden_filters_match_bit_for_bit() {
    let Some(rows) = list("filters") else { return };
    for row in &rows {
        let number = |key: &str| row[key].parse::<f64>().unwrap();
        let design = Design {
            taps: number("taps") as usize,
            cutoff: number("cutoff"),
            width: number("width"),
            rate: number("fs"),
            radial: false,
        };
        let wanted: Vec<f32> = row["values"].split(' ').map(|value| value.parse().unwrap()).collect();
        assert_eq!(design.fir(), Some(Fir::Separable(wanted)), "{} {}", row["layer"], row["kernel"]);
    }
    println!("{} filters match", rows.len());
}
