//! A VQGAN by reconstruction, perceptual and patch-discriminator losses.
//!
//! The perceptual loss compares feature maps of a trained classifier, each channel vector scaled to unit length as in
//! LPIPS. Rows of the codebook that no vector chose for a while are moved onto encoder outputs.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::AdamConfig;
use burn::tensor::{Device, Int, Tensor, TensorData};
use fmr_clip::model::{MEAN, STD};
use fmr_clip::{Clip, ClipConfig, Tokenizer};
use fmr_nn::functional::{self as f, Pointwise, Window};
use fmr_nn::layers::Conv2d;
use fmr_nn::weights::{Builder, StateDict};
use fmr_vqgan::Autoencoder;
use fmr_zoo::{Entry, Network, entry};
use rand::RngExt;

use crate::Augment;
use crate::batches::{Pixels, batch, order, rng};
use crate::classifier::predictions;
use crate::recipe::{AutoencoderRecipe, Recipe, TrainError};
use crate::resize::enlarge;
use crate::session::{At, Figures, Task};
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

struct Source {
    name: String,
    classes: Vec<String>,
    share: usize,
    train: Pixels,
    test: Pixels,
    augment: Augment,
    target: (&'static Entry, Network),
}

pub(crate) struct Reconstruction {
    autoencoder: Trainee<Autoencoder>,
    discriminator: Trainee<Discriminator>,
    /// Features for the perceptual loss.
    features: (&'static Entry, Network),
    recipe: AutoencoderRecipe,
    sources: Vec<Source>,
    seed: u64,
    batch: usize,
    used: Vec<bool>,
    base: std::path::PathBuf,
    device: Device,
}

fn judge(
    base: &std::path::Path,
    judge: &crate::recipe::NetworkRecipe,
    device: &Device,
) -> Result<(&'static Entry, Network), TrainError> {
    let entry = entry(&judge.model).ok_or_else(|| TrainError::model(&judge.model))?;
    let path = base.join(&judge.weights);
    let mut b = Builder::stored(fmr_nn::weights::read(&path)?.tensors, device);
    let network = Network::new(&mut b, &entry.architecture);
    b.finish(|_| false).map_err(TrainError::weights(&path))?;
    Ok((entry, network.folded()))
}

/// Colour images from grey ones, by repetition.
fn coloured(images: Vec<f32>, [c, h, w]: [usize; 3]) -> Vec<f32> {
    if c == 3 {
        return images;
    }
    images.chunks_exact(h * w).flat_map(|plane| plane.iter().chain(plane).chain(plane).copied()).collect()
}

impl Reconstruction {
    pub(crate) fn new(run: &Recipe, recipe: &AutoencoderRecipe, device: &Device) -> Result<Self, TrainError> {
        let adam = || AdamConfig::new().with_beta_1(0.5).with_beta_2(0.95).with_epsilon(1e-8).init();
        let config = recipe.model.clone();
        let autoencoder =
            Trainee::new(serde_json::Value::Null, run.seed, device, adam(), move |b, _| Autoencoder::new(b, &config))?;
        let discriminator =
            Trainee::new(serde_json::Value::Null, run.seed + 1, device, adam(), |b, _| Discriminator::new(b))?;
        let sources = recipe
            .sources
            .iter()
            .map(|s| {
                Ok(Source {
                    name: s.name.clone(),
                    classes: s.classes.clone(),
                    share: s.share,
                    train: crate::data::load(&run.base, &s.train)?,
                    test: crate::data::load(&run.base, &s.test)?,
                    augment: s.augment,
                    target: judge(&run.base, &s.target, device)?,
                })
            })
            .collect::<Result<Vec<_>, TrainError>>()?;
        Ok(Self {
            autoencoder,
            discriminator,
            features: judge(&run.base, &recipe.features, device)?,
            recipe: recipe.clone(),
            sources,
            seed: run.seed,
            batch: run.batch,
            used: vec![false; recipe.model.n_embed],
            base: run.base.clone(),
            device: device.clone(),
        })
    }

    fn tensor(&self, images: Vec<f32>, h: usize, w: usize) -> Tensor<4> {
        let n = images.len() / (3 * h * w);
        Tensor::from_data(TensorData::new(images, [n, 3, h, w]), &self.device)
    }

