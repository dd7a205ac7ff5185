//! Diffusion models as generators.

mod bridge;
mod noise;
mod rows;
mod sampling;
mod settings;

use burn::tensor::{Device, Tensor};
use fmr_core::registry::{MakeContext, MakeError, NamedFile, Recipe, Registry};
use fmr_core::{ComponentError, Generator, GeneratorSpec};
use fmr_nn::generator::{DETAIL, ImageModel, ModelGenerator, PullBack, told_classes};
use fmr_nn::weights::Chosen;

use crate::chain::Transition;
use crate::checkpoint;
use crate::process::Process;
use crate::published::Published;
use bridge::Bridge;
use rows::Rows;
use sampling::{Batch, Sampling};
pub use settings::{Composition, DiffusionSettings, Encode, Fit, Gradient, Mode, Sampler};

const COMPONENT: &str = "generator \"diffusion\"";

/// Registers the generators of kind `diffusion`.
pub fn register(registry: &mut Registry) {
    registry.add::<dyn Generator, DiffusionSettings>("diffusion");
}

impl Recipe<dyn Generator> for DiffusionSettings {
    fn check(&self, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        let published = self.sound(context)?.published.map(Published::downloads).unwrap_or_default();
        let file = NamedFile::of("weights", Some(&self.weights), context);
        Ok(file.into_iter().map(|file| file.published_as(&published)).collect())
    }

    fn make(self, context: &MakeContext<'_>) -> Result<Box<dyn Generator>, MakeError> {
        Ok(Box::new(Diffusion::from_settings(&self, context)?))
    }
}

/// A diffusion model for images of one size.
#[derive(Debug)]
pub struct Diffusion {
    spec: GeneratorSpec,
    rows: Rows,
    bridge: Bridge,
    sampling: Sampling,
    composition: Composition,
    gradient: Gradient,
    checkpoint_steps: bool,
    /// Classes that the network knows, and the network's class for each of the run's where they differ.
    known_classes: Option<usize>,
    classes: Option<Vec<usize>>,
}

impl Diffusion {
    /// Loads a diffusion model for the images of a run.
    ///
    /// # Errors
    /// Weights that cannot be read or are a different model's, images that the model cannot take, steps that its process does
    /// not have.
    pub fn from_settings(
        settings: &DiffusionSettings,
        context: &MakeContext<'_>,
    ) -> Result<ModelGenerator<Self>, MakeError> {
        let sound = settings.sound(context)?;
        let chosen = Chosen {
            weights_key: settings.weights_key.as_deref(),
            prefix: settings.prefix.as_deref(),
            ema: settings.ema,
        };
        let weights = context.path(&settings.weights);
        let opened = checkpoint::open(&weights, chosen, settings.config_from(&sound), &sound.device)
            .map_err(|e| e.of(COMPONENT))?;
        opened.files.iter().for_each(|file| context.note_file(file));
        opened.taken.iter().for_each(|taken| context.note_remark(format!("{COMPONENT}: {taken}")));

        let config = opened.config;
        let problem = |problem: String| ComponentError::new(COMPONENT, "make the steps of a decode", problem);
        let training = config.training;
        let low = (sound.noise_fraction * training.diffusion_steps as f64).round() as usize;
        let (process, transitions) = if settings.mode == Mode::OneStep {
            let alphas = training.alphas_cumprod().map_err(|e| problem(e.to_string()))?;
            let step = low.clamp(1, alphas.len()) - 1;
            (None, vec![Transition::to_image(&training, &alphas, step)])
        } else {
            let process = Process::low_noise(training, low, sound.steps).map_err(|e| problem(e.to_string()))?;
            let transitions = (0..sound.steps).rev().map(|step| process.denoising(step)).collect();
            (Some(process), transitions)
        };

        let image = context.image;
        let [c, h, w] = image;
        let fit = |problem: String| ComponentError::new(COMPONENT, "fit the images", problem);
        if c != config.unet.in_channels || h * w == 0 {
            let channels = config.unet.in_channels;
            return Err(fit(format!("it works on {channels} channels, not on images of {c}×{h}×{w}")).into());
        }
        let bridge = Bridge::new(image, &config, settings.fit).map_err(|e| fit(e.to_string()))?;
        let smaller = bridge.size()[0] < h || bridge.size()[1] < w;
        let composition = settings.composition.unwrap_or(if smaller {
            let [mh, mw] = bridge.size();
            context.note_remark(format!(
                "{COMPONENT}: the model works on {mh}×{mw}, the images are {h}×{w}: what it changes is added to the \
                 originals (composition = \"residual\")"
            ));
            Composition::Residual
        } else {
            Composition::Plain
        });

        let map = [c, bridge.size()[0], bridge.size()[1]];
        let moving = if settings.mode == Mode::Guided { "guidance" } else { "z" };
        let start = (settings.mode == Mode::Guided).then_some(("start", map));
        let detail = (composition == Composition::Residual).then_some((DETAIL, image));
        let rows = Rows::new([(moving, map)].into_iter().chain(start).chain(detail));
        let name = sound.published.map_or_else(|| format!("diffusion-{}", config.image_size), |p| p.name.to_owned());
        let spec = GeneratorSpec { name, image, latent: rows.layout() };
        let sampling = Sampling {
            net: opened.net,
            process,
            transitions,
            mode: settings.mode,
            encode: sound.encode,
            evaluations: settings.evaluations,
            clamp: settings.clamp,
            sampler: settings.sampler,
            seed: settings.seed.unwrap_or(context.seed),
            device: sound.device,
        };
        let model = Self {
            spec,
            rows,
            bridge,
            sampling,
            composition,
            gradient: settings.gradient,
            checkpoint_steps: settings.checkpoint_steps,
            known_classes: config.unet.classes,
            classes: settings.classes.clone(),
        };
        Ok(ModelGenerator::new(COMPONENT, model))
    }

