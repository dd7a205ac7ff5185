//! A CLIP model by contrastive loss between images and captions made from prompt templates.
//!
//! Each step draws one template for every class, so that the batch has one caption a class; an image's positives are
//! its class's caption, a caption's positives are all images of its class.

use std::collections::BTreeMap;

use burn::optim::AdamWConfig;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use fmr_clip::model::{MEAN, STD};
use fmr_clip::{Clip, ClipConfig, Tokenizer};
use fmr_nn::weights::StateDict;
use rand::RngExt;

use crate::Augment;
use crate::batches::{Pixels, batch, order, rng};
use crate::classifier::{cross_entropy, predictions};
use crate::recipe::{ContrastiveRecipe, Recipe, TrainError};
use crate::resize::enlarge;
use crate::session::{At, Figures, Task};
use crate::trainee::{Saved, Trainee};

struct Source {
    name: String,
    classes: Vec<String>,
    train: Pixels,
    test: Pixels,
    augment: Augment,
    per_batch: usize,
    /// Classes of the sources before this one.
    offset: usize,
}

pub(crate) struct Contrastive {
    clip: Trainee<Clip>,
    recipe: ContrastiveRecipe,
    tokenizer: Tokenizer,
    sources: Vec<Source>,
    seed: u64,
    steps: usize,
    device: Device,
}

impl Contrastive {
    pub(crate) fn new(run: &Recipe, recipe: &ContrastiveRecipe, device: &Device) -> Result<Self, TrainError> {
        let spec = serde_json::to_value(&recipe.model).map_err(|e| TrainError::state(&run.weights, e))?;
        let optimizer =
            AdamWConfig::new().with_weight_decay(recipe.weight_decay).with_beta_2(0.98).with_epsilon(1e-6).init();
        let config = recipe.model.clone();
        let clip = Trainee::new(spec, run.seed, device, optimizer, move |b, _| Clip::new(b, &config))?;
        let mut sources = Vec::new();
        let mut offset = 0;
        for s in &recipe.sources {
            sources.push(Source {
                name: s.name.clone(),
                classes: s.classes.clone(),
                train: crate::data::load(&run.base, &s.train)?,
                test: crate::data::load(&run.base, &s.test)?,
                augment: s.augment,
                per_batch: s.per_batch,
                offset,
            });
            offset += s.classes.len();
        }
        let steps = sources.first().map_or(0, |s| s.train.len() / s.per_batch);
        let merges = crate::data::text(&run.base.join(&recipe.merges))?;
        let tokenizer = Tokenizer::from_merges(&merges, recipe.model.text.vocabulary);
        Ok(Self { clip, recipe: recipe.clone(), tokenizer, sources, seed: run.seed, steps, device: device.clone() })
    }

    /// Text embeddings of one caption each.
    fn texts(&self, clip: &Clip, captions: &[String]) -> Tensor<2> {
        let rows: Vec<Vec<u32>> = captions.iter().map(|c| self.tokenizer.encode(c)).collect();
        let length = rows.iter().map(Vec::len).max().unwrap_or(0);
        let ends: Vec<usize> = rows.iter().map(|r| r.len() - 1).collect();
        let ids: Vec<i64> = rows
            .iter()
            .flat_map(|r| r.iter().map(|t| i64::from(*t)).chain(std::iter::repeat_n(0, length - r.len())))
            .collect();
        let tokens = Tensor::<2, Int>::from_data(TensorData::new(ids, [rows.len(), length]), &self.device);
        clip.text(tokens, &ends)
    }

    fn prepared(&self, source: &Source, images: &[f32]) -> Vec<f32> {
        let side = self.recipe.model.resolution;
        let [c, h, w] = source.train.shape;
        let mut out = vec![0.0; images.len() / (c * h * w) * 3 * side * side];
        fmr_nn::kernels::parallel::for_parts(&mut out, 3 * side * side, |at, part| {
            for (i, image) in part.chunks_exact_mut(3 * side * side).enumerate() {
                let n = at / (3 * side * side) + i;
                for (k, plane) in image.chunks_exact_mut(side * side).enumerate() {
                    enlarge(&images[(n * c + k.min(c - 1)) * h * w..][..h * w], [h, w], side, plane);
                    plane.iter_mut().for_each(|v| *v = (*v - MEAN[k]) / STD[k]);
                }
            }
        });
        out
    }