    /// Mean squared difference of unit-length feature vectors, summed over the maps; images in [-1, 1].
    fn perceptual(&self, x: Tensor<4>, y: Tensor<4>) -> Tensor<1> {
        let (entry, Network::ResNet(net)) = &self.features else {
            return Tensor::zeros([1], &self.device);
        };
        let channel = |v: [f32; 3]| Tensor::<1>::from_floats(v, &self.device).reshape([1, 3, 1, 1]);
        let (mean, std) = (channel(entry.preprocess.mean), channel(entry.preprocess.std));
        let prepare = |t: Tensor<4>| (((t + 1.0) / 2.0) - mean.clone()) / std.clone();
        let lift = |t: Tensor<4>| Tensor::from_inner(t);
        let unit = |t: Tensor<4>| {
            let norm = (t.clone() * t.clone()).sum_dim(1).add_scalar(1e-8).sqrt();
            t / norm
        };
        let wanted = net.pyramid(prepare(x));
        let mean = lift(mean.clone());
        let std = lift(std.clone());
        let found = net.pyramid(((y + 1.0) / 2.0 - mean) / std);
        let mut total: Option<Tensor<1>> = None;
        for (a, b) in wanted.into_iter().zip(found) {
            let difference = lift(unit(a)) - unit(b);
            let [n, _, h, w] = difference.dims();
            let term = (difference.clone() * difference).sum() / (n * h * w) as f32;
            total = Some(match total {
                Some(t) => t + term,
                None => term,
            });
        }
        total.unwrap_or_else(|| Tensor::zeros([1], &self.device))
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
        // Images of one step have one size, so sources take turns by their shares.
        let round: usize = self.sources.iter().map(|s| s.share).sum();
        let mut turn = at.global % round;
        let k = self
            .sources
            .iter()
            .position(|s| {
                let hit = turn < s.share;
                if !hit {
                    turn -= s.share;
                }
                hit
            })
            .unwrap_or(0);
        let source = &self.sources[k];
        let n = source.train.len();
        let nth = at.global / round * source.share + turn;
        let per_pass = n / self.batch;
        let (pass, from) = (nth / per_pass, nth % per_pass * self.batch);
        let order = order(self.seed ^ (k as u64) << 8, pass, n);
        let (images, _) = batch(&source.train, &source.augment, self.seed, pass, &order[from..from + self.batch]);
        let [_, h, w] = source.train.shape;
        let x = self.tensor(coloured(images, source.train.shape), h, w) * 2.0 - 1.0;

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
        let perceptual = self.perceptual(x.clone(), y.clone());
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
        let oracle = Oracle::load(self)?;
        let mut figures = Vec::new();
        for source in &self.sources {
            let [c, h, w] = source.test.shape;
            let n = if full { source.test.len() } else { source.test.len().min(300) };
            let stride = source.test.len() / n;
            let items: Vec<usize> = (0..n).map(|i| i * stride).collect();
            let (mut error, mut psnr) = (0.0, 0.0);
            let (mut target_right, mut target_kept, mut oracle_right, mut oracle_kept) = (0, 0, 0, 0);
            let texts = oracle.as_ref().map(|o| o.texts(&source.classes));
            for items in items.chunks(50) {
                let (images, labels) = batch(&source.test, &Augment::default(), 0, 0, items);
                let x = coloured(images, source.test.shape);
                let z = net.codebook.quantize(net.encode(self.tensor(x.clone(), h, w) * 2.0 - 1.0));
                let y =
                    ((net.decode(z) + 1.0) / 2.0).clamp(0.0, 1.0).into_data().try_into_vec::<f32>().unwrap_or_default();
                for (a, b) in x.chunks_exact(3 * h * w).zip(y.chunks_exact(3 * h * w)) {
                    let e: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / a.len() as f64;
                    error += e;
                    psnr += -10.0 * e.max(1e-10).log10();
                }
                let target = |images: &[f32]| {
                    let (entry, network) = &source.target;
                    let mut prepared = Vec::new();
                    for image in images.chunks_exact(3 * h * w) {
                        if c == 1 {
                            prepared.extend((0..h * w).map(|i| {
                                ((image[i] + image[h * w + i] + image[2 * h * w + i]) / 3.0 - entry.preprocess.mean[0])
                                    / entry.preprocess.std[0]
                            }));
                        } else {
                            prepared.extend(image.iter().enumerate().map(|(i, v)| {
                                (v - entry.preprocess.mean[i / (h * w)]) / entry.preprocess.std[i / (h * w)]
                            }));
                        }
                    }
                    let n = prepared.len() / (c * h * w);
                    predictions(
                        network.forward(Tensor::from_data(TensorData::new(prepared, [n, c, h, w]), &self.device)),
                    )
                };
                let count = |before: Vec<usize>, after: Vec<usize>, right: &mut usize, kept: &mut usize| {
                    for ((b, a), l) in before.iter().zip(&after).zip(&labels) {
                        *right += usize::from(b == l);
                        *kept += usize::from(b == l && a == l);
                    }
                };
                count(target(&x), target(&y), &mut target_right, &mut target_kept);
                if let (Some(oracle), Some(texts)) = (&oracle, &texts) {
                    let see = |images: &[f32]| oracle.judge(images, [h, w], texts);
                    count(see(&x), see(&y), &mut oracle_right, &mut oracle_kept);
                }
            }
            let share = |kept: usize, right: usize| kept as f64 / right.max(1) as f64;
            let mut add = |name: &str, v: f64| figures.push((format!("{}-{name}", source.name), v));
            add("psnr-db", psnr / n as f64);
            add("psnr-of-mean-error-db", -10.0 * (error / n as f64).log10());
            add("target-label-kept", share(target_kept, target_right));
            if oracle.is_some() {
                add("oracle-label-kept", share(oracle_kept, oracle_right));
            }
            add("images", n as f64);
        }
        Ok(figures)
    }

