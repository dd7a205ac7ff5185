//! Components of plugins as implementations of the traits.

use fmr_core::{
    ComponentError, Generator, GeneratorSpec, ImagePullBack, LatentPullBack, Oracle, Scorer, Target, TargetSpec,
};
use ndarray::{Array, Array1, Array2, Array4, ArrayView, ArrayView2, ArrayView4, Axis, Dimension, RemoveAxis};

use super::border::Saved;
use super::buffers::Tensor;
use super::handle::Handle;
use crate::abi;

fn array<D: Dimension>(shape: D, values: Vec<f32>) -> Array<f32, D> {
    // The values were made for this shape, so the fallback is never taken.
    Array::from_shape_vec(shape.clone(), values).unwrap_or_else(|_| Array::zeros(shape))
}

/// How many samples each saved state of a batch covers.
struct Parts {
    saved: Vec<Saved>,
    each: usize,
}

impl Handle {
    /// A forward with a pull-back to the first input: in one go, or one sample at a time where the plugin needs that.
    fn differentiate<D: RemoveAxis, E: RemoveAxis>(
        &self,
        asked: &str,
        function: abi::Function,
        input: ArrayView<'_, f32, D>,
        labels: Option<&[usize]>,
        row: E,
    ) -> Result<(Array<f32, E>, Parts), ComponentError> {
        let n = input.len_of(Axis(0));
        let each = if self.info().batched_pull_back { n } else { 1 };
        let mut saved = vec![];
        let mut values = vec![];
        for start in (0..n).step_by(each.max(1)) {
            let some = input.slice_axis(Axis(0), (start..start + each).into());
            let mut inputs = vec![Tensor::copy(some)];
            inputs.extend(labels.map(|l| Tensor::labels(&l[start..start + each])));
            let mut shape = row.clone();
            shape[0] = each;
            let (part, state) = self.forward_saving(asked, function, inputs, shape.slice())?;
            saved.push(state);
            if values.is_empty() { values = part } else { values.extend(part) }
        }
        let mut shape = row;
        shape[0] = n;
        Ok((array(shape, values), Parts { saved, each }))
    }

    /// The pull-back of [`Handle::differentiate`].
    fn pull<D: RemoveAxis, E: RemoveAxis>(
        &self,
        asked: &str,
        parts: Parts,
        cotangent: ArrayView<'_, f32, E>,
        row: D,
    ) -> Result<Array<f32, D>, ComponentError> {
        let n = cotangent.len_of(Axis(0));
        let mut shape = row;
        shape[0] = n;
        let expected = parts.saved.len() * parts.each;
        if n != expected {
            return Err(self.error(asked, format!("{n} cotangents for a batch of {expected}")));
        }
        let mut values = vec![];
        for (i, saved) in parts.saved.into_iter().enumerate() {
            let some = cotangent.slice_axis(Axis(0), (i * parts.each..(i + 1) * parts.each).into());
            let mut part = shape.clone();
            part[0] = parts.each;
            let part = self.pull_back(asked, saved, Tensor::copy(some), part.slice())?;
            if values.is_empty() { values = part } else { values.extend(part) }
        }
        Ok(array(shape, values))
    }

    fn same_len(&self, asked: &str, n: usize, labels: &[usize]) -> Result<(), ComponentError> {
        if labels.len() == n {
            Ok(())
        } else {
            Err(self.error(asked, format!("{} labels for {n} samples", labels.len())))
        }
    }
}

/// A target of a plugin.
#[derive(Debug)]
pub(super) struct PluginTarget {
    handle: Handle,
    spec: TargetSpec,
}

impl PluginTarget {
    pub(super) fn new(handle: Handle) -> Self {
        let info = handle.info();
        let spec = TargetSpec { name: info.name.clone(), classes: info.classes, differentiable: info.differentiable };
        Self { handle, spec }
    }
}

