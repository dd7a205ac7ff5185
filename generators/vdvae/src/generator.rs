//! The hierarchical autoencoder as a generator.

use burn::tensor::{Device, Tensor, TensorData};
use fmr_core::registry::{MakeContext, MakeError};
use fmr_core::{ComponentError, GeneratorSpec, LatentBlock, Subject};
use fmr_nn::bridge::beside;
use fmr_nn::generator::{DETAIL, HELD, ImageModel, ModelGenerator, PullBack, composed};
use fmr_nn::probe::Probe;
use fmr_nn::random::normal;
use fmr_nn::weights::{Builder, Chosen};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::checkpoint::{self, ConfigFrom, Opened};
use crate::config::{LatentSite, VdvaeConfig};
use crate::fit::Fit;
use crate::network::Network;
use crate::settings::{BinaryInput, Composition, Decode, Encoding, Layers, VdvaeSettings};
use crate::variates::DivStats;

/// What the search may do to a latent.
#[derive(Debug, Clone)]
enum Moves {
    All,
    /// These channels: 1 where they move, `[1, variates, 1, 1]`.
    Some(Box<Tensor<4>>),
    None,
}

/// An Efficient-VDVAE for images of one size. A latent row holds the latents of all layers, deepest first, and where the
/// composition is residual what the first decode lacks of the original. What does not move is stored [`HELD`] times.
#[derive(Debug)]
pub struct Vdvae {
    spec: GeneratorSpec,
    network: Network,
    sites: Vec<LatentSite>,
    moves: Vec<Moves>,
    /// What each value of a row is stored times, `[1, d]`: [`HELD`] where it does not move. None where all move.
    stored_times: Option<Tensor<2>>,
    decode: Decode,
    composition: Composition,
    /// Noise of each layer's posterior `[1, variates, side, side]`; none where latents are means.
    noise: Vec<Tensor<4>>,
    fit: Fit,
    device: Device,
}

const COMPONENT: &str = "generator \"vdvae\"";

/// What settings choose between encoder and image.
#[derive(Debug, Clone, Copy)]
struct Choices {
    decode: Decode,
    composition: Option<Composition>,
    binary_input: BinaryInput,
}

impl Vdvae {
    /// Loads a VDVAE for the images of a run.
    ///
    /// # Errors
    /// Weights or a configuration that cannot be read, weights of a different model, statistics of a different model.
    pub fn from_settings(
        settings: &VdvaeSettings,
        context: &MakeContext<'_>,
    ) -> Result<ModelGenerator<Self>, MakeError> {
        let (device, model) = settings.sound(context)?;
        let config = settings.config.as_ref().map(|config| context.path(config));
        let chosen = Chosen {
            weights_key: settings.weights_key.as_deref(),
            prefix: settings.prefix.as_deref(),
            ema: settings.ema,
        };
        let from = match (model, &config) {
            (Some(model), _) => ConfigFrom::Model(model),
            (None, Some(path)) => ConfigFrom::File(path),
            (None, None) => ConfigFrom::Checkpoint,
        };
        let opened = checkpoint::open(&context.path(&settings.weights), from, chosen, &device);
        let Opened { network, config, input, files, taken } = opened.map_err(|e| e.of(COMPONENT))?;
        files.iter().for_each(|file| context.note_file(file));
        taken.iter().for_each(|taken| context.note_remark(format!("{COMPONENT}: {taken}")));
        let choices = Choices {
            decode: settings.decode,
            composition: settings.composition,
            binary_input: settings.binary_input.unwrap_or(input),
        };
        let mut vdvae = Self::new(network, &config, context.image, choices, device)?;
        if settings.composition.is_none() && vdvae.composition == Composition::Residual {
            let [_, h, w] = context.image;
            let side = config.picture_side();
            context.note_remark(format!(
                "{COMPONENT}: changes of its {side}×{side} pictures are added to the originals of {h}×{w} \
                 (composition = \"residual\")"
            ));
        }
        vdvae.keep_layers(settings.layers)?;
        vdvae.keep_variates(settings, &config, context)?;
        vdvae.hold();
        if settings.encoding == Encoding::Sample {
            let mut random = ChaCha8Rng::seed_from_u64(context.seed);
            let noise = vdvae.sites.iter().map(|site| {
                let [v, h, w] = site.shape;
                Tensor::from_data(TensorData::new(normal(&mut random, v * h * w, 1.0), [1, v, h, w]), &vdvae.device)
            });
            vdvae.noise = noise.collect();
        }
        Ok(ModelGenerator::new(COMPONENT, vdvae))
    }

    /// A VDVAE with seeded random weights, for measurements of speed and memory.
    ///
    /// # Errors
    /// A configuration that makes no model.
    pub fn random(
        config: &VdvaeConfig,
        image: [usize; 3],
        seed: u64,
        device: Device,
    ) -> Result<ModelGenerator<Self>, ComponentError> {
        config.check().map_err(|e| ComponentError::new(COMPONENT, "build the model", e.to_string()))?;
        let network = Network::new(&mut Builder::random_frozen(seed, &device), config);
        let choices = Choices { decode: Decode::default(), composition: None, binary_input: BinaryInput::default() };
        Ok(ModelGenerator::new(COMPONENT, Self::new(network, config, image, choices, device)?))
    }

