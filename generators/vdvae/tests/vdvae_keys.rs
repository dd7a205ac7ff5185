//! The full-size models have the parameters that their key lists say.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use burn::tensor::Device;
use fmr_nn::weights::Builder;
use fmr_vdvae::{Network, published};

#[test]
fn golden_key_lists_match() {
    for (name, path) in fmr_golden::key_lists("vdvae") {
        let wanted: BTreeMap<String, Vec<usize>> = fmr_golden::keys(&path).into_iter().collect();
        let Some(model) = published().iter().find(|p| p.name == name) else {
            println!("{name}: not run: no published model has this name");
            continue;
        };
        let mut b = Builder::shapes(&Device::flex());
        let _ = Network::new(&mut b, &model.config());
        let found: BTreeMap<String, Vec<usize>> =
            b.finish(|_| false).unwrap().into_iter().map(|key| (key.name, key.shape)).collect();
        assert_eq!(found, wanted, "{name}");
        println!("{name}: {} parameters match", found.len());
    }
}