impl Target for PluginTarget {
    fn spec(&self) -> &TargetSpec {
        &self.spec
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let shape = [images.dim().0, self.spec.classes];
        if shape[0] == 0 {
            return Ok(Array2::zeros(shape));
        }
        let asked = format!("logits of {} images", shape[0]);
        let [values] = self.handle.forward(&asked, abi::LOGITS, vec![Tensor::copy(images)], [&shape])?;
        Ok(array(ndarray::Dim(shape), values))
    }

    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        let dim = images.raw_dim();
        let asked = format!("logits of {} images, with gradient", dim[0]);
        if !self.spec.differentiable {
            return Err(self.handle.error(&asked, "it offers no gradient"));
        }
        let row = ndarray::Dim([0, self.spec.classes]);
        let (logits, parts) = self.handle.differentiate(&asked, abi::LOGITS, images, None, row)?;
        let pull = move |cotangent: ArrayView2<'_, f32>| {
            let asked = format!("gradient of {} images", cotangent.nrows());
            if cotangent.ncols() != self.spec.classes {
                return Err(self.handle.error(&asked, format!("cotangents of {} classes", cotangent.ncols())));
            }
            self.handle.pull(&asked, parts, cotangent, dim)
        };
        Ok((logits, Box::new(pull)))
    }
}

/// A generator of a plugin.
#[derive(Debug)]
pub(super) struct PluginGenerator {
    handle: Handle,
    spec: GeneratorSpec,
}

impl PluginGenerator {
    pub(super) fn new(handle: Handle) -> Self {
        let info = handle.info();
        let spec = GeneratorSpec { name: info.name.clone(), image: info.image, latent: info.latent.clone() };
        Self { handle, spec }
    }

    fn check_latents(&self, asked: &str, latents: ArrayView2<'_, f32>, labels: &[usize]) -> Result<(), ComponentError> {
        let (n, d) = latents.dim();
        self.handle.same_len(asked, n, labels)?;
        let wanted = self.spec.latent_len();
        if d == wanted { Ok(()) } else { Err(self.handle.error(asked, format!("latents of {d} values, not {wanted}"))) }
    }

    fn images(&self, n: usize) -> ndarray::Ix4 {
        let [c, h, w] = self.spec.image;
        ndarray::Dim([n, c, h, w])
    }
}

impl Generator for PluginGenerator {
    fn spec(&self) -> &GeneratorSpec {
        &self.spec
    }

    fn encode(&self, images: ArrayView4<'_, f32>, labels: &[usize]) -> Result<Array2<f32>, ComponentError> {
        let (n, c, h, w) = images.dim();
        let asked = format!("encode {n} images");
        self.handle.same_len(&asked, n, labels)?;
        if [c, h, w] != self.spec.image {
            let problem = format!("images of {:?}, not {:?}", [c, h, w], self.spec.image);
            return Err(self.handle.error(&asked, problem));
        }
        let shape = [n, self.spec.latent_len()];
        if n == 0 {
            return Ok(Array2::zeros(shape));
        }
        let inputs = vec![Tensor::copy(images), Tensor::labels(labels)];
        let [values] = self.handle.forward(&asked, abi::ENCODE, inputs, [&shape])?;
        Ok(array(ndarray::Dim(shape), values))
    }

    fn decode(&self, latents: ArrayView2<'_, f32>, labels: &[usize]) -> Result<Array4<f32>, ComponentError> {
        let n = latents.nrows();
        let asked = format!("decode {n} latents");
        self.check_latents(&asked, latents, labels)?;
        let shape = self.images(n);
        if n == 0 {
            return Ok(Array4::zeros(shape));
        }
        let inputs = vec![Tensor::copy(latents), Tensor::labels(labels)];
        let [values] = self.handle.forward(&asked, abi::DECODE, inputs, [shape.slice()])?;
        Ok(array(shape, values))
    }

