//! The autoencoder as a generator.

use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use fmr_core::registry::{MakeContext, MakeError, NamedFile, Recipe, Registry};
use fmr_core::{ComponentError, Generator, GeneratorSpec, LatentBlock, SettingError};
use fmr_nn::component::find_published;
use fmr_nn::generator::{ImageModel, ModelGenerator};
use fmr_nn::opening;
use fmr_nn::probe::Probe;
use fmr_nn::weights::{Builder, Chosen};
use serde::{Deserialize, Serialize};

use crate::autoencoder::Autoencoder;
use crate::checkpoint::{self, SizesFrom};
use crate::config::{Sizes, VqganConfig};
use crate::gumbel;
use crate::published::{Published, published};

/// Which vectors the search moves (protocol, item 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Latent {
    /// The encoder's output after `quant_conv`.
    #[default]
    Encoder,
    /// The codebook rows that those vectors are replaced by.
    Quantized,
    /// The encoder's output before `quant_conv`.
    Hidden,
}

/// Whether decoding replaces vectors by codebook rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantize {
    /// Every decode does, and the gradient passes to the vectors unchanged.
    #[default]
    StraightThrough,
    /// No decode does.
    None,
    /// No decode of the search does; the latent that a search ends with is replaced, and its image judged once more.
    AtEnd,
}

/// How a GumbelVQ chooses rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowChoice {
    /// The largest logit; the gradient is the softmax's.
    #[default]
    Largest,
    /// The largest logit after noise that the run's seed draws, the same for every sample; the gradient likewise.
    Sampled,
    /// The nearest row, logits unused and the gradient unchanged: the practice of VQGAN+CLIP.
    Nearest,
}

/// A generator of kind `vqgan`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VqganSettings {
    /// Checkpoint: a Lightning `.ckpt` of taming-transformers or latent-diffusion, weights of diffusers, or a file of
    /// this project's.
    pub weights: PathBuf,
    /// Sizes: the training's yaml, diffusers' `config.json`, or a JSON file with `embed_dim`, `n_embed` and `ddconfig`.
    /// Needed only where they do not stand in or beside the checkpoint, and cannot be told from it.
    #[serde(default)]
    pub config: Option<PathBuf>,
    /// Published model that the checkpoint must be, e.g. `vqgan_imagenet_f16_16384`, in the place of `config`.
    #[serde(default)]
    pub model: Option<String>,
    /// Which vectors the search moves.
    #[serde(default)]
    pub latent: Latent,
    /// Whether decoding replaces vectors by codebook rows.
    #[serde(default)]
    pub quantize: Quantize,
    /// How a GumbelVQ chooses rows.
    #[serde(default)]
    pub row_choice: RowChoice,
    /// Temperature of a GumbelVQ's softmax: it changes gradients only.
    #[serde(default = "one")]
    pub temperature: f32,
    /// Part of the file that holds the model, such as `state_dict_ema`.
    #[serde(default)]
    pub weights_key: Option<String>,
    /// Start of the names of the model's parameters, where other weights stand beside them, such as
    /// `first_stage_model.`.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The moving average of the weights, where a file keeps both.
    #[serde(default)]
    pub ema: Option<bool>,
    /// Device that computes; the run's unless named.
    #[serde(default)]
    pub device: Option<String>,
}

fn one() -> f32 {
    1.0
}

/// Registers the generators of kind `vqgan`.
pub fn register(registry: &mut Registry) {
    registry.add::<dyn Generator, VqganSettings>("vqgan");
}

impl Recipe<dyn Generator> for VqganSettings {
    fn check(&self, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        let (_, model) = self.sound(context)?;
        let published = model.map(Published::downloads).unwrap_or_default();
        let files = [("weights", Some(&self.weights)), ("config", self.config.as_ref())];
        let files = files.into_iter().filter_map(|(key, path)| NamedFile::of(key, path, context));
        Ok(files.map(|file| file.published_as(&published)).collect())
    }

    fn make(self, context: &MakeContext<'_>) -> Result<Box<dyn Generator>, MakeError> {
        Ok(Box::new(Vqgan::from_settings(&self, context)?))
    }
}

