//! A model made with burn as a generator: what every family does at its border is done here once.
//!
//! A family implements [`ImageModel`] on tensors. [`ModelGenerator`] makes a [`fmr_core::Generator`] of it: it checks
//! shapes, moves values between host and device, turns panics into errors, and keeps the tape of a decode for its
//! pull-back.

use burn::tensor::{Device, Tensor};
use fmr_core::{ComponentError, Generator, GeneratorSpec, LatentPullBack};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4};

use crate::bridge::{Traced, to_array, to_tensor};
use crate::component::guarded;

/// The way back from a decode: d score / d images `[n, c, h, w]` to d score / d latents `[n, d]`.
pub type PullBack<'a> = Box<dyn FnOnce(Tensor<4>) -> Result<Tensor<2>, ComponentError> + Send + 'a>;

/// By how much values that the search must not move are stored larger in a latent row, as they are part of it where a
/// decode needs them. Their gradient is zero, so no step along the gradient moves them; the random directions of restarts
/// and of gradients estimated from forwards do, but change what is stored so by next to nothing. A power of two: the way
/// there and back is exact.
pub const HELD: f32 = 65536.0;

/// Name of the block of a latent row that holds what the first decode lacks of the original, where changes are added to it.
pub const DETAIL: &str = "detail";

/// Adds what the first decode lacks of the original.
pub fn composed(images: Tensor<4>, detail: Option<Tensor<4>>) -> Tensor<4> {
    match detail {
        Some(detail) => images + detail,
        None => images,
    }
}

/// The model's class of each label of the run. `classes` lists the model's class for each of the run's, where they differ;
/// `known` is the number of classes that the model knows.
///
/// # Errors
/// A label has no class among those.
pub fn told_classes(
    (component, asked): (&str, &str),
    known: usize,
    classes: Option<&[usize]>,
    labels: &[usize],
) -> Result<Vec<usize>, ComponentError> {
    let told = labels.iter().map(|label| {
        let class = classes.map_or(Some(*label), |classes| classes.get(*label).copied());
        class.filter(|class| *class < known).ok_or_else(|| {
            let problem = format!(
                "class {label} of the run is none of the {known} that the model knows; `classes` lists the model's class \
                 for each of the run's"
            );
            ComponentError::new(component, asked, problem)
        })
    });
    told.collect()
}

/// A generative model on tensors: images `[n, c, h, w]` in [0, 1] to latents `[n, d]` and back, of the shapes that its
/// spec states. All tensors are on the model's device; labels are class indices, one per image.
///
/// A panic becomes an error of the component, as burn reports its own errors so. What a model finds wrong itself is a
/// [`ComponentError`].
pub trait ImageModel: Send + Sync {
    /// What the model takes and gives.
    fn spec(&self) -> &GeneratorSpec;

    /// The device that computes.
    fn device(&self) -> &Device;

    /// Latents of the images, one row an image.
    ///
    /// # Errors
    /// As the model finds.
    fn encode(&self, images: Tensor<4>, labels: &[usize]) -> Result<Tensor<2>, ComponentError>;

    /// Images of the latents. The tape of the latents, where they have one, leads through it.
    ///
    /// # Errors
    /// As the model finds.
    fn decode(&self, latents: Tensor<2>, labels: &[usize]) -> Result<Tensor<4>, ComponentError>;

    /// Images of the latents, and the way back. One tape of [`ImageModel::decode`], unless the model has a way that
    /// needs less memory: a sampler of many steps goes through them one at a time.
    ///
    /// # Errors
    /// As [`ImageModel::decode`].
    fn decode_with_pullback<'a>(
        &'a self,
        latents: Tensor<2>,
        labels: &[usize],
    ) -> Result<(Tensor<4>, PullBack<'a>), ComponentError> {
        let traced = Traced::try_new(latents, |z| self.decode(z, labels))?;
        Ok((traced.output(), Box::new(move |gradient| Ok(traced.pull_back(gradient)))))
    }

    /// As [`Generator::quantized`].
    ///
    /// # Errors
    /// As [`ImageModel::decode`].
    fn quantized(&self, _latents: Tensor<2>) -> Result<Option<Tensor<2>>, ComponentError> {
        Ok(None)
    }

    /// As [`Generator::finish`].
    ///
    /// # Errors
    /// As [`ImageModel::decode`].
    fn finish(&self, _latents: Tensor<2>, _labels: &[usize]) -> Result<Option<Tensor<2>>, ComponentError> {
        Ok(None)
    }
}

