//! A StyleGAN's synthesis by the reconstructions of an encoder in W+.
//!
//! Encoder and synthesis learn together, as an autoencoder; then the encoder is left, and images enter by inversion. `w_avg`,
//! where an inversion starts, is the mean of what the encoder makes of training images.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::AdamConfig;
use burn::tensor::{Device, Tensor};
use fmr_nn::probe::Probe;
use fmr_nn::resize::Resize;
use fmr_nn::weights::{Builder, StateDict};
use fmr_stylegan::{CONFIG_ENTRY, Network as Generator, Objective, Perceptor, Plan, Schedule, StyleganConfig};
use fmr_zoo::{Architecture, Network as Encoder, ResNetConfig};

use crate::features::Features;
use crate::recipe::{Recipe, StyleganRecipe, StyleganSizes, TrainError};
use crate::session::{At, Figures, Task};
use crate::sources::{OracleRecipe, Sources};
use crate::trainee::{Saved, Trainee};

/// Batches of training images that `w_avg` is the mean over.
const AVERAGED: usize = 20;
/// Highest rates of learning of an inversion: of one w for all layers, then of a w for each.
const RATES: [f64; 2] = [0.05, 0.02];

/// The two networks that learn together.
#[derive(Module, Debug)]
struct Pair {
    encoder: Encoder,
    generator: Generator,
}

impl Pair {
    fn new(b: &mut Builder, config: &StyleganConfig, encoder: &Architecture) -> Self {
        Self { encoder: Encoder::new(b, encoder), generator: Generator::new(b, config) }
    }

    /// Rows of w+ `[n, rows, w_dim]` of pictures in [-1, 1].
    fn rows(&self, pictures: Tensor<4>, config: &StyleganConfig) -> Tensor<3> {
        let n = pictures.dims()[0];
        self.encoder.forward(pictures).reshape([n, config.num_ws(), config.w_dim])
    }
}

pub(crate) struct Inverted {
    pair: Trainee<Pair>,
    config: StyleganConfig,
    recipe: StyleganRecipe,
    features: Features,
    sources: Sources,
    device: Device,
}

/// The configuration of a StyleGAN3-T of these sizes.
fn config(sizes: &StyleganSizes) -> StyleganConfig {
    let plan = Plan {
        channel_base: sizes.channel_base,
        channel_max: sizes.channel_max,
        margin_size: sizes.margin,
        ..Plan::default()
    };
    let (input, layers) = plan.stem(sizes.resolution, sizes.layers, 3);
    StyleganConfig {
        z_dim: sizes.z_dim,
        w_dim: sizes.w_dim,
        c_dim: 0,
        img_resolution: sizes.resolution,
        img_channels: 3,
        mapping_layers: 2,
        mapping_lr_multiplier: 0.01,
        embedding: None,
        input,
        layers,
        output_scale: 0.25,
    }
}

impl Inverted {
    pub(crate) fn new(run: &Recipe, recipe: &StyleganRecipe, device: &Device) -> Result<Self, TrainError> {
        let settings = |problem: String| TrainError::Settings { name: run.name.clone(), problem };
        if !(8..=1024).contains(&recipe.model.resolution) || !(3..=64).contains(&recipe.model.layers) {
            return Err(settings("resolution is 8 to 1024, layers 3 to 64".to_owned()));
        }
        let config = config(&recipe.model);
        config.check().map_err(|e| settings(e.to_string()))?;
        if recipe.encoder_width == 0 {
            return Err(settings("encoder-width is at least 1".to_owned()));
        }
        let encoder = Architecture::ResNet(ResNetConfig::cifar(recipe.encoder_width));
        let encoder = encoder.with_classes(config.num_ws() * config.w_dim);
        let adam = AdamConfig::new().with_beta_1(0.9).with_beta_2(0.99).with_epsilon(1e-8).init();
        let made = config.clone();
        let pair =
            Trainee::new(serde_json::Value::Null, run.seed, device, adam, move |b, _| Pair::new(b, &made, &encoder))?;
        let oracle = OracleRecipe { weights: &recipe.oracle, model: &recipe.oracle_model, merges: &recipe.merges };
        Ok(Self {
            pair,
            config,
            features: Features::load(&run.base, &recipe.features, device)?,
            sources: Sources::load(run, &recipe.sources, oracle, device)?,
            recipe: recipe.clone(),
            device: device.clone(),
        })
    }

    /// Images in [-1, 1] at the model's size.
    fn pictures(&self, images: Tensor<4>) -> Tensor<4> {
        let [_, _, h, w] = images.dims();
        Resize::new([h, w], [self.config.img_resolution; 2], &self.device).apply(images)
    }