impl VqganSettings {
    /// The device and the published model, of settings that make sense together.
    fn sound(&self, context: &MakeContext<'_>) -> Result<(Device, Option<&'static Published>), SettingError> {
        let temperature = self.temperature;
        SettingError::require(temperature > 0.0 && temperature.is_finite(), "temperature", temperature, "positive")?;
        if self.quantize == Quantize::AtEnd && self.latent == Latent::Hidden {
            let problem = "is \"at-end\", which needs latent = \"encoder\" or \"quantized\": rows of the codebook are no \
                           hidden latents";
            return Err(SettingError::new("quantize", problem));
        }
        let model = find_published(self.model.as_deref(), published(), |p| p.name)?;
        if model.is_some() && self.config.is_some() {
            return Err(SettingError::new("model", "says the sizes already; leave out `config`"));
        }
        let device = opening::device(self.device.as_ref(), context)?;
        Ok((device, model))
    }
}

/// Choices between encoder and decoder.
#[derive(Debug)]
struct Middle {
    latent: Latent,
    quantize: Quantize,
    row_choice: RowChoice,
    temperature: f32,
    /// Noise `[1, n_embed, h, w]` of [`RowChoice::Sampled`].
    noise: Option<Tensor<4>>,
}

impl Middle {
    fn plain() -> Self {
        Self {
            latent: Latent::default(),
            quantize: Quantize::default(),
            row_choice: RowChoice::default(),
            temperature: 1.0,
            noise: None,
        }
    }
}

/// A VQGAN for images of one size.
#[derive(Debug)]
pub struct Vqgan {
    spec: GeneratorSpec,
    net: Autoencoder,
    middle: Middle,
    device: Device,
}

const COMPONENT: &str = "generator \"vqgan\"";

impl Vqgan {
    /// Loads a VQGAN for the images of a run.
    ///
    /// # Errors
    /// Weights or sizes that cannot be read, weights of a different model, an image whose sides the model cannot halve.
    pub fn from_settings(
        settings: &VqganSettings,
        context: &MakeContext<'_>,
    ) -> Result<ModelGenerator<Self>, MakeError> {
        let (device, model) = settings.sound(context)?;
        let config = settings.config.as_ref().map(|config| context.path(config));
        let from = match (model, &config) {
            (Some(model), _) => SizesFrom::Model(model),
            (None, Some(path)) => SizesFrom::File(path),
            (None, None) => SizesFrom::Checkpoint,
        };
        let chosen = Chosen {
            weights_key: settings.weights_key.as_deref(),
            prefix: settings.prefix.as_deref(),
            ema: settings.ema,
        };
        let opened = checkpoint::open_chosen(&context.path(&settings.weights), chosen, from, &device)
            .map_err(|e| e.of(COMPONENT))?;
        opened.files.iter().for_each(|file| context.note_file(file));
        opened.taken.iter().for_each(|taken| context.note_remark(format!("{COMPONENT}: {taken}")));
        let mut vqgan = Self::new(opened.net, &opened.sizes, context.image, Middle::plain(), device)?;
        let noise = (settings.row_choice == RowChoice::Sampled).then(|| {
            let (k, grid) = (opened.sizes.n_embed, &vqgan.spec.latent[0].shape);
            let values = gumbel::noise(context.seed, [k, grid[1], grid[2]]);
            Tensor::from_data(TensorData::new(values, [1, k, grid[1], grid[2]]), &vqgan.device)
        });
        vqgan.middle = Middle {
            latent: settings.latent,
            quantize: settings.quantize,
            row_choice: settings.row_choice,
            temperature: settings.temperature,
            noise,
        };
        if settings.latent == Latent::Hidden {
            vqgan.spec.latent[0].shape[0] = opened.sizes.z_channels;
        }
        Ok(ModelGenerator::new(COMPONENT, vqgan))
    }

    /// A VQGAN with seeded random weights, for measurements of speed and memory.
    ///
    /// # Errors
    /// An image whose sides the model cannot halve.
    pub fn random(
        config: &VqganConfig,
        image: [usize; 3],
        seed: u64,
        device: Device,
    ) -> Result<ModelGenerator<Self>, ComponentError> {
        let mut b = Builder::random_frozen(seed, &device);
        let net = Autoencoder::new(&mut b, config);
        Ok(ModelGenerator::new(COMPONENT, Self::new(net, &config.into(), image, Middle::plain(), device)?))
    }

