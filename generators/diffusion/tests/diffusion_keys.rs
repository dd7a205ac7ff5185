//! The full-size published models have the parameters that their key lists say.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use burn::tensor::Device;
use fmr_checkpoint::rename::tables;
use fmr_diffusion::{Classifier, Unet, published, published_classifiers};
use fmr_nn::weights::Builder;

/// Names and shapes that a model asks for.
fn built(name: &str) -> Option<BTreeMap<String, Vec<usize>>> {
    let mut b = Builder::shapes(&Device::flex());
    if let Some(model) = published().iter().find(|p| p.name == name) {
        let config = model.config();
        config.unet.check().unwrap();
        let _ = Unet::new(&mut b, &config.unet);
    } else {
        let config = published_classifiers().iter().find(|p| p.name == name)?.config();
        config.check().unwrap();
        let _ = Classifier::new(&mut b, &config);
    }
    Some(b.finish(|_| false).unwrap().into_iter().map(|key| (key.name, key.shape)).collect())
}

#[test]
fn golden_key_lists_match() {
    let renames = tables::diffusion_from_mmgeneration();
    for (name, path) in fmr_golden::key_lists("diffusion") {
        let wanted = fmr_golden::keys(&path).into_iter().map(|(key, shape)| match key.strip_prefix("denoising.") {
            Some(key) => (renames.target(key).unwrap().name.unwrap(), shape),
            None => (key, shape),
        });
        let wanted: BTreeMap<String, Vec<usize>> = wanted.collect();
        let Some(found) = built(&name) else {
            println!("{name}: not run: no published model has this name");
            continue;
        };
        assert_eq!(found, wanted, "{name}");
        println!("{name}: {} parameters match", found.len());
    }
}

#[test]
fn every_published_model_is_sound() {
    for model in published() {
        let config = model.config();
        config.unet.check().unwrap_or_else(|e| panic!("{}: {e}", model.name));
        config.training.alphas_cumprod().unwrap_or_else(|e| panic!("{}: {e}", model.name));
        assert!(config.image_size.is_multiple_of(config.unet.factor()), "{}", model.name);
    }
}
