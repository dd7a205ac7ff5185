//! Data sets of images that are reconstructed, taken in turn, and what is made of reconstructions: how near they are to
//! their originals, and whether target and oracle still see the same.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use fmr_clip::model::{MEAN, STD};
use fmr_clip::{Clip, ClipConfig, Tokenizer};
use fmr_nn::weights::Builder;
use fmr_zoo::{Entry, Network, entry};

use crate::Augment;
use crate::batches::{Pixels, batch, order};
use crate::classifier::predictions;
use crate::recipe::{ImageSourceRecipe, NetworkRecipe, Recipe, TrainError};
use crate::resize::enlarge;
use crate::session::Figures;

struct Source {
    name: String,
    classes: Vec<String>,
    share: usize,
    train: Pixels,
    test: Pixels,
    augment: Augment,
    target: (&'static Entry, Network),
}

/// The oracle that reconstructions are shown to.
pub(crate) struct OracleRecipe<'r> {
    /// Its weights, relative to the recipe.
    pub(crate) weights: &'r Path,
    /// Sizes of its towers.
    pub(crate) model: &'r ClipConfig,
    /// OpenAI's merge list, relative to the recipe.
    pub(crate) merges: &'r Path,
}

/// All data sets of a recipe. Grey images are coloured.
pub(crate) struct Sources {
    all: Vec<Source>,
    oracle: (PathBuf, ClipConfig, PathBuf),
    seed: u64,
    batch: usize,
    device: Device,
}

/// A classifier of the zoo, to judge with.
pub(crate) fn judge(
    base: &Path,
    judge: &NetworkRecipe,
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

impl Sources {
    pub(crate) fn load(
        run: &Recipe,
        sources: &[ImageSourceRecipe],
        oracle: OracleRecipe<'_>,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let load = |s: &ImageSourceRecipe| {
            Ok(Source {
                name: s.name.clone(),
                classes: s.classes.clone(),
                share: s.share,
                train: crate::data::load(&run.base, &s.train)?,
                test: crate::data::load(&run.base, &s.test)?,
                augment: s.augment,
                target: judge(&run.base, &s.target, device)?,
            })
        };
        Ok(Self {
            all: sources.iter().map(load).collect::<Result<_, TrainError>>()?,
            oracle: (run.base.join(oracle.weights), oracle.model.clone(), run.base.join(oracle.merges)),
            seed: run.seed,
            batch: run.batch,
            device: device.clone(),
        })
    }

    fn tensor(&self, images: Vec<f32>, h: usize, w: usize) -> Tensor<4> {
        let n = images.len() / (3 * h * w);
        Tensor::from_data(TensorData::new(images, [n, 3, h, w]), &self.device)
    }

    /// The images of a step of the run, `[n, 3, h, w]` in [-1, 1]. They have one size, so sources take turns by their
    /// shares.
    pub(crate) fn images(&self, global: usize) -> Tensor<4> {
        let round: usize = self.all.iter().map(|s| s.share).sum();
        let mut turn = global % round;
        let k = self
            .all
            .iter()
            .position(|s| {
                let hit = turn < s.share;
                if !hit {
                    turn -= s.share;
                }
                hit
            })
            .unwrap_or(0);
        let source = &self.all[k];
        let n = source.train.len();
        let nth = global / round * source.share + turn;
        let per_pass = n / self.batch;
        let (pass, from) = (nth / per_pass, nth % per_pass * self.batch);
        let order = order(self.seed ^ (k as u64) << 8, pass, n);
        let (images, _) = batch(&source.train, &source.augment, self.seed, pass, &order[from..from + self.batch]);
        let [_, h, w] = source.train.shape;
        self.tensor(coloured(images, source.train.shape), h, w) * 2.0 - 1.0
    }

    /// Figures of reconstructions of held-out images, of a part of them or of all where `full`; `reconstruct` takes and
    /// gives images in [-1, 1].
    pub(crate) fn quality(
        &self,
        full: bool,
        reconstruct: impl Fn(Tensor<4>) -> Tensor<4>,
    ) -> Result<Figures, TrainError> {
        let oracle = Oracle::load(self)?;
        let mut figures = Vec::new();
        for source in &self.all {
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
                let y = reconstruct(self.tensor(x.clone(), h, w) * 2.0 - 1.0);
                let y = ((y + 1.0) / 2.0).clamp(0.0, 1.0).into_data().try_into_vec::<f32>().unwrap_or_default();
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
}

/// The oracle that reconstructions are shown to, if its weights are there yet.
struct Oracle {
    clip: Clip,
    tokenizer: Tokenizer,
    side: usize,
    device: Device,
}

impl Oracle {
    fn load(sources: &Sources) -> Result<Option<Self>, TrainError> {
        let (path, config, merges) = &sources.oracle;
        if !path.exists() {
            return Ok(None);
        }
        let device = sources.device.clone();
        let mut b = Builder::stored(fmr_nn::weights::read(path)?.tensors, &device);
        let clip = Clip::new(&mut b, config);
        b.finish(|_| false).map_err(TrainError::weights(path))?;
        let tokenizer = Tokenizer::from_merges(&crate::data::text(merges)?, config.text.vocabulary);
        Ok(Some(Self { clip: clip.folded(), tokenizer, side: config.resolution, device }))
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
