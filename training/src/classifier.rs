//! Classifiers of the zoo by cross-entropy.

use std::collections::BTreeMap;

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamWConfig, ModuleOptimizer, SgdConfig};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use fmr_nn::weights::StateDict;
use fmr_zoo::{Entry, Network, Preprocess, entry};
use rand_chacha::ChaCha8Rng;

use crate::adversarial::{Adversarial, Attacked};
use crate::batches::{Pixels, batch, order, rng};
use crate::recipe::{ClassifierRecipe, Optimizer, Recipe, TrainError};
use crate::session::{At, Figures, Task};
use crate::trainee::{Saved, Trainee};

/// Salt of the attacks' random starts, apart from the order and the augmentation of images.
const ATTACK: u64 = u64::MAX - 4;

pub(crate) struct Classification {
    network: Trainee<Network>,
    entry: &'static Entry,
    recipe: ClassifierRecipe,
    seed: u64,
    batch: usize,
    train: Pixels,
    test: Pixels,
    device: Device,
    order: (usize, Vec<usize>),
}

impl Classification {
    pub(crate) fn new(run: &Recipe, recipe: &ClassifierRecipe, device: &Device) -> Result<Self, TrainError> {
        let entry = entry(&recipe.model).ok_or_else(|| TrainError::model(&recipe.model))?;
        recipe.adversarial.map_or(Ok(()), |attack| attack.check(&run.name))?;
        let optimizer = optimizer(recipe);
        let network = Trainee::new(recipe.model.clone().into(), run.seed, device, optimizer, |b, spec| {
            // The name was found above; a network is remade from the same settings.
            let entry = spec.as_str().and_then(fmr_zoo::entry).unwrap_or(&fmr_zoo::entries()[0]);
            Network::new(b, &entry.architecture)
        })?;
        Ok(Self {
            network,
            entry,
            recipe: recipe.clone(),
            seed: run.seed,
            batch: run.batch,
            train: shown(crate::data::load(&run.base, &recipe.train)?, entry),
            test: shown(crate::data::load(&run.base, &recipe.test)?, entry),
            device: device.clone(),
            order: (usize::MAX, Vec::new()),
        })
    }

    /// Images in [0, 1], moved against a frozen copy of the network as `attack` says.
    fn moved(
        &self,
        attack: Adversarial,
        network: &Network,
        mut images: Vec<f32>,
        labels: &[usize],
        random: &mut ChaCha8Rng,
    ) -> Vec<f32> {
        let Preprocess { input: [c, h, w], mean, std, .. } = self.entry.preprocess;
        let attacked = Attacked { network, mean: &mean, std: &std, device: &self.device };
        attack.apply(&mut images, [labels.len(), c, h, w], labels, &attacked, random);
        images
    }

    fn normalised(&self, images: Vec<f32>) -> Tensor<4> {
        let [c, h, w] = self.entry.preprocess.input;
        let mut images = images;
        for image in images.chunks_exact_mut(c * h * w) {
            for (k, plane) in image.chunks_exact_mut(h * w).enumerate() {
                let (mean, std) = (self.entry.preprocess.mean[k], self.entry.preprocess.std[k]);
                plane.iter_mut().for_each(|v| *v = (*v - mean) / std);
            }
        }
        let n = images.len() / (c * h * w);
        Tensor::from_data(TensorData::new(images, [n, c, h, w]), &self.device)
    }
}

/// The data as the network takes them: turned to grey, by the weights of ITU-R 601, for a network of one channel.
fn shown(data: Pixels, entry: &Entry) -> Pixels {
    match (data.shape, entry.preprocess.input) {
        ([3, h, w], [1, ..]) => {
            let grey = |image: &[u8]| {
                let at = |k: usize, i: usize| f32::from(image[k * h * w + i]);
                (0..h * w).map(|i| (0.299 * at(0, i) + 0.587 * at(1, i) + 0.114 * at(2, i)).round() as u8).collect()
            };
            let bytes: Vec<Vec<u8>> = data.bytes.chunks_exact(3 * h * w).map(grey).collect();
            Pixels { bytes: bytes.concat(), shape: [1, h, w], labels: data.labels }
        }
        _ => data,
    }
}