    /// Pictures in [-1, 1] by inversion, which starts at `mean [1, w_dim]`. Where a distance is not a number, what the
    /// inversion has stands, and the figures show it.
    fn inverted(&self, generator: &Generator, mean: &Tensor<2>, pictures: Tensor<4>) -> Tensor<4> {
        let n = pictures.dims()[0];
        let objective = Objective {
            synthesis: &generator.synthesis,
            perceptor: Perceptor::Pyramid,
            target: (pictures + 1.0) / 2.0,
            rows: self.config.num_ws(),
            unity: 0.0,
        };
        let [first, second] = RATES.map(|rate| Schedule::new(self.recipe.inversion_steps / 2, rate));
        let start = mean.clone().repeat_dim(0, n);
        let descend = |from: Tensor<2>, schedule| match objective.descend(from.clone(), schedule, |_| Ok(())) {
            Ok(found) => found.latents,
            Err(_) => from,
        };
        let shared = descend(start, &first);
        let rows = descend(shared.repeat_dim(1, self.config.num_ws()), &second);
        let rows = rows.reshape([n, self.config.num_ws(), self.config.w_dim]);
        generator.synthesis.forward(rows, &mut Probe::off())
    }

    /// The mean of the encoder's rows over training images `[1, w_dim]`.
    fn mean(&self, pair: &Pair) -> Tensor<2> {
        let rows = (0..AVERAGED).map(|step| {
            let rows = pair.rows(self.pictures(self.sources.images(step)), &self.config);
            rows.mean_dim(0).mean_dim(1).reshape([1, self.config.w_dim])
        });
        Tensor::cat(rows.collect(), 0).mean_dim(0)
    }
}

impl Task for Inverted {
    fn steps(&self) -> usize {
        self.recipe.steps_per_epoch
    }

    fn step(&mut self, at: At, rate: f64) -> Result<Figures, TrainError> {
        let x = self.pictures(self.sources.images(at.global));
        let pair = &self.pair.module;
        let rows = pair.rows(Tensor::from_inner(x.clone()), &self.config);
        let y = pair.generator.synthesis.forward(rows.clone(), &mut Probe::off());
        let target = Tensor::from_inner((x.clone() + 1.0) / 2.0);
        let pixels = Perceptor::Pyramid.distances((y.clone() + 1.0) / 2.0, target).mean();
        let perceptual = self.features.distance(x, y);
        let apart = rows.clone() - rows.mean_dim(1);
        let unity = (apart.clone() * apart).mean();
        let loss = pixels.clone() + perceptual.clone() * self.recipe.perceptual + unity.clone() * self.recipe.unity;
        let value = |t: Tensor<1>| f64::from(t.into_scalar::<f32>());
        let figures = vec![
            ("loss".into(), value(loss.clone())),
            ("pixels".into(), value(pixels)),
            ("perceptual".into(), value(perceptual)),
            ("unity".into(), value(unity)),
        ];
        self.pair.step(loss, rate);
        Ok(figures)
    }

    /// By the encoder between epochs, by inversion at the end, which takes long: of a part of the images in both cases.
    fn evaluate(&self, full: bool) -> Result<Figures, TrainError> {
        let pair = self.pair.frozen(&self.device)?;
        let mean = self.mean(&pair);
        self.sources.quality(false, |x| {
            let [_, _, h, w] = x.dims();
            let pictures = self.pictures(x);
            let shown = if full {
                self.inverted(&pair.generator, &mean, pictures)
            } else {
                pair.generator.synthesis.forward(pair.rows(pictures, &self.config), &mut Probe::off())
            };
            Resize::new([self.config.img_resolution; 2], [h, w], &self.device).apply(shown)
        })
    }

    fn networks(&mut self) -> Vec<(&'static str, &mut dyn Saved)> {
        vec![("stylegan", &mut self.pair)]
    }

    /// The generator alone, with the mean that inversions start at.
    fn publish(&self) -> (StateDict, BTreeMap<String, String>) {
        let mut weights = self.pair.weights();
        weights.retain(|name, _| name.starts_with("mapping.") || name.starts_with("synthesis."));
        if let Ok(pair) = self.pair.frozen(&self.device)
            && let Some(held) = weights.get_mut("mapping.w_avg")
        {
            held.values = self.mean(&pair).into_data().try_into_vec::<f32>().unwrap_or_default();
        }
        let text = serde_json::to_string(&self.config).unwrap_or_default();
        (weights, BTreeMap::from([(CONFIG_ENTRY.into(), text)]))
    }
}