    fn new(
        network: Network,
        config: &VdvaeConfig,
        image: [usize; 3],
        choices: Choices,
        device: Device,
    ) -> Result<Self, ComponentError> {
        let [c, h, w] = image;
        if !matches!(c, 1 | 3) || h == 0 || w == 0 {
            let problem = format!("it works on images of 1 or 3 channels, not on {c}×{h}×{w}");
            return Err(ComponentError::new(COMPONENT, "fit the images", problem));
        }
        let side = config.picture_side();
        let by_size = if h > side || w > side { Composition::Residual } else { Composition::Plain };
        let composition = choices.composition.unwrap_or(by_size);
        let sites = config.latents();
        let named = sites.iter().enumerate().map(|(i, site)| (format!("z{i:02}"), site.shape.to_vec()));
        let detail = (composition == Composition::Residual).then(|| (DETAIL.to_owned(), image.to_vec()));
        let spec = GeneratorSpec { name: config.name(), image, latent: LatentBlock::in_order(named.chain(detail)) };
        let fit = Fit::new(config, image, choices.binary_input, &device);
        let moves = vec![Moves::All; sites.len()];
        let decode = choices.decode;
        let noise = Vec::new();
        let mut vdvae =
            Self { spec, network, sites, moves, stored_times: None, decode, composition, noise, fit, device };
        vdvae.hold();
        Ok(vdvae)
    }

    /// Decides how values are stored, by whether they move.
    fn hold(&mut self) {
        let some_move = |moves: &Moves| matches!(moves, Moves::All);
        if self.composition == Composition::Plain && self.moves.iter().all(some_move) {
            self.stored_times = None;
            return;
        }
        let mut parts: Vec<Tensor<2>> = Vec::with_capacity(self.sites.len() + 1);
        for (site, moves) in self.sites.iter().zip(&self.moves) {
            let [v, h, w] = site.shape;
            let times: Tensor<4> = match moves {
                Moves::All => Tensor::ones([1, v, h, w], &self.device),
                Moves::None => Tensor::full([1, v, h, w], HELD, &self.device),
                Moves::Some(kept) => ((**kept).clone() * (1.0 - HELD) + HELD).expand([1, v, h, w]),
            };
            parts.push(times.flatten(1, 3));
        }
        if self.composition == Composition::Residual {
            parts.push(Tensor::full([1, self.spec.image.iter().product()], HELD, &self.device));
        }
        self.stored_times = Some(Tensor::cat(parts, 1));
    }

    /// The values of stored rows.
    fn values(&self, rows: Tensor<2>) -> Tensor<2> {
        match &self.stored_times {
            Some(times) => {
                let times = beside(times.clone(), &rows);
                rows / times
            }
            None => rows,
        }
    }

    /// Holds the layers that are not chosen.
    fn keep_layers(&mut self, layers: Layers) -> Result<(), ComponentError> {
        let count = self.sites.len();
        for (i, (site, moves)) in self.sites.iter().zip(&mut self.moves).enumerate() {
            let moved = match layers {
                Layers::All => true,
                Layers::MaxResolution(side) => site.shape[1] <= side,
                Layers::First(first) => i < first,
                Layers::Last(last) => i + last >= count,
            };
            if !moved {
                *moves = Moves::None;
            }
        }
        if self.moves.iter().all(|moves| matches!(moves, Moves::None)) {
            let smallest = self.sites.iter().map(|site| site.shape[1]).min().unwrap_or_default();
            let problem = format!("`layers` leaves none of its {count} layers; the smallest maps are {smallest} wide");
            return Err(ComponentError::new(COMPONENT, "choose the layers that move", problem));
        }
        Ok(())
    }

    /// Holds the channels that carry no information.
    fn keep_variates(
        &mut self,
        settings: &VdvaeSettings,
        config: &VdvaeConfig,
        context: &MakeContext<'_>,
    ) -> Result<(), ComponentError> {
        let Some(path) = settings.div_stats.as_ref().map(|path| context.path(path)) else { return Ok(()) };
        let asked = "choose the channels that move";
        let problem =
            |problem: String| ComponentError::new(COMPONENT, asked, problem).about(Subject::File(path.clone()));
        let share = settings.kept_variates.or(config.variate_masks_quantile);
        let share = share.ok_or_else(|| {
            problem("the configuration has no variate_masks_quantile; set `kept-variates`, such as 0.03".to_owned())
        })?;
        let variates: Vec<usize> = self.sites.iter().map(|site| site.shape[0]).collect();
        let kept = DivStats::read(&path, &variates).map_err(|e| problem(e.to_string()))?.kept(share);
        context.note_file(&path);
        for (kept, moves) in kept.iter().zip(&mut self.moves) {
            if kept.contains(&false) && !matches!(moves, Moves::None) {
                let mask: Vec<f32> = kept.iter().map(|kept| f32::from(u8::from(*kept))).collect();
                let mask = Tensor::from_data(TensorData::new(mask, [1, kept.len(), 1, 1]), &self.device);
                *moves = if kept.contains(&true) { Moves::Some(Box::new(mask)) } else { Moves::None };
            }
        }
        if self.moves.iter().all(|moves| matches!(moves, Moves::None)) {
            return Err(problem(format!("of the layers that move, a share of {share} keeps no channel")));
        }
        Ok(())
    }

