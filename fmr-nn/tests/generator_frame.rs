//! The frame that makes generators of models.

#![expect(clippy::unwrap_used, reason = "tests")]

use burn::tensor::{Device, Tensor};
use fmr_core::{ComponentError, Generator as _, GeneratorSpec, LatentBlock};
use fmr_nn::device::device;
use fmr_nn::generator::{ImageModel, ModelGenerator};
use ndarray::{Array, s};

/// Images are the squares of their latents, plus the label.
struct Squares(GeneratorSpec, Device);

impl ImageModel for Squares {
    fn spec(&self) -> &GeneratorSpec {
        &self.0
    }

    fn device(&self) -> &Device {
        &self.1
    }

    fn encode(&self, images: Tensor<4>, labels: &[usize]) -> Result<Tensor<2>, ComponentError> {
        assert!(!labels.contains(&13), "no class 13");
        let n = images.dims()[0];
        Ok(images.sqrt().reshape([n, 4]))
    }

    fn decode(&self, latents: Tensor<2>, labels: &[usize]) -> Result<Tensor<4>, ComponentError> {
        let n = latents.dims()[0];
        let labels: Vec<f32> = labels.iter().map(|l| *l as f32).collect();
        let labels = Tensor::<1>::from_floats(labels.as_slice(), &latents.device());
        Ok((latents.clone() * latents).reshape([n, 1, 2, 2]) + labels.reshape([n, 1, 1, 1]))
    }
}

fn squares() -> ModelGenerator<Squares> {
    let latent = vec![LatentBlock { name: "z".into(), shape: vec![4], offset: 0 }];
    let spec = GeneratorSpec { name: "squares".into(), image: [1, 2, 2], latent };
    ModelGenerator::new("generator \"squares\"", Squares(spec, device("cpu").unwrap()))
}

#[test]
fn values_and_gradients_cross_the_border() {
    let g = squares();
    let z = Array::from_shape_fn((2, 4), |(i, j)| (i * 4 + j) as f32);
    let (images, back) = g.decode_with_pullback(z.view(), &[0, 5]).unwrap();
    assert_eq!(images, g.decode(z.view(), &[0, 5]).unwrap());
    assert_eq!((images[[0, 0, 1, 1]], images[[1, 0, 0, 0]]), (9.0, 21.0));
    let gradient = Array::from_elem((2, 1, 2, 2), 0.5);
    assert_eq!(back(gradient.view()).unwrap(), z);
    assert_eq!(g.encode(images.slice(s![..1, .., .., ..]), &[0]).unwrap(), z.slice(s![..1, ..]));
    assert!(g.quantized(z.view()).unwrap().is_none() && g.finish(z.view(), &[0; 2]).unwrap().is_none());
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let g = squares();
    let z = Array::zeros((2, 4));
    let text = |e: ComponentError| e.to_string();
    let wide = text(g.decode(Array::zeros((2, 5)).view(), &[0; 2]).unwrap_err());
    assert_eq!(wide, "generator \"squares\": decode latents: it takes samples of shape [4], not [5]");
    let labels = text(g.decode(z.view(), &[0]).unwrap_err());
    assert_eq!(labels, "generator \"squares\": decode latents: it takes one label a sample, not 1 for 2");
    let (_, back) = g.decode_with_pullback(z.view(), &[0; 2]).unwrap();
    let gradient = text(back(Array::zeros((1, 1, 2, 2)).view()).unwrap_err());
    assert!(gradient.starts_with("generator \"squares\": pull back: it takes samples of shape [2, 1, 2, 2]"));
    let panic = text(g.encode(Array::zeros((1, 1, 2, 2)).view(), &[13]).unwrap_err());
    assert_eq!(panic, "generator \"squares\": encode images: no class 13");
}
