//! A diffusion model by the mean squared error of the noise that it tells.

use std::collections::BTreeMap;

use burn::optim::AdamConfig;
use burn::tensor::{Device, Tensor, TensorData};
use fmr_diffusion::{CONFIG_ENTRY, Process, Unet, invert};
use fmr_nn::random::normal;
use fmr_nn::weights::StateDict;
use rand::RngExt;

use crate::batches::rng;
use crate::recipe::{DiffusionRecipe, Recipe, TrainError};
use crate::session::{At, Figures, Task};
use crate::sources::{OracleRecipe, Sources};
use crate::trainee::{Saved, Trainee};

/// Evaluations of the network for each step that is inverted when reconstructions are judged: the generator's default.
const EVALUATIONS: usize = 3;
/// Salt of the noise, apart from the order and the augmentation of images.
const NOISE: u64 = u64::MAX - 3;

pub(crate) struct Denoising {
    network: Trainee<Unet>,
    recipe: DiffusionRecipe,
    sources: Sources,
    /// ᾱ of each step of the process.
    alphas: Vec<f64>,
    /// Steps that reconstructions are judged with.
    process: Process,
    seed: u64,
    device: Device,
}

impl Denoising {
    pub(crate) fn new(run: &Recipe, recipe: &DiffusionRecipe, device: &Device) -> Result<Self, TrainError> {
        let sizes = |problem: String| TrainError::Settings { name: run.name.clone(), problem };
        let model = &recipe.model;
        model.unet.check().map_err(|e| sizes(e.to_string()))?;
        if model.unet.in_channels != 3 || model.unet.learns_variance() || model.unet.classes.is_some() {
            let problem = "it is trained on coloured images, to tell noise alone, without classes: in-channels = 3, \
                           out-channels = 3, no `classes`";
            return Err(sizes(problem.to_owned()));
        }
        let alphas = model.training.alphas_cumprod().map_err(|e| sizes(e.to_string()))?;
        let low = (recipe.noise_fraction * alphas.len() as f64).round() as usize;
        let process = Process::low_noise(model.training, low, recipe.decode_steps).map_err(|e| sizes(e.to_string()))?;
        let adam = AdamConfig::new().with_beta_1(0.9).with_beta_2(0.99).with_epsilon(1e-8).init();
        let config = model.unet.clone();
        let network = Trainee::new(serde_json::Value::Null, run.seed, device, adam, move |b, _| Unet::new(b, &config))?;
        let oracle = OracleRecipe { weights: &recipe.oracle, model: &recipe.oracle_model, merges: &recipe.merges };
        let sources = Sources::load(run, &recipe.sources, oracle, device)?;
        let (recipe, device) = (recipe.clone(), device.clone());
        Ok(Self { network, recipe, sources, alphas, process, seed: run.seed, device })
    }

    /// The first of the steps that training leaves out: they have more noise than any latent.
    fn highest(&self) -> usize {
        let share = self.recipe.training_fraction * self.alphas.len() as f64;
        (share.round() as usize).clamp(1, self.alphas.len())
    }
}

impl Task for Denoising {
    fn steps(&self) -> usize {
        self.recipe.steps_per_epoch
    }

    fn step(&mut self, at: At, rate: f64) -> Result<Figures, TrainError> {
        let x = self.sources.images(at.global);
        let shape @ [n, c, h, w] = x.dims();
        let mut random = rng(self.seed, at.global, NOISE);
        let highest = self.highest();
        // One step from each of n equal parts of the process, so that every batch sees all levels of noise.
        let steps: Vec<usize> =
            (0..n).map(|i| ((i as f64 + random.random::<f64>()) / n as f64 * highest as f64) as usize).collect();
        let noise =
            Tensor::<4>::from_data(TensorData::new(normal(&mut random, n * c * h * w, 1.0), shape), &self.device);
        let column = |value: &dyn Fn(f64) -> f64| {
            let values: Vec<f32> = steps.iter().map(|step| value(self.alphas[*step]) as f32).collect();
            Tensor::<4>::from_data(TensorData::new(values, [n, 1, 1, 1]), &self.device)
        };
        let noisy = x * column(&f64::sqrt) + noise.clone() * column(&|a| (1.0 - a).sqrt());
        let times: Vec<f32> = steps.iter().map(|step| self.recipe.model.training.network_time(*step)).collect();
        let found = self.network.module.forward(Tensor::from_inner(noisy), &times, None);
        let difference = found - Tensor::from_inner(noise);
        let loss = (difference.clone() * difference).mean();
        let value = f64::from(loss.clone().into_scalar::<f32>());
        self.network.step(loss, rate);
        Ok(vec![("loss".into(), value)])
    }

    /// Of images taken to their noise level and back, as the generator does.
    fn evaluate(&self, full: bool) -> Result<Figures, TrainError> {
        let net = self.network.frozen(&self.device)?;
        let eps = |x: Tensor<4>, time: f32| {
            let n = x.dims()[0];
            net.forward(x, &vec![time; n], None)
        };
        self.sources.quality(full, |x| {
            let steps = 0..self.recipe.decode_steps;
            let latent = steps.clone().fold(x, |x, i| invert(self.process.denoising(i), x, EVALUATIONS, eps));
            steps.rev().fold(latent, |x, i| {
                let denoising = self.process.denoising(i);
                denoising.apply(x.clone(), eps(x, denoising.time))
            })
        })
    }

    fn networks(&mut self) -> Vec<(&'static str, &mut dyn Saved)> {
        vec![("network", &mut self.network)]
    }

    fn publish(&self) -> (StateDict, BTreeMap<String, String>) {
        let text = serde_json::to_string(&self.recipe.model).unwrap_or_default();
        (self.network.weights(), BTreeMap::from([(CONFIG_ENTRY.into(), text)]))
    }
}
