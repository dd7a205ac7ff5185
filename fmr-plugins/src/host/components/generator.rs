//! A generator of a plugin.

use fmr_core::{ComponentError, Generator, GeneratorSpec, LatentPullBack};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4, Dimension};

use super::array;
use crate::abi;
use crate::host::buffers::Tensor;
use crate::host::handle::Handle;

/// Its functions cross the border.
#[derive(Debug)]
pub(in crate::host) struct PluginGenerator {
    handle: Handle,
    spec: GeneratorSpec,
}

impl PluginGenerator {
    pub(in crate::host) fn new(handle: Handle) -> Self {
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
