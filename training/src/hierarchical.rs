//! A VDVAE by its bound on the likelihood: reconstruction of a draw from the posteriors, and their divergences from the
//! priors.

use std::collections::BTreeMap;
use std::f64::consts::LN_2;

use burn::grad_clipping::GradientClippingConfig;
use burn::optim::AdamConfig;
use burn::tensor::{Device, Tensor, TensorData};
use fmr_nn::probe::Probe;
use fmr_nn::random::normal;
use fmr_nn::weights::StateDict;
use fmr_vdvae::{BinaryInput, CONFIG_ENTRY, Choice, Fit, INPUT_ENTRY, Network, Output};

use crate::batches::rng;
use crate::recipe::{Recipe, TrainError, VdvaeRecipe};
use crate::session::{At, Figures, Task};
use crate::sources::{OracleRecipe, Sources};
use crate::trainee::{Saved, Trainee};

pub(crate) struct Hierarchical {
    network: Trainee<Network>,
    recipe: VdvaeRecipe,
    sources: Sources,
    seed: u64,
    device: Device,
}

impl Hierarchical {
    pub(crate) fn new(run: &Recipe, recipe: &VdvaeRecipe, device: &Device) -> Result<Self, TrainError> {
        recipe.model.check()?;
        let clipping = GradientClippingConfig::Norm(recipe.clip);
        let adam = AdamConfig::new().with_beta_1(0.9).with_beta_2(0.99).with_epsilon(1e-8);
        let adam = adam.with_grad_clipping(Some(clipping)).init();
        let config = recipe.model.clone();
        let make = move |b: &mut fmr_nn::weights::Builder, _: &_| Network::new(b, &config);
        let oracle = OracleRecipe { weights: &recipe.oracle, model: &recipe.oracle_model, merges: &recipe.merges };
        Ok(Self {
            network: Trainee::new(serde_json::Value::Null, run.seed, device, adam, make)?,
            sources: Sources::load(run, &recipe.sources, oracle, device)?,
            recipe: recipe.clone(),
            seed: run.seed,
            device: device.clone(),
        })
    }

    /// The way from the sources' images to the model and back. Grey levels stay as they are: what is likely of a pixel is
    /// then its grey.
    fn fit(&self, x: &Tensor<4>) -> Fit {
        let [_, c, h, w] = x.dims();
        Fit::new(&self.recipe.model, [c, h, w], BinaryInput::Grey, &self.device)
    }

    /// Weight of the divergences at a step.
    fn weight(&self, at: At) -> f32 {
        let warm = self.recipe.divergence_warm_up * at.total as f64;
        let share = if warm > 0.0 { (at.global as f64 / warm).min(1.0) } else { 1.0 };
        self.recipe.divergence * share as f32
    }
}

impl Task for Hierarchical {
    fn steps(&self) -> usize {
        self.recipe.steps_per_epoch
    }

    fn step(&mut self, at: At, rate: f64) -> Result<Figures, TrainError> {
        let images = self.sources.images(at.global);
        let x = Tensor::from_inner(self.fit(&images).input((images + 1.0) / 2.0));
        let n = x.dims()[0];
        let net = &self.network.module;
        let skips = net.encoder.forward(x.clone(), &mut Probe::off());
        let mut divergences = Vec::new();
        let draw = |choice: Choice<'_>| {
            let Some(posterior) = choice.posterior else { return choice.prior.mean.clone() };
            divergences.push(posterior.divergence(choice.prior).sum() / n as f32);
            let shape = posterior.mean.dims();
            let mut random = rng(self.seed, at.global, choice.layer as u64);
            let noise = normal(&mut random, shape.iter().product(), 1.0);
            let noise = Tensor::from_data(TensorData::new(noise, shape), &self.device);
            posterior.draw(Tensor::from_inner(noise), 1.0)
        };
        let parameters = net.decoder.reconstruct(&skips, draw, &mut Probe::off());
        let pixels = Output::effective_pixels(&self.recipe.model) as f32;
        let reconstruction = net.output.negative_log_likelihood(parameters, x).mean() / pixels;
        let zero = Tensor::from_inner(Tensor::zeros([1], &self.device));
        let divergence = divergences.into_iter().fold(zero, |sum, d| sum + d) / pixels;
        let loss = reconstruction.clone() + divergence.clone() * self.weight(at);
        let bits = |t: Tensor<1>| f64::from(t.into_scalar::<f32>()) / LN_2;
        let figures = vec![
            ("loss".into(), bits(loss.clone())),
            ("reconstruction-bits".into(), bits(reconstruction)),
            ("divergence-bits".into(), bits(divergence)),
        ];
        self.network.step(loss, rate);
        Ok(figures)
    }

    fn evaluate(&self, full: bool) -> Result<Figures, TrainError> {
        let net = self.network.frozen(&self.device)?;
        self.sources.quality(full, |x| {
            let fit = self.fit(&x);
            let skips = net.encoder.forward(fit.input((x + 1.0) / 2.0), &mut Probe::off());
            let mut latents = Vec::new();
            let mean = |choice: Choice<'_>| {
                let z = choice.posterior.unwrap_or(choice.prior).mean.clone();
                latents.push(z.clone());
                z
            };
            net.decoder.reconstruct(&skips, mean, &mut Probe::off());
            fit.images(net.output.most_likely(net.decoder.decode(latents))) * 2.0 - 1.0
        })
    }

    fn networks(&mut self) -> Vec<(&'static str, &mut dyn Saved)> {
        vec![("vdvae", &mut self.network)]
    }

    fn publish(&self) -> (StateDict, BTreeMap<String, String>) {
        let text = serde_json::to_string(&self.recipe.model).unwrap_or_default();
        let input = "grey".to_owned();
        (self.network.weights(), BTreeMap::from([(CONFIG_ENTRY.into(), text), (INPUT_ENTRY.into(), input)]))
    }
}