    fn networks(&mut self) -> Vec<(&'static str, &mut dyn Saved)> {
        vec![("autoencoder", &mut self.autoencoder), ("discriminator", &mut self.discriminator)]
    }

    fn publish(&self) -> (StateDict, BTreeMap<String, String>) {
        let text = serde_json::to_string(&self.recipe.model).unwrap_or_default();
        (self.autoencoder.weights(), BTreeMap::from([("fmr-vqgan-config".into(), text)]))
    }
}

/// The oracle that reconstructions are shown to, if its weights are there yet.
struct Oracle {
    clip: Clip,
    tokenizer: Tokenizer,
    side: usize,
    device: Device,
}

impl Oracle {
    fn load(task: &Reconstruction) -> Result<Option<Self>, TrainError> {
        let path = task.base.join(&task.recipe.oracle);
        if !path.exists() {
            return Ok(None);
        }
        let config: ClipConfig = task.recipe.oracle_model.clone();
        let mut b = Builder::stored(fmr_nn::weights::read(&path)?.tensors, &task.device);
        let clip = Clip::new(&mut b, &config);
        b.finish(|_| false).map_err(TrainError::weights(&path))?;
        let merges = crate::data::text(&task.base.join(&task.recipe.merges))?;
        let tokenizer = Tokenizer::from_merges(&merges, config.text.vocabulary);
        Ok(Some(Self { clip: clip.folded(), tokenizer, side: config.resolution, device: task.device.clone() }))
    }

    fn texts(&self, classes: &[String]) -> Tensor<2> {
        let rows: Vec<Tensor<2>> = classes
            .iter()
            .map(|c| {
                let ids = self.tokenizer.encode(&format!("an image of {c}"));
                let end = ids.len() - 1;
                let ids: Vec<i64> = ids.into_iter().map(i64::from).collect();
                let tokens = Tensor::<2, Int>::from_data(TensorData::new(ids, [1, end + 1]), &self.device);
                self.clip.text(tokens, &[end])
            })
            .collect();
        Tensor::cat(rows, 0).transpose()
    }

    fn judge(&self, images: &[f32], [h, w]: [usize; 2], texts: &Tensor<2>) -> Vec<usize> {
        let area = self.side * self.side;
        let n = images.len() / (3 * h * w);
        let mut x = vec![0.0; n * 3 * area];
        for (i, (plane, source)) in x.chunks_exact_mut(area).zip(images.chunks_exact(h * w)).enumerate() {
            enlarge(source, [h, w], self.side, plane);
            plane.iter_mut().for_each(|v| *v = (*v - MEAN[i % 3]) / STD[i % 3]);
        }
        let x = Tensor::from_data(TensorData::new(x, [n, 3, self.side, self.side]), &self.device);
        predictions(self.clip.image(x).matmul(texts.clone()))
    }
}
