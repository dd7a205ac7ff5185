//! ADM's classifier of noisy images: the encoder half of a UNet, and a pool that attends.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, activation};
use fmr_nn::bridge::{Traced, beside};
use fmr_nn::functional::{self as f, PackedOrder};
use fmr_nn::layers::{Conv2d, GroupNorm};
use fmr_nn::probe::Probe;
use fmr_nn::weights::{Builder, Init};
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, UnetConfig};
use crate::trunk::{NORM, Trunk, activated};

/// Hyper-parameters of a classifier; `unet.out_channels` are its classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClassifierConfig {
    /// The encoder half.
    pub unet: UnetConfig,
    /// Side of the images: the pool attends to a fixed grid.
    pub image_size: usize,
}

impl ClassifierConfig {
    /// Whether these make a classifier.
    ///
    /// # Errors
    /// A size that the architecture cannot have.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.unet.check_encoder()
    }

    fn tokens(&self) -> usize {
        (self.image_size / self.unet.factor()).pow(2) + 1
    }
}

/// A classifier of noisy images.
#[derive(Module, Debug)]
pub struct Classifier {
    trunk: Trunk,
    norm: GroupNorm,
    positional_embedding: Param<Tensor<2>>,
    qkv_proj: Conv2d,
    c_proj: Conv2d,
    #[module(skip)]
    heads: usize,
}

impl Classifier {
    /// A classifier with parameters from `b`, keys as in guided-diffusion, of a configuration that
    /// [`ClassifierConfig::check`] lets pass.
    pub fn new(b: &mut Builder, c: &ClassifierConfig) -> Self {
        let (trunk, _) = Trunk::new(b, &c.unet);
        let width = c.unet.last_width();
        let near = Init::Normal(1.0 / (width as f32).sqrt());
        let norm = NORM.norm(b, "out.0", width);
        let positional_embedding = b.param("out.2.positional_embedding", [width, c.tokens()], near);
        let qkv_proj = Conv2d::over_positions(b, "out.2.qkv_proj", [width, 3 * width], near);
        let c_proj = Conv2d::over_positions(b, "out.2.c_proj", [width, c.unet.out_channels], near);
        let heads = c.unet.heads.over(width).unwrap_or(1);
        Self { trunk, norm, positional_embedding, qkv_proj, c_proj, heads }
    }

    /// Logits `[n, classes]` of the noisy images `x [n, c, size, size]` at `times`.
    pub fn forward(&self, x: Tensor<4>, times: &[f32]) -> Tensor<2> {
        self.forward_probed(x, times, &mut Probe::off())
    }

    /// As [`Classifier::forward`], showing activations by upstream's module names.
    pub fn forward_probed(&self, x: Tensor<4>, times: &[f32], probe: &mut Probe<'_>) -> Tensor<2> {
        let embedding = self.trunk.embed(times, None, probe);
        let (x, _) = self.trunk.forward(x, &embedding, probe);
        let x = activated(&self.norm, x);
        let [n, c, h, w] = x.dims();
        let positions = x.reshape([n, c, h * w]);
        let tokens = Tensor::cat(vec![positions.clone().mean_dim(2), positions], 2);
        let places = self.positional_embedding.val().unsqueeze::<3>();
        let tokens = tokens.clone() + beside(places, &tokens);
        let qkv = self.qkv_proj.forward(tokens.reshape([n, c, 1, h * w + 1]));
        probe.see("out.2.qkv_proj", &qkv);
        let mixed = f::packed_spatial_attention(qkv, self.heads, PackedOrder::KindsFirst);
        probe.see("out.2.attention", &mixed);
        let logits = self.c_proj.forward(mixed);
        let classes = logits.dims()[1];
        logits.narrow(3, 0, 1).reshape([n, classes])
    }

    /// The gradient that guides a sampler towards `classes`: `scale` times that of Σ ln p(class | x, time) in `x`.
    pub fn guidance(&self, x: Tensor<4>, times: &[f32], classes: &[usize], scale: f32) -> Tensor<4> {
        let traced = Traced::new(x, |x| activation::log_softmax(self.forward(x, times), 1));
        let [_, k] = traced.output().dims();
        let chosen = classes.iter().flat_map(|class| (0..k).map(move |j| if j == *class { scale } else { 0.0 }));
        let cotangent = Tensor::<1>::from_floats(chosen.collect::<Vec<f32>>().as_slice(), &traced.output().device());
        traced.pull_back(cotangent.reshape([classes.len(), k]))
    }
}
