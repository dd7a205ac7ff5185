//! StyleGAN as a generator: images enter by inversion.

use burn::tensor::{Device, Tensor, TensorData};
use fmr_core::registry::{MakeContext, MakeError};
use fmr_core::{ComponentError, GeneratorSpec, LatentBlock, Progress};
use fmr_nn::bridge::{Traced, beside};
use fmr_nn::generator::{DETAIL, HELD, ImageModel, ModelGenerator, PullBack, composed, told_classes};
use fmr_nn::probe::Probe;
use fmr_nn::random::normal;
use fmr_nn::resize::{Resize, recoloured};
use fmr_nn::weights::{Builder, Chosen};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::checkpoint::{self, Opened};
use crate::config::StyleganConfig;
use crate::inversion::{Found, Objective, Schedule};
use crate::network::Network;
use crate::settings::{Composition, Latent, Start, StyleganSettings};

const COMPONENT: &str = "generator \"stylegan\"";

/// A StyleGAN for images of one size. A latent row holds w, w of each layer, or styles; where the composition is residual,
/// also what the first decode lacks of the original, stored [`HELD`] times.
#[derive(Debug)]
pub struct Stylegan {
    spec: GeneratorSpec,
    network: Network,
    config: StyleganConfig,
    settings: StyleganSettings,
    /// Draws of z for starts.
    draws: Option<Tensor<2>>,
    fit: Fit,
    progress: Progress,
    device: Device,
}

/// The way between the images of a run and the model's pictures: the largest square in the middle, resized.
#[derive(Debug)]
struct Fit {
    image: [usize; 3],
    /// Side of the square, and the rows above and columns before it.
    square: (usize, [usize; 2]),
    channels: usize,
    to_model: Resize,
    to_image: Resize,
}

impl Fit {
    fn new(config: &StyleganConfig, image: [usize; 3], device: &Device) -> Self {
        let [_, h, w] = image;
        let (side, resolution) = (h.min(w), config.img_resolution);
        Self {
            image,
            square: (side, [(h - side) / 2, (w - side) / 2]),
            channels: config.img_channels,
            to_model: Resize::new([side; 2], [resolution; 2], device),
            to_image: Resize::new([resolution; 2], [side; 2], device),
        }
    }

    /// Images to the model's pictures in [0, 1].
    fn pictures(&self, images: Tensor<4>) -> Tensor<4> {
        let (side, [above, before]) = self.square;
        let square = images.narrow(2, above, side).narrow(3, before, side);
        self.to_model.apply(recoloured(square, self.channels))
    }

    /// The model's pictures in [0, 1] to images, zeros beside the square.
    fn images(&self, pictures: Tensor<4>) -> Tensor<4> {
        let (side, [above, before]) = self.square;
        let [c, h, w] = self.image;
        let square = recoloured(self.to_image.apply(pictures), c);
        if h == w {
            return square;
        }
        let n = square.dims()[0];
        let canvas = beside(Tensor::zeros([n, c, h, w], &square.device().inner()), &square);
        canvas.slice_assign([0..n, 0..c, above..above + side, before..before + side], square)
    }
}

impl Stylegan {
    /// Loads a StyleGAN for the images of a run.
    ///
    /// # Errors
    /// Weights that cannot be read or are a different model's, images that it cannot make.
    pub fn from_settings(
        settings: &StyleganSettings,
        context: &MakeContext<'_>,
    ) -> Result<ModelGenerator<Self>, MakeError> {
        let (device, _) = settings.sound(context)?;
        let chosen = Chosen {
            weights_key: settings.weights_key.as_deref(),
            prefix: settings.prefix.as_deref(),
            ema: settings.ema,
        };
        let opened =
            checkpoint::open(&context.path(&settings.weights), chosen, &device).map_err(|e| e.of(COMPONENT))?;
        let Opened { network, config, files, remarks, .. } = opened;
        files.iter().for_each(|file| context.note_file(file));
        remarks.iter().for_each(|remark| context.note_remark(format!("{COMPONENT}: {remark}")));
        let mut stylegan = Self::new(network, config, context.image, settings.clone(), device)?;
        stylegan.progress = context.progress.clone();
        stylegan.draw(context.seed);
        Ok(ModelGenerator::new(COMPONENT, stylegan))
    }

    /// A StyleGAN with seeded random weights, for measurements of speed and memory.
    ///
    /// # Errors
    /// Sizes that make no model, images that it cannot make.
    pub fn random(
        config: &StyleganConfig,
        image: [usize; 3],
        seed: u64,
        settings: StyleganSettings,
        device: Device,
    ) -> Result<ModelGenerator<Self>, ComponentError> {
        config.check().map_err(|e| ComponentError::new(COMPONENT, "build the model", e.to_string()))?;
        let network = Network::new(&mut Builder::random_frozen(seed, &device), config);
        let mut stylegan = Self::new(network, config.clone(), image, settings, device)?;
        stylegan.draw(seed);
        Ok(ModelGenerator::new(COMPONENT, stylegan))
    }

