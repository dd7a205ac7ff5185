//! The autoencoder as a generator.

use std::path::PathBuf;

use burn::tensor::{Device, Tensor};
use fmr_core::registry::{MakeError, Registry, Site};
use fmr_core::{ComponentError, Generator, GeneratorSpec, LatentBlock, LatentPullBack, SettingError};
use fmr_nn::bridge::{Traced, to_array, to_tensor};
use fmr_nn::component::guarded;
use fmr_nn::weights::{self, Builder};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4};
use serde::{Deserialize, Serialize};

use crate::autoencoder::Autoencoder;
use crate::config::VqganConfig;

/// Which vectors the search moves (protocol, item 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Latent {
    /// The encoder's output after `quant_conv`.
    #[default]
    Encoder,
    /// The codebook rows nearest to it.
    Quantized,
}

/// A generator of kind `vqgan`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VqganSettings {
    /// Checkpoint.
    pub weights: PathBuf,
    /// Sizes, where the checkpoint does not carry them: a JSON file with `embed_dim`, `n_embed` and `ddconfig`.
    #[serde(default)]
    pub config: Option<PathBuf>,
    /// Which vectors the search moves.
    #[serde(default)]
    pub latent: Latent,
    /// Whether every decode replaces vectors by their nearest codebook rows, with the gradient passed straight through.
    #[serde(default = "yes")]
    pub quantize: bool,
    /// Device that computes; the run's unless named.
    #[serde(default)]
    pub device: Option<String>,
}

fn yes() -> bool {
    true
}

/// Registers the generators of kind `vqgan`.
pub fn register(registry: &mut Registry) {
    registry.add_generator("vqgan", |settings, site| {
        let settings: VqganSettings = settings.parse()?;
        Ok(Box::new(Vqgan::from_settings(&settings, site)?))
    });
}

/// A VQGAN for images of one size.
#[derive(Debug)]
pub struct Vqgan {
    spec: GeneratorSpec,
    net: Autoencoder,
    latent: Latent,
    quantize: bool,
    device: Device,
}

const COMPONENT: &str = "generator \"vqgan\"";

impl Vqgan {
    /// Loads a VQGAN for the images of a run.
    ///
    /// # Errors
    /// Weights or sizes that cannot be read, weights of another model, an image whose sides the model cannot halve.
    pub fn from_settings(settings: &VqganSettings, site: &Site) -> Result<Self, MakeError> {
        let error = |asked: &str, problem: String| ComponentError::new(COMPONENT, asked, problem);
        let device = settings.device.as_ref().unwrap_or(&site.device);
        let device = fmr_nn::device::device(device).map_err(|e| SettingError::new("device", e.to_string()))?;
        let weights = site.path(&settings.weights);
        let file = weights::read(&weights).map_err(|e| error("load weights", e.to_string()))?;
        let path = weights.display();
        let text = match settings.config.as_ref().map(|config| site.path(config)) {
            Some(config) => std::fs::read_to_string(&config)
                .map_err(|e| error("read sizes", format!("{}: {e}", config.display())))?,
            None => file.metadata.get("fmr-vqgan-config").cloned().ok_or_else(|| {
                error("read sizes", format!("{path} does not carry them; name a file with them under `config`"))
            })?,
        };
        let config: VqganConfig = serde_json::from_str(&text).map_err(|e| error("read sizes", e.to_string()))?;
        let mut b = Builder::stored(file.tensors, &device);
        let net = Autoencoder::new(&mut b, &config);
        b.finish(|key| key.starts_with("loss.") || key.starts_with("model_ema.")).map_err(|e| {
            let found = file.looks_like.map(|f| format!(" looks like {f};")).unwrap_or_default();
            error("load weights", format!("{path}:{found} {e}"))
        })?;
        Ok(Self::new(net, &config, site.image, settings.latent, settings.quantize, device)?)
    }