/// An [`ImageModel`] as a generator.
#[derive(Debug)]
pub struct ModelGenerator<M> {
    component: &'static str,
    model: M,
}

impl<M: ImageModel> ModelGenerator<M> {
    /// A generator whose errors begin with `component`, such as `generator "vqgan"`.
    pub fn new(component: &'static str, model: M) -> Self {
        Self { component, model }
    }

    /// Runs `f` on the latents of a call, once their shape is checked.
    fn on_latents<T>(
        &self,
        asked: &str,
        latents: ArrayView2<'_, f32>,
        f: impl FnOnce(Tensor<2>) -> Result<T, ComponentError>,
    ) -> Result<T, ComponentError> {
        guarded(self.component, asked, || {
            self.check(asked, &latents.shape()[1..], &[self.model.spec().latent_len()])?;
            f(to_tensor(latents, self.model.device()))
        })
    }

    fn check(&self, asked: &str, found: &[usize], wanted: &[usize]) -> Result<(), ComponentError> {
        if found == wanted {
            return Ok(());
        }
        Err(ComponentError::new(self.component, asked, format!("it takes samples of shape {wanted:?}, not {found:?}")))
    }

    /// One label belongs to each of `n` samples.
    fn check_labels(&self, asked: &str, labels: &[usize], n: usize) -> Result<(), ComponentError> {
        if labels.len() == n {
            return Ok(());
        }
        let problem = format!("it takes one label a sample, not {} for {n}", labels.len());
        Err(ComponentError::new(self.component, asked, problem))
    }

    fn images(&self, images: Tensor<4>) -> Array4<f32> {
        let [c, h, w] = self.model.spec().image;
        let n = images.dims()[0];
        to_array(images, (n, c, h, w))
    }
}

/// The values of rows of any length.
fn rows(rows: Tensor<2>) -> Array2<f32> {
    let [n, d] = rows.dims();
    to_array(rows, (n, d))
}

impl<M: ImageModel> Generator for ModelGenerator<M> {
    fn spec(&self) -> &GeneratorSpec {
        self.model.spec()
    }

    fn encode(&self, images: ArrayView4<'_, f32>, labels: &[usize]) -> Result<Array2<f32>, ComponentError> {
        let asked = "encode images";
        guarded(self.component, asked, || {
            self.check(asked, &images.shape()[1..], &self.model.spec().image)?;
            self.check_labels(asked, labels, images.dim().0)?;
            let latents = self.model.encode(to_tensor(images, self.model.device()), labels)?;
            Ok(to_array(latents, (images.dim().0, self.model.spec().latent_len())))
        })
    }

    fn decode(&self, latents: ArrayView2<'_, f32>, labels: &[usize]) -> Result<Array4<f32>, ComponentError> {
        let asked = "decode latents";
        self.on_latents(asked, latents, |z| {
            self.check_labels(asked, labels, latents.nrows())?;
            Ok(self.images(self.model.decode(z, labels)?))
        })
    }

    fn quantized(&self, latents: ArrayView2<'_, f32>) -> Result<Option<Array2<f32>>, ComponentError> {
        self.on_latents("quantise latents", latents, |z| Ok(self.model.quantized(z)?.map(rows)))
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
        let (asked, way_back) = ("decode latents", "pull back");
        let (n, d) = latents.dim();
        self.on_latents(asked, latents, |z| {
            self.check_labels(asked, labels, n)?;
            let (images, back) = self.model.decode_with_pullback(z, labels)?;
            let pull_back: LatentPullBack<'a> = Box::new(move |gradient: ArrayView4<'_, f32>| {
                guarded(self.component, way_back, || {
                    let [c, h, w] = self.model.spec().image;
                    self.check(way_back, gradient.shape(), &[n, c, h, w])?;
                    Ok(to_array(back(to_tensor(gradient, self.model.device()))?, (n, d)))
                })
            });
            Ok((self.images(images), pull_back))
        })
    }

    fn finish(&self, latents: ArrayView2<'_, f32>, labels: &[usize]) -> Result<Option<Array2<f32>>, ComponentError> {
        let asked = "finish latents";
        self.on_latents(asked, latents, |z| {
            self.check_labels(asked, labels, latents.nrows())?;
            Ok(self.model.finish(z, labels)?.map(rows))
        })
    }
}
