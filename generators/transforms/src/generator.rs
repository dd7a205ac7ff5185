//! The composition as a generator.

use fmr_core::registry::{MakeContext, MakeError, NamedFile, Recipe, Registry};
use fmr_core::{ComponentError, Generator, GeneratorSpec, LatentPullBack};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4};
use rayon::prelude::*;

use crate::blur::Kernel;
use crate::composition::{Composition, Steps};
use crate::layout::{Layout, Parameters, TransformsSettings};

/// Factor of the carried image: a power of two, so that nothing is rounded.
const CARRIED: f32 = 65536.0;

/// Registers the generator of kind `transforms`.
pub fn register(registry: &mut Registry) {
    registry.add::<dyn Generator, TransformsSettings>("transforms");
}

impl Recipe<dyn Generator> for TransformsSettings {
    fn check(&self, _: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        // The largest images: what depends on their size is refused once it is known.
        Layout::new(self, [1, 1 << 16, 1 << 16])?;
        Ok(Vec::new())
    }

    fn make(self, context: &MakeContext<'_>) -> Result<Box<dyn Generator>, MakeError> {
        Ok(Box::new(Transforms::from_settings(&self, context)?))
    }
}

/// Basic transformations whose parameters are the latent.
#[derive(Debug)]
pub struct Transforms {
    spec: GeneratorSpec,
    layout: Layout,
    composition: Composition,
}

impl Transforms {
    /// For images of the run's shape.
    ///
    /// # Errors
    /// Strengths that make no sense.
    pub fn from_settings(settings: &TransformsSettings, context: &MakeContext<'_>) -> Result<Self, MakeError> {
        let shape = context.image;
        if shape.contains(&0) {
            return Err(Self::error("make it", format!("images of shape {shape:?} are empty")).into());
        }
        let layout = Layout::new(settings, shape)?;
        let spec = GeneratorSpec { name: "transforms".to_owned(), image: shape, latent: layout.blocks() };
        let kernel = Kernel::gaussian(settings.blur_sigma);
        let seed = settings.seed.unwrap_or(context.seed);
        Ok(Self { spec, layout, composition: Composition { shape, kernel, seed } })
    }

    fn error(asked: &str, problem: String) -> ComponentError {
        ComponentError::new("generator \"transforms\"", asked, problem)
    }

    /// Parameters and image of every row.
    fn rows(&self, latents: &[f32]) -> impl IndexedParallelIterator<Item = (Parameters, Vec<f32>)> {
        let offset = self.layout.parameters();
        let image = move |row: &[f32]| row[offset..].iter().map(|v| v / CARRIED).collect();
        let rows = latents.par_chunks_exact(self.layout.row());
        // No more rows side by side than this thread's budget allows.
        let share = fmr_core::threads::budget().map_or(1, |most| rows.len().div_ceil(most.get()).max(1));
        rows.with_min_len(share).map(move |row| (self.layout.read(row), image(row)))
    }

    fn check(&self, latents: &ArrayView2<'_, f32>) -> Result<(), ComponentError> {
        if latents.ncols() == self.layout.row() {
            return Ok(());
        }
        let problem = format!("a latent has {} values instead of {}", latents.ncols(), self.layout.row());
        Err(Self::error("decode", problem))
    }

    fn images(&self, values: Vec<f32>) -> Result<Array4<f32>, ComponentError> {
        let [c, h, w] = self.spec.image;
        let n = values.len() / (c * h * w).max(1);
        Array4::from_shape_vec((n, c, h, w), values).map_err(|e| Self::error("decode", e.to_string()))
    }
}

impl Generator for Transforms {
    fn spec(&self) -> &GeneratorSpec {
        &self.spec
    }

    fn encode(&self, images: ArrayView4<'_, f32>, _: &[usize]) -> Result<Array2<f32>, ComponentError> {
        if images.shape()[1..] != self.spec.image {
            let [c, h, w] = self.spec.image;
            let problem = format!("the images are {:?} instead of {c}×{h}×{w}", &images.shape()[1..]);
            return Err(Self::error("encode", problem));
        }
        let mut latents = Array2::zeros((images.shape()[0], self.layout.row()));
        for (mut row, image) in latents.outer_iter_mut().zip(images.outer_iter()) {
            row.iter_mut().skip(self.layout.parameters()).zip(image.iter()).for_each(|(r, v)| *r = v * CARRIED);
        }
        Ok(latents)
    }

    fn decode(&self, latents: ArrayView2<'_, f32>, _: &[usize]) -> Result<Array4<f32>, ComponentError> {
        self.check(&latents)?;
        let latents = latents.as_standard_layout();
        let latents = latents.as_slice().unwrap_or(&[]);
        let images: Vec<Vec<f32>> =
            self.rows(latents).map(|(p, image)| self.composition.forward(&p, &image).0).collect();
        self.images(images.concat())
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        _: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
        self.check(&latents)?;
        let latents: Vec<f32> = latents.iter().copied().collect();
        let results: Vec<(Vec<f32>, Steps)> =
            self.rows(&latents).map(|(p, image)| self.composition.forward(&p, &image)).collect();
        let (images, steps): (Vec<_>, Vec<_>) = results.into_iter().unzip();
        let images = self.images(images.concat())?;
        let expected = images.raw_dim();
        let pull_back: LatentPullBack<'a> = Box::new(move |gradient: ArrayView4<'_, f32>| {
            if gradient.raw_dim() != expected {
                return Err(Self::error("pull back", format!("a gradient of shape {:?}", gradient.shape())));
            }
            let gradient: Vec<f32> = gradient.iter().copied().collect();
            let pixels: usize = self.spec.image.iter().product();
            let width = self.layout.row();
            let mut rows = vec![0.0; latents.len()];
            let slopes = rows.par_chunks_exact_mut(width).zip(self.rows(&latents));
            slopes.zip(steps.par_iter().zip(gradient.par_chunks_exact(pixels.max(1)))).for_each(
                |((row, (p, image)), (steps, gradient))| {
                    self.layout.write(self.composition.gradient(&p, &image, steps, gradient), row);
                },
            );
            Array2::from_shape_vec((steps.len(), width), rows).map_err(|e| Self::error("pull back", e.to_string()))
        });
        Ok((images, pull_back))
    }
}
