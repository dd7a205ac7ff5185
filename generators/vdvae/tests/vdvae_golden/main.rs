//! Parity with Efficient-VDVAE.

#![expect(clippy::unwrap_used, reason = "tests")]

mod component;
mod passes;
mod support;

use burn::tensor::Tensor;
use fmr_golden::{Case, Report};
use fmr_nn::bridge::Traced;
use fmr_nn::device::test_device;
use fmr_nn::weights::Chosen;
use fmr_vdvae::{ConfigFrom, DivStats, open};
use passes::Model;
use support::{numbered, values};

#[test]
fn golden_cases_match() {
    if let Some(folder) = fmr_golden::folder("vdvae") {
        fmr_golden::compare(&folder, case);
    }
}

fn case(case: &Case) -> Result<Vec<Report<'_>>, String> {
    let file = case.path(case.text("checkpoint.file").ok_or("it names no checkpoint")?);
    let device = test_device();
    let load = |config: ConfigFrom<'_>, chosen| open(&file, config, chosen, &device).unwrap();
    // The configuration is found where upstream archives it; a named one is the same.
    let opened = load(ConfigFrom::Checkpoint, Chosen::default());
    if let Some(named) = case.text("checkpoint.hparams") {
        let named = case.path(named);
        assert_eq!(load(ConfigFrom::File(&named), Chosen::default()).config, opened.config, "{}", case.name());
    }
    let model = Model { network: &opened.network, config: &opened.config, io: case.sheet() };
    let mut report = case.sheet().report();

    if let Some(stats) = case.text("checkpoint.div_stats") {
        let variates = &opened.config.down_latent_variates;
        let layers: Vec<usize> = opened.config.latents().iter().map(|site| variates[site.level]).collect();
        let quantile = opened.config.variate_masks_quantile.unwrap();
        let kept = DivStats::read(&case.path(stats), &layers).unwrap().kept(quantile);
        let found: Vec<i64> = kept.iter().flatten().map(|kept| i64::from(*kept)).collect();
        assert_eq!(found, case.sheet().ints("input.masked.variate_masks"), "{}: variates kept", case.name());
    }

    model.encoder(&mut report);
    let means = model.posteriors("mean", &mut report);
    model.posteriors("sample", &mut report);
    model.image_gradients(&mut report);
    model.decode(&mut report);
    if case.sheet().get("input.gen.temperatures").is_some() {
        model.generate(&mut report);
    }
    if case.sheet().get("input.masked.variate_masks").is_some() {
        model.masked(&mut report);
    }
    component::check(case, &file, &opened.config);
    model.steps(means, step_size(case), &mut report);

    let raw = load(ConfigFrom::Checkpoint, Chosen { ema: Some(false), ..Chosen::default() });
    assert!(raw.taken.unwrap().contains("raw"), "{}", case.name());
    let latents: Vec<Tensor<4>> = numbered(case.sheet(), "input.z");
    let image = raw.network.output.most_likely(raw.network.decoder.decode(latents));
    report.floats("output.raw.decode.image_ml", &values(image));
    Ok(vec![report])
}

/// The step size of the pass `steps`, from the sentence that describes it: `z_{t+1} = z_t + 0.02 * d sum(…)`.
fn step_size(case: &Case) -> f32 {
    let words = case.text("notes.pass_steps").and_then(|text| text.split_once("z_t + "));
    words.and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0.02)
}

/// Gradient of ⟨f(x), cotangent⟩.
fn pull<const O: usize>(x: Tensor<4>, f: impl FnOnce(Tensor<4>) -> Tensor<O>, cotangent: Tensor<O>) -> Vec<f32> {
    values(Traced::new(x, f).pull_back(cotangent))
}