    fn new(
        network: Network,
        config: StyleganConfig,
        image: [usize; 3],
        settings: StyleganSettings,
        device: Device,
    ) -> Result<Self, ComponentError> {
        let [c, h, w] = image;
        let fail = |problem: String| Err(ComponentError::new(COMPONENT, "fit the images", problem));
        if !matches!(c, 1 | 3) || h == 0 || w == 0 {
            return fail(format!("it works on images of 1 or 3 channels, not on {c}×{h}×{w}"));
        }
        if h != w && settings.composition == Composition::Plain {
            return fail(format!(
                "its pictures are square and the images are {h}×{w}; crop the data, or say composition = \"residual\", \
                 which changes the square in the middle"
            ));
        }
        let mut blocks = layout(&config, settings.latent);
        if settings.composition == Composition::Residual {
            blocks.push((DETAIL.to_owned(), image.to_vec()));
        }
        let spec = GeneratorSpec { name: config.name(), image, latent: LatentBlock::in_order(blocks) };
        let fit = Fit::new(&config, image, &device);
        let progress = Progress::default();
        Ok(Self { spec, network, config, settings, draws: None, fit, progress, device })
    }

    /// Draws z for starts, the same for every image.
    fn draw(&mut self, seed: u64) {
        if self.settings.start == Start::Draws {
            let shape = [self.settings.draws, self.config.z_dim];
            let values = normal(&mut ChaCha8Rng::seed_from_u64(seed), shape[0] * shape[1], 1.0);
            self.draws = Some(Tensor::from_data(TensorData::new(values, shape), &self.device));
        }
    }

    /// The model's class of each label; zeros for an unconditional model.
    fn told(&self, labels: &[usize]) -> Result<Vec<usize>, ComponentError> {
        let known = self.config.c_dim;
        if known == 0 {
            return Ok(vec![0; labels.len()]);
        }
        told_classes((COMPONENT, "start an inversion"), known, self.settings.classes.as_deref(), labels)
    }

    /// Where the inversion of an image of each class starts `[n, w_dim]`.
    fn start(&self, classes: &[usize]) -> Tensor<2> {
        let mapping = &self.network.mapping;
        let Some(z) = &self.draws else { return mapping.means(classes) };
        // One class at a time, so that what an image starts from does not depend on its neighbours.
        let mean = |class: usize| {
            let drawn = mapping.forward(z.clone(), &vec![class; z.dims()[0]], &mut Probe::off());
            drawn.mean_dim(0)
        };
        let mut known: Vec<(usize, Tensor<2>)> = Vec::new();
        let rows = classes.iter().map(|class| {
            if let Some((_, row)) = known.iter().find(|(known, _)| known == class) {
                return row.clone();
            }
            let row = mean(*class);
            known.push((*class, row.clone()));
            row
        });
        Tensor::cat(rows.collect(), 0)
    }

    /// The latents of pictures in [0, 1], by a search in w and one in w+.
    fn invert(&self, pictures: Tensor<4>, classes: &[usize]) -> Result<Tensor<2>, ComponentError> {
        let (first, later) = (self.settings.w_steps, self.settings.later_steps());
        let n = classes.len();
        let what = if n == 1 { "invert an image".to_owned() } else { format!("invert {n} images") };
        let task = self.progress.begin(COMPONENT, what, first + later);
        let mut objective = Objective {
            synthesis: &self.network.synthesis,
            perceptor: self.settings.perceptor,
            target: pictures,
            rows: self.config.num_ws(),
            unity: 0.0,
        };
        let schedule = Schedule::new(first, self.settings.w_rate);
        let found = objective.descend(self.start(classes), &schedule, |step| task.reached(step.number + 1))?;
        let mut found = self.numbers(found)?;
        if self.settings.latent != Latent::W {
            found = found.repeat_dim(1, self.config.num_ws());
        }
        if later > 0 {
            objective.unity = self.settings.w_plus_unity;
            let schedule = Schedule::new(later, self.settings.w_plus_rate);
            let further = objective.descend(found, &schedule, |step| task.reached(first + step.number + 1))?;
            found = self.numbers(further)?;
        }
        if self.settings.latent == Latent::Style {
            let rows = found.reshape([n, self.config.num_ws(), self.config.w_dim]);
            found = Tensor::cat(self.network.synthesis.styles(rows), 1);
        }
        Ok(found)
    }

    /// The latents that were found, if all distances were numbers.
    fn numbers(&self, found: Found) -> Result<Tensor<2>, ComponentError> {
        if found.losses.iter().all(|loss| loss.is_finite()) {
            return Ok(found.latents);
        }
        let problem = "no picture of the search is made of finite numbers";
        Err(ComponentError::new(COMPONENT, "invert an image", problem.to_owned()))
    }