    fn tensor(&self, images: Vec<f32>) -> Tensor<4> {
        let side = self.recipe.model.resolution;
        let n = images.len() / (3 * side * side);
        Tensor::from_data(TensorData::new(images, [n, 3, side, side]), &self.device)
    }
}

impl Task for Contrastive {
    fn steps(&self) -> usize {
        self.steps
    }

    fn step(&mut self, at: At, rate: f64) -> Result<Figures, TrainError> {
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        for (k, source) in self.sources.iter().enumerate() {
            // Each source runs through its own order; the first one's pass is the epoch.
            let n = source.train.len();
            let first = at.global * source.per_batch;
            let per_pass = n / source.per_batch * source.per_batch;
            let (pass, from) = (first / per_pass, first % per_pass);
            let order = order(self.seed ^ k as u64, pass, n);
            let (x, y) = batch(
                &source.train,
                &source.augment,
                self.seed ^ k as u64,
                pass,
                &order[from..from + source.per_batch],
            );
            images.extend(self.prepared(source, &x));
            labels.extend(y.iter().map(|l| l + source.offset));
        }
        let mut random = rng(self.seed, at.global, u64::MAX - 1);
        let captions: Vec<String> = self
            .sources
            .iter()
            .flat_map(|s| &s.classes)
            .map(|class| {
                let template = &self.recipe.templates[random.random_range(0..self.recipe.templates.len())];
                template.replace("{class}", class)
            })
            .collect();
        let clip = &self.clip.module;
        let x = clip.image(Tensor::from_inner(self.tensor(images)));
        let t = self.texts(clip, &captions);
        let scale = clip.logit_scale().exp().clamp_max(100.0);
        let logits = x.matmul(t.transpose()) * scale.unsqueeze();
        let from_images = cross_entropy(logits.clone(), &labels, self.recipe.label_smoothing);
        let (n, k) = (labels.len(), captions.len());
        let mut wanted = vec![0.0; n * k];
        for c in 0..k {
            let count = labels.iter().filter(|l| **l == c).count();
            for (i, _) in labels.iter().enumerate().filter(|(_, l)| **l == c) {
                wanted[c * n + i] = 1.0 / count as f32;
            }
        }
        let present = wanted.chunks_exact(n).filter(|row| row.iter().any(|v| *v > 0.0)).count();
        let wanted = Tensor::<2>::from_data(TensorData::new(wanted, [k, n]), &self.device);
        let from_texts = -(log_softmax(logits.transpose(), 1) * Tensor::from_inner(wanted)).sum() / present as f32;
        // A class that has many images in the batch cannot get below the entropy of its share; what matters is the gradient.
        let loss = from_images.clone() * 0.75 + from_texts * 0.25;
        let value = f64::from(from_images.into_scalar::<f32>());
        self.clip.step(loss, rate);
        Ok(vec![("loss".into(), value)])
    }

    fn evaluate(&self, full: bool) -> Result<Figures, TrainError> {
        let clip = self.clip.frozen(&self.device)?.folded();
        let mut figures = Vec::new();
        for source in &self.sources {
            let captions: Vec<String> = source.classes.iter().map(|c| format!("an image of {c}")).collect();
            let texts = self.texts(&clip, &captions).transpose();
            let n = if full { source.test.len() } else { source.test.len().min(1000) };
            let stride = source.test.len() / n;
            let items: Vec<usize> = (0..n).map(|i| i * stride).collect();
            let mut right = 0;
            for items in items.chunks(100) {
                let (images, labels) = batch(&source.test, &Augment::default(), 0, 0, items);
                let x = clip.image(self.tensor(self.prepared(source, &images)));
                let predicted = predictions(x.matmul(texts.clone()));
                right += predicted.iter().zip(&labels).filter(|(p, l)| p == l).count();
            }
            figures.push((format!("{}-zero-shot-accuracy", source.name), right as f64 / n as f64));
            figures.push((format!("{}-images", source.name), n as f64));
        }
        Ok(figures)
    }

    fn networks(&mut self) -> Vec<(&'static str, &mut dyn Saved)> {
        vec![("clip", &mut self.clip)]
    }

    fn publish(&self) -> (StateDict, BTreeMap<String, String>) {
        let config: &ClipConfig = &self.recipe.model;
        let text = serde_json::to_string(config).unwrap_or_default();
        (self.clip.weights(), BTreeMap::from([("fmr-clip-config".into(), text)]))
    }
}