    /// A VQGAN with seeded random weights, for measurements of speed and memory.
    ///
    /// # Errors
    /// An image whose sides the model cannot halve.
    pub fn random(config: &VqganConfig, image: [usize; 3], seed: u64, device: Device) -> Result<Self, ComponentError> {
        let mut b = Builder::random_frozen(seed, &device);
        let net = Autoencoder::new(&mut b, config);
        Self::new(net, config, image, Latent::Encoder, true, device)
    }

    fn new(
        net: Autoencoder,
        config: &VqganConfig,
        image: [usize; 3],
        latent: Latent,
        quantize: bool,
        device: Device,
    ) -> Result<Self, ComponentError> {
        let f = config.ddconfig.factor();
        let [c, h, w] = image;
        if c != config.ddconfig.in_channels || h % f != 0 || w % f != 0 || h == 0 || w == 0 {
            let problem = format!(
                "it works on {} channels and sides that are multiples of {f}, not on {c}×{h}×{w}; resize or pad the data",
                config.ddconfig.in_channels
            );
            return Err(ComponentError::new(COMPONENT, "fit the images", problem));
        }
        let block = LatentBlock { name: "z".to_owned(), shape: vec![config.embed_dim, h / f, w / f], offset: 0 };
        let spec = GeneratorSpec { name: format!("vqgan-f{f}-{}", config.n_embed), image, latent: vec![block] };
        Ok(Self { spec, net, latent, quantize, device })
    }

    fn latent_shape(&self, n: usize) -> [usize; 4] {
        let shape = &self.spec.latent[0].shape;
        [n, shape[0], shape[1], shape[2]]
    }

    fn check(&self, asked: &str, found: &[usize], wanted: &[usize]) -> Result<(), ComponentError> {
        if found == wanted {
            return Ok(());
        }
        Err(ComponentError::new(COMPONENT, asked, format!("it takes samples of shape {wanted:?}, not {found:?}")))
    }

    /// Latents `[n, d]` to images in [0, 1] and a little beyond.
    fn run(&self, z: Tensor<2>) -> Tensor<4> {
        let [n, _] = z.dims();
        let z = z.reshape(self.latent_shape(n));
        let z = if self.quantize { self.net.codebook.quantize(z) } else { z };
        (self.net.decode(z) + 1.0) / 2.0
    }
}

impl Generator for Vqgan {
    fn spec(&self) -> &GeneratorSpec {
        &self.spec
    }

    fn encode(&self, images: ArrayView4<'_, f32>, _: &[usize]) -> Result<Array2<f32>, ComponentError> {
        guarded(COMPONENT, "encode images", || {
            self.check("encode images", &images.shape()[1..], &self.spec.image)?;
            let x: Tensor<4> = to_tensor(images, &self.device);
            let z = self.net.encode(x * 2.0 - 1.0);
            let z = if self.latent == Latent::Quantized { self.net.codebook.quantize(z) } else { z };
            Ok(to_array(z, (images.dim().0, self.spec.latent_len())))
        })
    }

    fn decode(&self, latents: ArrayView2<'_, f32>, _: &[usize]) -> Result<Array4<f32>, ComponentError> {
        guarded(COMPONENT, "decode latents", || {
            self.check("decode latents", &latents.shape()[1..], &[self.spec.latent_len()])?;
            let [c, h, w] = self.spec.image;
            Ok(to_array(self.run(to_tensor(latents, &self.device)), (latents.nrows(), c, h, w)))
        })
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        _: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
        guarded(COMPONENT, "decode latents", || {
            self.check("decode latents", &latents.shape()[1..], &[self.spec.latent_len()])?;
            let (n, d) = latents.dim();
            let [c, h, w] = self.spec.image;
            let traced = Traced::new(to_tensor(latents, &self.device), |z| self.run(z));
            let images = to_array(traced.output(), (n, c, h, w));
            let pull_back: LatentPullBack<'a> = Box::new(move |gradient: ArrayView4<'_, f32>| {
                guarded(COMPONENT, "pull back", || {
                    let dz: Tensor<2> = traced.pull_back(to_tensor(gradient, &self.device));
                    Ok(to_array(dz, (n, d)))
                })
            });
            Ok((images, pull_back))
        })
    }
}