    fn new(
        net: Autoencoder,
        sizes: &Sizes,
        image: [usize; 3],
        middle: Middle,
        device: Device,
    ) -> Result<Self, ComponentError> {
        let f = sizes.factor();
        let [c, h, w] = image;
        if [c, c] != [sizes.in_channels, sizes.out_channels] || h % f != 0 || w % f != 0 || h == 0 || w == 0 {
            let problem = format!(
                "it works on {} channels and sides that are multiples of {f}, not on {c}×{h}×{w}; resize or pad the data",
                sizes.in_channels
            );
            return Err(ComponentError::new(COMPONENT, "fit the images", problem));
        }
        let block = LatentBlock { name: "z".to_owned(), shape: vec![sizes.embed_dim, h / f, w / f], offset: 0 };
        let spec = GeneratorSpec { name: sizes.name(), image, latent: vec![block] };
        Ok(Self { spec, net, middle, device })
    }

    /// Vectors to the codebook rows that stand for them.
    fn rows(&self, z: Tensor<4>) -> Tensor<4> {
        match &self.net.gumbel {
            Some(gumbel) if self.middle.row_choice != RowChoice::Nearest => {
                let n = z.dims()[0];
                let noise = self.middle.noise.clone().map(|noise| noise.repeat_dim(0, n));
                gumbel.quantize(&self.net.codebook, z, noise, self.middle.temperature)
            }
            _ => self.net.codebook.quantize(z),
        }
    }

    /// Latents `[n, d]` as maps `[n, channels, h, w]`.
    fn grid(&self, latents: Tensor<2>) -> Tensor<4> {
        let n = latents.dims()[0];
        let shape = &self.spec.latent[0].shape;
        latents.reshape([n, shape[0], shape[1], shape[2]])
    }

    /// The vectors that codebook rows stand for, of latents `[n, d]`.
    fn vectors(&self, latents: Tensor<2>) -> Tensor<4> {
        let z = self.grid(latents);
        if self.middle.latent == Latent::Hidden { self.net.before_quantizer(z) } else { z }
    }
}

impl ImageModel for Vqgan {
    fn spec(&self) -> &GeneratorSpec {
        &self.spec
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn encode(&self, images: Tensor<4>, _: &[usize]) -> Result<Tensor<2>, ComponentError> {
        let h = self.net.hidden(images * 2.0 - 1.0, &mut Probe::off());
        let z = match self.middle.latent {
            Latent::Hidden => h,
            Latent::Encoder => self.net.before_quantizer(h),
            Latent::Quantized => self.rows(self.net.before_quantizer(h)),
        };
        Ok(z.flatten(1, 3))
    }

    /// Images in [0, 1] and a little beyond.
    fn decode(&self, latents: Tensor<2>, _: &[usize]) -> Result<Tensor<4>, ComponentError> {
        let z = self.vectors(latents);
        let z = match self.middle.quantize {
            Quantize::StraightThrough => self.rows(z),
            Quantize::None | Quantize::AtEnd => z,
        };
        Ok((self.net.decode(z) + 1.0) / 2.0)
    }

    fn quantized(&self, latents: Tensor<2>) -> Result<Option<Tensor<2>>, ComponentError> {
        // Where a softmax chooses rows, the gradient is that of the vectors and not of the rows.
        let by_softmax = self.net.gumbel.is_some() && self.middle.row_choice != RowChoice::Nearest;
        if self.middle.quantize != Quantize::StraightThrough || by_softmax {
            return Ok(None);
        }
        Ok(Some(self.rows(self.vectors(latents)).flatten(1, 3)))
    }

    fn finish(&self, latents: Tensor<2>, _: &[usize]) -> Result<Option<Tensor<2>>, ComponentError> {
        // Settings refuse `at-end` for hidden latents, which rows are not.
        let at_end = self.middle.quantize == Quantize::AtEnd;
        Ok(at_end.then(|| self.rows(self.grid(latents)).flatten(1, 3)))
    }
}