    /// The classes that the network is told, if it is class-conditional.
    fn told(&self, labels: &[usize]) -> Result<Option<Vec<usize>>, ComponentError> {
        let Some(known) = self.known_classes else { return Ok(None) };
        told_classes((COMPONENT, "tell the model a class"), known, self.classes.as_deref(), labels).map(Some)
    }

    /// The state that steps start from, and what else they need, of rows.
    fn start(&self, rows: &Tensor<2>, labels: &[usize]) -> Result<(Tensor<4>, Batch), ComponentError> {
        let none = || ComponentError::new(COMPONENT, "read a latent", "a block is missing".to_owned());
        let moving = self.rows.get(rows, 0).ok_or_else(none)?;
        let classes = self.told(labels)?;
        if self.sampling.mode != Mode::Guided {
            return Ok((moving, Batch { classes, keys: Vec::new() }));
        }
        let start = self.rows.get(rows, 1).ok_or_else(none)?;
        let keys = if self.sampling.sampler == Sampler::Ancestral { noise::keys(&start) } else { Vec::new() };
        Ok((Tensor::cat(vec![start, moving], 1), Batch { classes, keys }))
    }

    /// The run's images of the state that steps ended with.
    fn shown(&self, state: Tensor<4>, rows: &Tensor<2>) -> Tensor<4> {
        let c = self.spec.image[0];
        let image = if self.sampling.mode == Mode::Guided { state.narrow(1, 0, c) } else { state };
        let decoded = self.bridge.leave(image);
        let rest =
            (self.composition == Composition::Residual).then(|| self.rows.get(rows, self.rows.layout().len() - 1));
        match rest.flatten() {
            Some(rest) => rest + decoded,
            None => decoded,
        }
    }
}

impl ImageModel for Diffusion {
    fn spec(&self) -> &GeneratorSpec {
        &self.spec
    }

    fn device(&self) -> &Device {
        &self.sampling.device
    }

    fn encode(&self, images: Tensor<4>, labels: &[usize]) -> Result<Tensor<2>, ComponentError> {
        let classes = self.told(labels)?;
        let noisy = self.sampling.noisy(self.bridge.enter(images.clone()), classes.as_deref());
        let mut blocks = vec![noisy.clone()];
        let mut state = noisy.clone();
        let mut keys = Vec::new();
        if self.sampling.mode == Mode::Guided {
            let still = noisy.zeros_like();
            keys = noise::keys(&noisy);
            state = Tensor::cat(vec![noisy.clone(), still.clone()], 1);
            blocks = vec![still, noisy];
        }
        if self.composition == Composition::Residual {
            let end = self.sampling.run(state, &Batch { classes, keys });
            let c = self.spec.image[0];
            blocks.push(images - self.bridge.leave(end.narrow(1, 0, c)));
        }
        Ok(self.rows.pack(blocks))
    }

    /// Images in [0, 1] and a little beyond.
    fn decode(&self, latents: Tensor<2>, labels: &[usize]) -> Result<Tensor<4>, ComponentError> {
        let (state, batch) = self.start(&latents, labels)?;
        Ok(self.shown(self.sampling.run(state, &batch), &latents))
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: Tensor<2>,
        labels: &[usize],
    ) -> Result<(Tensor<4>, PullBack<'a>), ComponentError> {
        if self.gradient == Gradient::Identity {
            let images = self.decode(latents, labels)?;
            return Ok((images, Box::new(|gradient| Ok(self.rows.gradient(self.bridge.pull_back(gradient))))));
        }
        let (state, batch) = self.start(&latents, labels)?;
        let run = self.sampling.run_with_way_back(state.clone(), &batch, self.checkpoint_steps);
        let images = self.shown(run.output().unwrap_or(state), &latents);
        let pull_back: PullBack<'a> = Box::new(move |gradient| {
            let gradient = self.bridge.pull_back(gradient);
            if self.sampling.mode != Mode::Guided {
                return Ok(self.rows.gradient(self.sampling.pull_back(run, gradient, &batch)));
            }
            let c = gradient.dims()[1];
            let gradient = Tensor::cat(vec![gradient.clone(), gradient.zeros_like()], 1);
            let gradient = self.sampling.pull_back(run, gradient, &batch);
            Ok(self.rows.gradient(gradient.narrow(1, c, c)))
        });
        Ok((images, pull_back))
    }
}