fn optimizer(recipe: &ClassifierRecipe) -> ModuleOptimizer {
    match recipe.optimizer {
        Optimizer::Sgd => SgdConfig::new()
            .with_weight_decay(Some(WeightDecayConfig::new(recipe.weight_decay)))
            .with_momentum(Some(MomentumConfig::new().with_momentum(0.9).with_nesterov(true)))
            .init(),
        Optimizer::AdamW => AdamWConfig::new().with_weight_decay(recipe.weight_decay).init(),
    }
}

/// Mean cross-entropy with the given mass spread over all classes.
pub(crate) fn cross_entropy(logits: Tensor<2>, labels: &[usize], smoothing: f32) -> Tensor<1> {
    let [n, k] = logits.dims();
    let mut wanted = vec![smoothing / k as f32; n * k];
    for (i, label) in labels.iter().enumerate() {
        wanted[i * k + label] += 1.0 - smoothing;
    }
    let wanted = Tensor::<2>::from_data(TensorData::new(wanted, [n, k]), &logits.device().inner());
    -(log_softmax(logits, 1) * Tensor::from_inner(wanted)).sum() / n as f32
}

/// Index of the largest value of each row.
pub(crate) fn predictions(logits: Tensor<2>) -> Vec<usize> {
    let index: Tensor<2, Int> = logits.argmax(1);
    index.into_data().iter::<i64>().map(|i| i as usize).collect()
}

impl Task for Classification {
    fn steps(&self) -> usize {
        self.train.len() / self.batch
    }

    fn step(&mut self, at: At, rate: f64) -> Result<Figures, TrainError> {
        if self.order.0 != at.epoch {
            self.order = (at.epoch, order(self.seed, at.epoch, self.train.len()));
        }
        let items = &self.order.1[at.step * self.batch..][..self.batch];
        let (mut images, labels) = batch(&self.train, &self.recipe.augment, self.seed, at.epoch, items);
        if let Some(attack) = self.recipe.adversarial {
            let frozen = self.network.frozen(&self.device)?.folded();
            let mut random = rng(self.seed, at.global, ATTACK);
            images = self.moved(attack, &frozen, images, &labels, &mut random);
        }
        let x = Tensor::from_inner(self.normalised(images));
        let logits = self.network.module.forward(x);
        let loss = cross_entropy(logits, &labels, self.recipe.label_smoothing);
        let value = f64::from(loss.clone().into_scalar::<f32>());
        self.network.step(loss, rate);
        Ok(vec![("loss".into(), value)])
    }

    fn evaluate(&self, full: bool) -> Result<Figures, TrainError> {
        let net = self.network.frozen(&self.device)?.folded();
        let n = if full { self.test.len() } else { self.test.len().min(2000) };
        // The test set may be sorted by class: spread a part of it over the whole.
        let stride = self.test.len() / n;
        let items: Vec<usize> = (0..n).map(|i| i * stride).collect();
        let mut right = 0;
        for items in items.chunks(100) {
            let (images, labels) = batch(&self.test, &crate::Augment::default(), 0, 0, items);
            let predicted = predictions(net.forward(self.normalised(images)));
            right += predicted.iter().zip(&labels).filter(|(p, l)| p == l).count();
        }
        let mut figures = vec![("accuracy".into(), right as f64 / n as f64), ("images".into(), n as f64)];
        if let Some(attack) = self.recipe.adversarial {
            let n = self.test.len().min(if full { 1000 } else { 200 });
            let stride = self.test.len() / n;
            let items: Vec<usize> = (0..n).map(|i| i * stride).collect();
            let (mut right, mut random) = (0, rng(self.seed, 0, ATTACK));
            for items in items.chunks(100) {
                let (images, labels) = batch(&self.test, &crate::Augment::default(), 0, 0, items);
                let images = self.moved(attack.measuring(), &net, images, &labels, &mut random);
                let predicted = predictions(net.forward(self.normalised(images)));
                right += predicted.iter().zip(&labels).filter(|(p, l)| p == l).count();
            }
            figures.push(("pgd20-accuracy".into(), right as f64 / n as f64));
            figures.push(("pgd20-images".into(), n as f64));
        }
        Ok(figures)
    }

    fn networks(&mut self) -> Vec<(&'static str, &mut dyn Saved)> {
        vec![("network", &mut self.network)]
    }

    fn publish(&self) -> (StateDict, BTreeMap<String, String>) {
        (self.network.weights(), BTreeMap::from([("model".into(), self.recipe.model.clone())]))
    }
}
