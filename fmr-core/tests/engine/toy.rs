//! A small world with curved maps, so that gradients turn as the latent moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fmr_core::perturb::{Observer, Perturber, SampleBatch, SearchSettings, Spread};
use fmr_core::scorer::CrossEntropy;
use fmr_core::verdict::{Verdict, VerdictSettings};
use fmr_core::{
    ComponentError, Generator, GeneratorSpec, ImagePullBack, LatentBlock, LatentPullBack, Oracle, Scorer, Target,
    TargetSpec,
};
use ndarray::{Array1, Array2, Array4, ArrayView2, ArrayView4, Axis};

pub(crate) const IMAGE: [usize; 3] = [1, 2, 3];
pub(crate) const PIXELS: usize = 6;
pub(crate) const LATENT: usize = 5;
pub(crate) const CLASSES: usize = 3;

/// Numbers in [−1, 1) that look random and are the same everywhere.
pub(crate) fn numbers(seed: u32) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

fn matrix(rows: usize, columns: usize, seed: u32) -> Array2<f32> {
    Array2::from_shape_simple_fn((rows, columns), numbers(seed))
}

fn flat(images: ArrayView4<'_, f32>) -> Array2<f32> {
    let n = images.len_of(Axis(0));
    Array2::from_shape_vec((n, PIXELS), images.iter().copied().collect()).unwrap()
}

fn shaped(rows: &Array2<f32>) -> Array4<f32> {
    let [c, h, w] = IMAGE;
    Array4::from_shape_vec((rows.nrows(), c, h, w), rows.iter().copied().collect()).unwrap()
}

/// x Mᵀ, each entry summed on its own in one order: row i does not depend on the others.
fn times(x: &Array2<f32>, m: &Array2<f32>) -> Array2<f32> {
    Array2::from_shape_fn((x.nrows(), m.nrows()), |(i, j)| x.row(i).iter().zip(m.row(j)).map(|(a, b)| a * b).sum())
}

/// x = ½ + ½ tanh(D z), z = E (2x − 1).
pub(crate) struct Curved {
    spec: GeneratorSpec,
    decode: Array2<f32>,
    encode: Array2<f32>,
    /// A latent value above which decoding fails.
    fails_above: f32,
    /// Where there is one, decoding does not fail there but gives up, as if it had been told to, and says so here.
    told: Option<Arc<AtomicBool>>,
}

impl Curved {
    pub(crate) fn new() -> Self {
        let latent = vec![LatentBlock { name: "z".into(), shape: vec![LATENT], offset: 0 }];
        Self {
            spec: GeneratorSpec { name: "curved".into(), image: IMAGE, latent },
            decode: matrix(PIXELS, LATENT, 1),
            encode: matrix(LATENT, PIXELS, 2),
            fails_above: f32::INFINITY,
            told: None,
        }
    }

    /// The same, but decoding fails where a latent value is above `limit`.
    pub(crate) fn failing_above(limit: f32) -> Self {
        Self { fails_above: limit, ..Self::new() }
    }

    /// The same, but decoding is cancelled there.
    pub(crate) fn cancelled_above(limit: f32, told: &Arc<AtomicBool>) -> Self {
        Self { told: Some(Arc::clone(told)), ..Self::failing_above(limit) }
    }

    fn preimage(&self, latents: ArrayView2<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        if latents.iter().any(|v| *v > self.fails_above) {
            let error = ComponentError::new("generator \"curved\"", "decode latents", "a latent is too large");
            let cancelled = self.told.as_ref().inspect(|told| told.store(true, Ordering::Relaxed)).is_some();
            return Err(ComponentError { cancelled, ..error });
        }
        Ok(times(&latents.to_owned(), &self.decode).mapv(f32::tanh))
    }
}

impl Generator for Curved {
    fn spec(&self) -> &GeneratorSpec {
        &self.spec
    }

    fn encode(&self, images: ArrayView4<'_, f32>, _: &[usize]) -> Result<Array2<f32>, ComponentError> {
        Ok(times(&flat(images).mapv(|v| 2.0 * v - 1.0), &self.encode))
    }

    fn decode(&self, latents: ArrayView2<'_, f32>, _: &[usize]) -> Result<Array4<f32>, ComponentError> {
        Ok(shaped(&self.preimage(latents)?.mapv(|v| 0.5 + 0.5 * v)))
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
        let images = self.decode(latents, labels)?;
        let slope = self.preimage(latents)?.mapv(|v| 0.5 * (1.0 - v * v));
        let back = move |d: ArrayView4<'_, f32>| Ok(times(&(flat(d) * &slope), &self.decode.t().to_owned()));
        Ok((images, Box::new(back)))
    }
}

/// The identity: latents are pixels.
pub(crate) struct Identity(GeneratorSpec);

impl Identity {
    pub(crate) fn new() -> Self {
        let latent = vec![LatentBlock { name: "pixels".into(), shape: IMAGE.to_vec(), offset: 0 }];
        Self(GeneratorSpec { name: "identity".into(), image: IMAGE, latent })
    }
}

impl Generator for Identity {
    fn spec(&self) -> &GeneratorSpec {
        &self.0
    }

    fn encode(&self, images: ArrayView4<'_, f32>, _: &[usize]) -> Result<Array2<f32>, ComponentError> {
        Ok(flat(images))
    }

