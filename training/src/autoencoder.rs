//! A VQGAN by reconstruction, perceptual and patch-discriminator losses.
//!
//! Rows of the codebook that no vector chose for a while are moved onto encoder outputs.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::AdamConfig;
use burn::tensor::{Device, Tensor, TensorData};
use fmr_nn::functional::{self as f, Pointwise, Window};
use fmr_nn::layers::Conv2d;
use fmr_nn::weights::{Builder, StateDict};
use fmr_vqgan::Autoencoder;
use rand::RngExt;

use crate::batches::rng;
use crate::features::Features;
use crate::recipe::{AutoencoderRecipe, Recipe, TrainError};
use crate::session::{At, Figures, Task};
use crate::sources::{OracleRecipe, Sources};
use crate::trainee::{Saved, Trainee};

/// Three convolutions whose output says, patch by patch, whether an image is real.
#[derive(Module, Debug)]
struct Discriminator {
    convs: Vec<Conv2d>,
}

impl Discriminator {
    fn new(b: &mut Builder) -> Self {
        let mut conv = |i: usize, channels, size, stride, pad| {
            Conv2d::new(b, &format!("main.{i}"), channels, size, Window::same(stride, pad), true)
        };
        Self { convs: vec![conv(0, [3, 32], 4, 2, 1), conv(1, [32, 64], 4, 2, 1), conv(2, [64, 1], 3, 1, 1)] }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let last = self.convs.len() - 1;
        self.convs.iter().enumerate().fold(x, |x, (i, conv)| {
            let y = conv.forward(x);
            if i < last { f::pointwise(y, Pointwise::LeakyRelu) } else { y }
        })
    }
}

pub(crate) struct Reconstruction {
    autoencoder: Trainee<Autoencoder>,
    discriminator: Trainee<Discriminator>,
    features: Features,
    recipe: AutoencoderRecipe,
    sources: Sources,
    seed: u64,
    used: Vec<bool>,
    device: Device,
}

impl Reconstruction {
    pub(crate) fn new(run: &Recipe, recipe: &AutoencoderRecipe, device: &Device) -> Result<Self, TrainError> {
        let adam = || AdamConfig::new().with_beta_1(0.5).with_beta_2(0.95).with_epsilon(1e-8).init();
        let config = recipe.model.clone();
        let autoencoder =
            Trainee::new(serde_json::Value::Null, run.seed, device, adam(), move |b, _| Autoencoder::new(b, &config))?;
        let discriminator =
            Trainee::new(serde_json::Value::Null, run.seed + 1, device, adam(), |b, _| Discriminator::new(b))?;
        let oracle = OracleRecipe { weights: &recipe.oracle, model: &recipe.oracle_model, merges: &recipe.merges };
        let sources = Sources::load(run, &recipe.sources, oracle, device)?;
        Ok(Self {
            autoencoder,
            discriminator,
            features: Features::load(&run.base, &recipe.features, device)?,
            recipe: recipe.clone(),
            sources,
            seed: run.seed,
            used: vec![false; recipe.model.n_embed],
            device: device.clone(),
        })
    }

    /// Moves unused rows onto encoder outputs of the current batch.
    fn revive(&mut self, z: &Tensor<4>, step: usize) {
        let [n, d, h, w] = z.dims();
        let (Ok(values), Ok(mut rows)) = (
            z.clone().without_autodiff().into_data().try_into_vec::<f32>(),
            self.autoencoder.module.codebook.rows().without_autodiff().into_data().try_into_vec::<f32>(),
        ) else {
            return;
        };
        let mut random = rng(self.seed, step, u64::MAX - 2);
        for (row, used) in rows.chunks_exact_mut(d).zip(&self.used) {
            if !used {
                let (i, p) = (random.random_range(0..n), random.random_range(0..h * w));
                for (c, v) in row.iter_mut().enumerate() {
                    *v = values[(i * d + c) * h * w + p];
                }
            }
        }
        self.used.fill(false);
        let k = self.used.len();
        let rows = Tensor::<2>::from_data(TensorData::new(rows, [k, d]), &self.device);
        self.autoencoder.module.codebook.set_rows(Tensor::from_inner(rows));
    }
}

impl Task for Reconstruction {
    fn steps(&self) -> usize {
        self.recipe.steps_per_epoch
    }

    fn step(&mut self, at: At, rate: f64) -> Result<Figures, TrainError> {
        let x = self.sources.images(at.global);

        let z = self.autoencoder.module.encode(Tensor::from_inner(x.clone()));
        if at.global == 0 || (at.global.is_multiple_of(150) && at.global * 4 < at.total * 3) {
            self.revive(&z, at.global);
        }
        let net = &self.autoencoder.module;
        let indices = net.codebook.indices(&z);
        for i in &indices {
            self.used[*i] = true;
        }
        let rows = net.codebook.lookup(&indices, z.dims());
        let square = |t: Tensor<4>| (t.clone() * t).mean();
        let commitment = square(rows.clone().detach() - z.clone()) + square(rows.clone() - z.clone().detach()) * 0.25;
        let y = net.decode(f::straight_through(z, rows.without_autodiff()));
        let difference = Tensor::from_inner(x.clone()) - y.clone();
        let pixels = difference.clone().abs().mean() + square(difference);
        let perceptual = self.features.distance(x.clone(), y.clone());
        let adversarial_on = at.global * 2 > at.total;
        let mut loss =
            pixels.clone() + perceptual.clone() * self.recipe.perceptual + commitment.clone() * self.recipe.commitment;
        if adversarial_on {
            loss = loss - self.discriminator.module.forward(y.clone()).mean() * self.recipe.adversarial;
        }
        let value = |t: Tensor<1>| f64::from(t.into_scalar::<f32>());
        let mut figures = vec![
            ("loss".into(), value(loss.clone())),
            ("pixels".into(), value(pixels)),
            ("perceptual".into(), value(perceptual)),
            ("commitment".into(), value(commitment)),
            ("rows-used".into(), self.used.iter().filter(|u| **u).count() as f64),
        ];
        self.autoencoder.step(loss, rate);
        if adversarial_on {
            let real = self.discriminator.module.forward(Tensor::from_inner(x));
            let fake = self.discriminator.module.forward(Tensor::from_inner(y.without_autodiff()));
            let hinge = |t: Tensor<4>| f::pointwise(t, Pointwise::Relu).mean();
            let loss = (hinge(-real + 1.0) + hinge(fake + 1.0)) * 0.5;
            figures.push(("discriminator".into(), value(loss.clone())));
            self.discriminator.step(loss, rate);
        }
        Ok(figures)
    }

    fn evaluate(&self, full: bool) -> Result<Figures, TrainError> {
        let net = self.autoencoder.frozen(&self.device)?;
        self.sources.quality(full, |x| net.decode(net.codebook.quantize(net.encode(x))))
    }

    fn networks(&mut self) -> Vec<(&'static str, &mut dyn Saved)> {
        vec![("autoencoder", &mut self.autoencoder), ("discriminator", &mut self.discriminator)]
    }

    fn publish(&self) -> (StateDict, BTreeMap<String, String>) {
        let text = serde_json::to_string(&self.recipe.model).unwrap_or_default();
        (self.autoencoder.weights(), BTreeMap::from([("fmr-vqgan-config".into(), text)]))
    }
}