    fn finish(&self, latents: ArrayView2<'_, f32>, labels: &[usize]) -> Result<Option<Array2<f32>>, ComponentError> {
        let asked = format!("finish {} latents", latents.nrows());
        self.check_latents(&asked, latents, labels)?;
        if !self.handle.info().finishes || latents.is_empty() {
            return Ok(None);
        }
        let inputs = vec![Tensor::copy(latents), Tensor::labels(labels)];
        let [values] = self.handle.forward(&asked, abi::FINISH, inputs, [latents.shape()])?;
        Ok(Some(array(latents.raw_dim(), values)))
    }

    fn quantized(&self, latents: ArrayView2<'_, f32>) -> Result<Option<Array2<f32>>, ComponentError> {
        if !self.handle.info().quantizes || latents.is_empty() {
            return Ok(None);
        }
        let asked = format!("quantise {} latents", latents.nrows());
        let [values] = self.handle.forward(&asked, abi::QUANTIZE, vec![Tensor::copy(latents)], [latents.shape()])?;
        Ok(Some(array(latents.raw_dim(), values)))
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
        let asked = format!("decode {} latents, with gradient", latents.nrows());
        self.check_latents(&asked, latents, labels)?;
        let row = self.images(0);
        let (images, parts) = self.handle.differentiate(&asked, abi::DECODE, latents, Some(labels), row)?;
        let pull = move |cotangent: ArrayView4<'_, f32>| {
            let (n, c, h, w) = cotangent.dim();
            let asked = format!("gradient of {n} latents");
            if [c, h, w] != self.spec.image {
                return Err(self.handle.error(&asked, format!("cotangents of {:?}", [c, h, w])));
            }
            self.handle.pull(&asked, parts, cotangent, ndarray::Dim([0, self.spec.latent_len()]))
        };
        Ok((images, Box::new(pull)))
    }
}

/// An oracle of a plugin.
#[derive(Debug)]
pub(super) struct PluginOracle {
    handle: Handle,
    classes: usize,
}

impl PluginOracle {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle, classes: 0 }
    }
}

impl Oracle for PluginOracle {
    fn name(&self) -> &str {
        &self.handle.info().name
    }

    fn set_classes(&mut self, names: &[String], templates: &[String]) -> Result<(), ComponentError> {
        self.handle.set_classes(names, templates)?;
        self.classes = names.len();
        Ok(())
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let shape = [images.dim().0, self.classes];
        let asked = format!("judge {} images", shape[0]);
        if self.classes == 0 {
            return Err(self.handle.error(&asked, "its classes are not set"));
        }
        if shape[0] == 0 {
            return Ok(Array2::zeros(shape));
        }
        let [values] = self.handle.forward(&asked, abi::JUDGE, vec![Tensor::copy(images)], [&shape])?;
        Ok(array(ndarray::Dim(shape), values))
    }
}

/// A scorer of a plugin.
#[derive(Debug)]
pub(super) struct PluginScorer {
    handle: Handle,
}

impl PluginScorer {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

impl Scorer for PluginScorer {
    fn name(&self) -> &str {
        &self.handle.info().name
    }

    fn score(
        &self,
        logits: ArrayView2<'_, f32>,
        clean: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array1<f32>, Array2<f32>), ComponentError> {
        let (n, k) = logits.dim();
        let asked = format!("score {n} rows of logits");
        self.handle.same_len(&asked, n, labels)?;
        if clean.dim() != (n, k) {
            return Err(self.handle.error(&asked, format!("clean logits of {:?}, not {:?}", clean.shape(), [n, k])));
        }
        if n == 0 {
            return Ok((Array1::zeros(0), Array2::zeros((0, k))));
        }
        let inputs = vec![Tensor::copy(logits), Tensor::copy(clean), Tensor::labels(labels)];
        let [scores, gradients] = self.handle.forward(&asked, abi::SCORE, inputs, [&[n], &[n, k]])?;
        Ok((Array1::from_vec(scores), array(ndarray::Dim([n, k]), gradients)))
    }
}