    fn decode(&self, latents: ArrayView2<'_, f32>, _: &[usize]) -> Result<Array4<f32>, ComponentError> {
        Ok(shaped(&latents.to_owned()))
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
        Ok((self.decode(latents, labels)?, Box::new(|d| Ok(flat(d)))))
    }
}

/// Logits W tanh(V (x − ½)): target, or oracle through a softmax.
pub(crate) struct Network {
    pub(crate) spec: TargetSpec,
    inner: Array2<f32>,
    outer: Array2<f32>,
    /// Calls of the forward.
    pub(crate) calls: AtomicUsize,
}

impl Network {
    pub(crate) fn new(seed: u32) -> Self {
        Self {
            spec: TargetSpec { name: "network".into(), classes: CLASSES, differentiable: true },
            inner: matrix(8, PIXELS, seed) * 2.0,
            outer: matrix(CLASSES, 8, seed + 1) * 2.0,
            calls: AtomicUsize::new(0),
        }
    }

    fn hidden(&self, images: ArrayView4<'_, f32>) -> Array2<f32> {
        times(&flat(images).mapv(|v| v - 0.5), &self.inner).mapv(f32::tanh)
    }
}

impl Target for Network {
    fn spec(&self) -> &TargetSpec {
        &self.spec
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(times(&self.hidden(images), &self.outer))
    }

    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        let slope = self.hidden(images).mapv(|v| 1.0 - v * v);
        let back = move |d: ArrayView2<'_, f32>| {
            let d_hidden = times(&d.to_owned(), &self.outer.t().to_owned()) * &slope;
            Ok(shaped(&times(&d_hidden, &self.inner.t().to_owned())))
        };
        Ok((self.logits(images)?, Box::new(back)))
    }
}

impl Oracle for Network {
    fn name(&self) -> &str {
        &self.spec.name
    }

    fn set_classes(&mut self, _: &[String], _: &[String]) -> Result<(), ComponentError> {
        Ok(())
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let mut scores = self.logits(images)?;
        for mut row in scores.outer_iter_mut() {
            row.mapv_inplace(f32::exp);
            let sum: f32 = row.iter().sum();
            row /= sum;
        }
        Ok(scores)
    }
}

/// A target without a gradient.
pub(crate) fn opaque(seed: u32) -> Network {
    let mut network = Network::new(seed);
    network.spec.differentiable = false;
    network
}

/// The parts of a search, with an oracle that is another network than the target.
pub(crate) struct Toy {
    pub(crate) generator: Box<dyn Generator>,
    pub(crate) oracle: Network,
    pub(crate) target: Network,
    pub(crate) search: SearchSettings,
    pub(crate) verdict: Verdict,
    pub(crate) scorer: Box<dyn Scorer>,
    pub(crate) mask: Option<Vec<f32>>,
    pub(crate) spread: Option<Spread>,
    pub(crate) observer: Box<dyn Observer>,
}

impl Toy {
    /// A toy whose search is described as in an experiment file.
    pub(crate) fn new(search: &str) -> Self {
        let names: Vec<String> = (0..CLASSES).map(|c| format!("class {c}")).collect();
        let search: SearchSettings = toml::from_str(search).unwrap();
        search.check().unwrap();
        Self {
            generator: Box::new(Curved::new()),
            oracle: Network::new(7),
            target: Network::new(11),
            search,
            verdict: Verdict::new(VerdictSettings::default(), &names),
            scorer: Box::new(CrossEntropy),
            mask: None,
            spread: None,
            observer: Box::new(()),
        }
    }

    pub(crate) fn perturber(&self) -> Perturber<'_> {
        Perturber {
            generator: self.generator.as_ref(),
            oracle: &self.oracle,
            target: &self.target,
            scorer: self.scorer.as_ref(),
            search: &self.search,
            verdict: &self.verdict,
            classes: CLASSES,
            mask: self.mask.as_deref(),
            spread: self.spread.as_ref(),
            observer: self.observer.as_ref(),
            cache: None,
        }
    }

    /// Samples of the given numbers. Nine in ten are labelled as the oracle sees their reconstruction.
    pub(crate) fn samples(&self, numbers_of: &[usize]) -> SampleBatch {
        let image = |i: usize| {
            let mut next = numbers(1000 + i as u32);
            (0..PIXELS).map(|_| 0.5 + 0.5 * next()).collect::<Vec<f32>>()
        };
        let pixels: Array2<f32> =
            Array2::from_shape_vec((numbers_of.len(), PIXELS), numbers_of.iter().flat_map(|i| image(*i)).collect())
                .unwrap();
        let images = shaped(&pixels);
        let label = |(k, i): (usize, &usize)| {
            let one = images.select(Axis(0), &[k]);
            let z = self.generator.encode(one.view(), &[0]).unwrap();
            // Of no matter where decoding is made to fail.
            let shown = Curved::new().decode(z.view(), &[0]);
            let shown = if z.ncols() == LATENT { shown.unwrap() } else { one };
            let scores: Array1<f32> = self.oracle.judge(shown.view()).unwrap().row(0).to_owned();
            (fmr_core::logits::argmax(scores.view()) + usize::from(i % 10 == 9)) % CLASSES
        };
        SampleBatch {
            labels: numbers_of.iter().enumerate().map(label).collect(),
            indices: numbers_of.to_vec(),
            keys: numbers_of.iter().map(|i| format!("{i:03}")).collect(),
            seeds: numbers_of.iter().map(|i| *i as u64).collect(),
            images,
            pictures: Vec::new(),
        }
    }
}