    /// Refuses images whose inversion is poorer than the settings allow.
    fn check_quality(&self, images: &Tensor<4>, shown: &Tensor<4>) -> Result<(), ComponentError> {
        let Some(least) = self.settings.least_psnr else { return Ok(()) };
        let square = |x: &Tensor<4>| {
            let (side, [above, before]) = self.fit.square;
            x.clone().narrow(2, above, side).narrow(3, before, side)
        };
        let difference = square(images) - square(shown).clamp(0.0, 1.0);
        let squares: Tensor<2> = (difference.clone() * difference).flatten(1, 3);
        let errors = squares.mean_dim(1).into_data().try_into_vec::<f32>().unwrap_or_default();
        let psnr = |error: &f32| -10.0 * f64::from(*error).log10();
        match errors.iter().map(psnr).find(|psnr| psnr.is_nan() || *psnr < least) {
            None => Ok(()),
            Some(psnr) => {
                let problem = format!("the inversion reaches {psnr:.1} dB, and least-psnr is {least}");
                Err(ComponentError::new(COMPONENT, "invert an image", problem))
            }
        }
    }

    /// Images of the run of latents without detail.
    fn shown(&self, latents: Tensor<2>) -> Tensor<4> {
        let [n, d] = latents.dims();
        let synthesis = &self.network.synthesis;
        let probe = &mut Probe::off();
        let pictures = match self.settings.latent {
            Latent::Style => {
                let blocks = self.spec.latent.iter().take(self.config.num_ws());
                let part = |block: &LatentBlock| latents.clone().narrow(1, block.offset, block.shape[0]);
                synthesis.from_styles(blocks.map(part).collect(), probe)
            }
            Latent::W => synthesis.forward(latents.reshape([n, 1, d]).repeat_dim(1, self.config.num_ws()), probe),
            Latent::WPlus => synthesis.forward(latents.reshape([n, self.config.num_ws(), self.config.w_dim]), probe),
        };
        self.fit.images((pictures + 1.0) / 2.0)
    }

    /// The part of rows that the search moves, and what is added to the image.
    fn parts(&self, rows: Tensor<2>) -> (Tensor<2>, Option<Tensor<4>>) {
        if self.settings.composition == Composition::Plain {
            return (rows, None);
        }
        let (n, [c, h, w]) = (rows.dims()[0], self.spec.image);
        let length = self.spec.latent_len() - c * h * w;
        let detail = rows.clone().narrow(1, length, c * h * w).reshape([n, c, h, w]) / HELD;
        (rows.narrow(1, 0, length), Some(detail))
    }
}

/// Names and shapes of the blocks of a latent.
fn layout(config: &StyleganConfig, latent: Latent) -> Vec<(String, Vec<usize>)> {
    let named = |of_input: usize, of_layer: &dyn Fn(usize) -> usize| {
        let layers = config.layers.iter().map(|layer| (layer.name.clone(), vec![of_layer(layer.in_channels)]));
        std::iter::once(("input".to_owned(), vec![of_input])).chain(layers).collect()
    };
    match latent {
        Latent::W => vec![("w".to_owned(), vec![config.w_dim])],
        Latent::WPlus => named(config.w_dim, &|_| config.w_dim),
        Latent::Style => named(4, &|channels| channels),
    }
}

impl ImageModel for Stylegan {
    fn spec(&self) -> &GeneratorSpec {
        &self.spec
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn encode(&self, images: Tensor<4>, labels: &[usize]) -> Result<Tensor<2>, ComponentError> {
        let classes = self.told(labels)?;
        let latents = self.invert(self.fit.pictures(images.clone()), &classes)?;
        let residual = self.settings.composition == Composition::Residual;
        if !residual && self.settings.least_psnr.is_none() {
            return Ok(latents);
        }
        let shown = self.shown(latents.clone());
        self.check_quality(&images, &shown)?;
        if !residual {
            return Ok(latents);
        }
        let detail: Tensor<2> = (images - shown).flatten(1, 3);
        Ok(Tensor::cat(vec![latents, detail * HELD], 1))
    }

    fn decode(&self, latents: Tensor<2>, _: &[usize]) -> Result<Tensor<4>, ComponentError> {
        let (latents, detail) = self.parts(latents);
        Ok(composed(self.shown(latents), detail))
    }

    /// What is added to the image has no gradient: the search does not move it.
    fn decode_with_pullback<'a>(
        &'a self,
        latents: Tensor<2>,
        _: &[usize],
    ) -> Result<(Tensor<4>, PullBack<'a>), ComponentError> {
        let [n, length] = latents.dims();
        let (latents, detail) = self.parts(latents);
        let moving = latents.dims()[1];
        let traced = Traced::new(latents, |latents| self.shown(latents));
        let images = composed(traced.output(), detail);
        let pull_back = move |gradient: Tensor<4>| {
            let gradient = traced.pull_back(gradient);
            if moving == length {
                return Ok(gradient);
            }
            let still = Tensor::zeros([n, length - moving], &self.device);
            Ok(Tensor::cat(vec![gradient, still], 1))
        };
        Ok((images, Box::new(pull_back)))
    }
}