    /// The latents of each layer, of rows `[n, d]`.
    fn split(&self, rows: &Tensor<2>) -> Vec<Tensor<4>> {
        let n = rows.dims()[0];
        let part = |(site, block): (&LatentSite, &LatentBlock)| {
            let [v, h, w] = site.shape;
            rows.clone().narrow(1, block.offset, v * h * w).reshape([n, v, h, w])
        };
        self.sites.iter().zip(&self.spec.latent).map(part).collect()
    }

    /// What rows hold beside latents.
    fn detail(&self, rows: &Tensor<2>) -> Option<Tensor<4>> {
        let block = self.spec.latent.get(self.sites.len())?;
        let (n, [c, h, w]) = (rows.dims()[0], self.spec.image);
        Some(rows.clone().narrow(1, block.offset, c * h * w).reshape([n, c, h, w]))
    }

    /// Latents to images of the run's size.
    fn images(&self, latents: Vec<Tensor<4>>) -> Tensor<4> {
        let parameters = self.network.decoder.decode(latents);
        let pictures = match self.decode {
            Decode::MostLikely => self.network.output.most_likely(parameters),
            Decode::SoftMixture => self.network.output.soft_mixture(parameters),
        };
        self.fit.images(pictures)
    }
}

impl ImageModel for Vdvae {
    fn spec(&self) -> &GeneratorSpec {
        &self.spec
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn encode(&self, images: Tensor<4>, _: &[usize]) -> Result<Tensor<2>, ComponentError> {
        let n = images.dims()[0];
        let skips = self.network.encoder.forward(self.fit.input(images.clone()), &mut Probe::off());
        let mut latents = Vec::with_capacity(self.sites.len());
        let choose = |choice: crate::decoder::Choice<'_>| {
            let posterior = choice.posterior.unwrap_or(choice.prior);
            let z = match self.noise.get(choice.layer) {
                Some(noise) => posterior.draw(noise.clone().repeat_dim(0, n), 1.0),
                None => posterior.mean.clone(),
            };
            latents.push(z.clone());
            z
        };
        self.network.decoder.reconstruct(&skips, choose, &mut Probe::off());
        let mut rows: Vec<Tensor<2>> = latents.iter().map(|z| z.clone().flatten(1, 3)).collect();
        if self.composition == Composition::Residual {
            rows.push((images - self.images(latents)).flatten(1, 3));
        }
        let rows = Tensor::cat(rows, 1);
        Ok(match &self.stored_times {
            Some(times) => rows * times.clone(),
            None => rows,
        })
    }

    fn decode(&self, latents: Tensor<2>, _: &[usize]) -> Result<Tensor<4>, ComponentError> {
        let latents = self.values(latents);
        Ok(composed(self.images(self.split(&latents)), self.detail(&latents)))
    }

    /// Each latent that moves starts a tape of its own: nothing is kept for those that do not, nor for what lies below the
    /// deepest that moves.
    fn decode_with_pullback<'a>(
        &'a self,
        latents: Tensor<2>,
        _: &[usize],
    ) -> Result<(Tensor<4>, PullBack<'a>), ComponentError> {
        let rows = latents.dims();
        let latents = self.values(latents);
        let detail = self.detail(&latents);
        let split = self.split(&latents).into_iter().zip(&self.moves);
        let leaves: Vec<Tensor<4>> = split
            .map(|(z, moves)| match moves {
                Moves::None => Tensor::from_inner(z),
                Moves::All | Moves::Some(_) => z.autodiff().require_grad(),
            })
            .collect();
        let traced = self.images(leaves.clone());
        let images = composed(traced.clone().without_autodiff(), detail);
        let pull_back = move |gradient: Tensor<4>| {
            let gradient = beside(gradient, &traced);
            let gradients = (traced * gradient).sum().backward();
            let mut parts: Vec<Tensor<2>> = Vec::with_capacity(leaves.len() + 1);
            let mut length = 0;
            for (leaf, moves) in leaves.iter().zip(&self.moves) {
                let shape = leaf.dims();
                let found = match moves {
                    Moves::None => None,
                    Moves::All => leaf.grad(&gradients),
                    Moves::Some(kept) => leaf.grad(&gradients).map(|g| g * (**kept).clone()),
                };
                let part = found.unwrap_or_else(|| Tensor::zeros(shape, &self.device));
                length += shape[1] * shape[2] * shape[3];
                parts.push(part.flatten(1, 3));
            }
            if length < rows[1] {
                parts.push(Tensor::zeros([rows[0], rows[1] - length], &self.device));
            }
            Ok(Tensor::cat(parts, 1))
        };
        Ok((images, Box::new(pull_back)))
    }
}
