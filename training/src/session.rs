//! Running a recipe: steps, checkpoints, resume, learning curve, final weights and report.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use fmr_nn::weights::{Builder, Key, StateDict, state_dict};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::recipe::{Precision, Recipe, TaskRecipe, TrainError};

/// Named figures of a step or an evaluation.
pub type Figures = Vec<(String, f64)>;

/// A network in training with its optimiser.
pub(crate) struct Trainee<M> {
    pub module: M,
    optimizer: ModuleOptimizer,
    keys: Vec<Key>,
    make: Make<M>,
    spec: Spec,
}

/// Makes a network of parameters and settings.
type Make<M> = Box<dyn Fn(&mut Builder, &Spec) -> M>;

/// What a network is made from, as opaque settings.
pub(crate) type Spec = serde_json::Value;

impl<M: Module> Trainee<M> {
    pub(crate) fn new(
        spec: Spec,
        seed: u64,
        device: &Device,
        optimizer: ModuleOptimizer,
        make: impl Fn(&mut Builder, &Spec) -> M + 'static,
    ) -> Result<Self, TrainError> {
        let mut b = Builder::random(seed, &device.clone().autodiff());
        let module = make(&mut b, &spec);
        let keys = b.finish(|_| false).map_err(|e| TrainError::Other(e.to_string()))?;
        Ok(Self { module, optimizer, keys, make: Box::new(make), spec })
    }

    pub(crate) fn step(&mut self, loss: burn::tensor::Tensor<1>, rate: f64)
    where
        M: Clone,
    {
        let grads = GradientsParams::from_grads(loss.backward(), &self.module);
        self.module = self.optimizer.step(rate, self.module.clone(), grads);
    }

    pub(crate) fn weights(&self) -> StateDict {
        state_dict(&self.module, &self.keys)
    }

    /// A frozen copy on the plain device, for evaluation.
    pub(crate) fn frozen(&self, device: &Device) -> Result<M, TrainError> {
        let mut b = Builder::stored(self.weights(), device);
        let module = (self.make)(&mut b, &self.spec);
        b.finish(|_| false).map_err(|e| TrainError::Other(e.to_string()))?;
        Ok(module)
    }

    fn save(&self, base: &Path) -> Result<(), TrainError> {
        fmr_nn::weights::write(&base.with_extension("safetensors"), &self.weights(), false, &[])
            .map_err(|e| TrainError::Other(e.to_string()))?;
        let bytes = self.optimizer.into_bytes().map_err(|e| TrainError::Other(format!("optimiser state: {e:?}")))?;
        let path = base.with_extension("optimizer");
        fs::write(&path, &bytes[..]).map_err(TrainError::io(&path))
    }

    fn load(&mut self, path: &Path, device: &Device) -> Result<(), TrainError> {
        let other = |e: String| TrainError::Other(format!("{}: {e}", path.display()));
        let tensors = fmr_nn::weights::read(path).map_err(|e| other(e.to_string()))?;
        let mut b = Builder::stored_trainable(tensors.tensors, &device.clone().autodiff());
        self.module = (self.make)(&mut b, &self.spec);
        self.keys = b.finish(|_| false).map_err(|e| other(e.to_string()))?;
        Ok(())
    }

    fn restore(&mut self, base: &Path, device: &Device) -> Result<(), TrainError> {
        self.load(&base.with_extension("safetensors"), device)?;
        let path = base.with_extension("optimizer");
        let bytes = fs::read(&path).map_err(TrainError::io(&path))?;
        let optimizer = std::mem::replace(&mut self.optimizer, burn::optim::SgdConfig::new().init());
        self.optimizer = optimizer
            .from_bytes(burn::tensor::Bytes::from_bytes_vec(bytes))
            .map_err(|e| TrainError::Other(format!("optimiser state {}: {e:?}", path.display())))?;
        Ok(())
    }
}

/// Networks of a task, in a fixed order, for saving and restoring.
pub(crate) trait Saved {
    fn save(&self, base: &Path) -> Result<(), TrainError>;
    fn restore(&mut self, base: &Path, device: &Device) -> Result<(), TrainError>;
    /// Takes the weights of a file, with a fresh optimiser.
    fn load(&mut self, path: &Path, device: &Device) -> Result<(), TrainError>;
}

impl<M: Module> Saved for Trainee<M> {
    fn save(&self, base: &Path) -> Result<(), TrainError> {
        Trainee::save(self, base)
    }
    fn restore(&mut self, base: &Path, device: &Device) -> Result<(), TrainError> {
        Trainee::restore(self, base, device)
    }
    fn load(&mut self, path: &Path, device: &Device) -> Result<(), TrainError> {
        Trainee::load(self, path, device)
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    /// Pass over the data, from 0.
    pub epoch: usize,
    /// Step of the epoch.
    pub step: usize,
    /// Step of the run.
    pub global: usize,
    /// Steps of the run.
    pub total: usize,
}

/// One kind of training.
pub(crate) trait Task {
    /// Steps of one pass over the data.
    fn steps(&self) -> usize;
    /// One optimiser step; figures for the curve, the loss first.
    fn step(&mut self, at: At, rate: f64) -> Result<Figures, TrainError>;
    /// Quality on held-out data: on a part of it, or on all where `full`.
    fn evaluate(&self, full: bool) -> Result<Figures, TrainError>;
    /// The networks, each with a name for its files.
    fn networks(&mut self) -> Vec<(&'static str, &mut dyn Saved)>;
    /// The weights to publish, and metadata for their file.
    fn publish(&self) -> (StateDict, Vec<(String, String)>);
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Progress {
    step: usize,
    seconds: f64,
}

/// A run of a recipe.
pub struct Session {
    recipe: Recipe,
    task: Box<dyn Task>,
    progress: Progress,
}

const CHECKPOINT_EVERY: Duration = Duration::from_secs(180);

impl Session {
    /// Opens the recipe's work folder and continues from its last checkpoint, if there is one.
    pub fn open(recipe: Recipe) -> Result<Self, TrainError> {
        let device = Device::flex();
        if recipe.precision == Precision::Bfloat16 && !fmr_nn::kernels::bfloat16::enable() {
            eprintln!("{}: this processor multiplies no bfloat16; training in single precision", recipe.name);
        }
        fs::create_dir_all(&recipe.work).map_err(TrainError::io(&recipe.work))?;
        let mut task: Box<dyn Task> = match &recipe.task {
            TaskRecipe::Classifier(c) => Box::new(crate::classifier::Classification::new(&recipe, c, &device)?),
            TaskRecipe::Contrastive(c) => Box::new(crate::contrastive::Contrastive::new(&recipe, c, &device)?),
            TaskRecipe::Autoencoder(c) => Box::new(crate::autoencoder::Reconstruction::new(&recipe, c, &device)?),
        };
        let state = recipe.work.join("state.json");
        let mut progress = Progress::default();
        if state.exists() {
            let text = fs::read_to_string(&state).map_err(TrainError::io(&state))?;
            progress =
                serde_json::from_str(&text).map_err(|e| TrainError::Other(format!("{}: {e}", state.display())))?;
            for (name, network) in task.networks() {
                network.restore(&recipe.work.join(format!("{name}-{}", progress.step)), &device)?;
            }
        } else if let Some(init) = &recipe.init {
            // The networks come with the one that is published first.
            if let Some((_, network)) = task.networks().into_iter().next() {
                network.load(&recipe.base.join(init), &device)?;
            }
        }
        Ok(Self { recipe, task, progress })
    }

    /// Trains to the end, evaluates on the full test data, writes weights and report; gives the report's figures.
    pub fn run(mut self) -> Result<Figures, TrainError> {
        let per_epoch = self.task.steps();
        let total = per_epoch * self.recipe.epochs;
        let bar = ProgressBar::new(total as u64).with_style(
            ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {eta}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_prefix(self.recipe.name.clone());
        bar.set_position(self.progress.step as u64);
        let mut saved = Instant::now();
        let mut mean = 0.0;
        while self.progress.step < total {
            let global = self.progress.step;
            let at = At { epoch: global / per_epoch, step: global % per_epoch, global, total };
            let started = Instant::now();
            let rate = self.recipe.schedule.rate(global, total);
            let figures = self.task.step(at, rate)?;
            self.progress.step += 1;
            self.progress.seconds += started.elapsed().as_secs_f64();
            let loss = figures.first().map_or(0.0, |f| f.1);
            if !loss.is_finite() {
                return Err(TrainError::Other(format!(
                    "{}: the loss is {loss} at step {global}; lower schedule.peak",
                    self.recipe.name
                )));
            }
            mean = if global == 0 || mean == 0.0 { loss } else { 0.98 * mean + 0.02 * loss };
            bar.set_message(format!("loss {mean:.4}"));
            bar.inc(1);
            if global.is_multiple_of(20) {
                self.curve(&at, rate, &figures)?;
            }
            let ends_epoch = at.step + 1 == per_epoch;
            if ends_epoch && self.progress.step < total {
                let figures = self.task.evaluate(false)?;
                bar.suspend(|| {
                    eprintln!("{} epoch {}: loss {mean:.4} {}", self.recipe.name, at.epoch + 1, show(&figures))
                });
                self.curve(&at, rate, &figures)?;
            }
            if ends_epoch || saved.elapsed() > CHECKPOINT_EVERY {
                self.checkpoint()?;
                saved = Instant::now();
            }
        }
        bar.finish_and_clear();
        let figures = self.task.evaluate(true)?;
        eprintln!("{}: {}", self.recipe.name, show(&figures));
        self.publish(&figures)?;
        Ok(figures)
    }

    fn curve(&self, at: &At, rate: f64, figures: &Figures) -> Result<(), TrainError> {
        let path = self.recipe.work.join("curve.jsonl");
        let mut row = serde_json::Map::new();
        row.insert("step".into(), at.global.into());
        row.insert("epoch".into(), (at.epoch + 1).into());
        row.insert("rate".into(), rate.into());
        row.extend(figures.iter().map(|(k, v)| (k.clone(), (*v).into())));
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&path).map_err(TrainError::io(&path))?;
        writeln!(file, "{}", serde_json::Value::Object(row)).map_err(TrainError::io(&path))
    }

    /// Writes all files of the new checkpoint, then names it in `state.json`, then removes older ones: whenever the
    /// process dies, the named checkpoint is whole.
    fn checkpoint(&mut self) -> Result<(), TrainError> {
        let step = self.progress.step;
        let work = self.recipe.work.clone();
        let mut keep = Vec::new();
        for (name, network) in self.task.networks() {
            let stem = format!("{name}-{step}");
            network.save(&work.join(&stem))?;
            keep.push(stem);
        }
        let text = serde_json::to_string(&self.progress).map_err(|e| TrainError::Other(e.to_string()))?;
        replace(&work.join("state.json"), text.as_bytes())?;
        let old = fs::read_dir(&work).map_err(TrainError::io(&work))?.flatten().map(|e| e.path());
        for path in old {
            let is_checkpoint = path.extension().is_some_and(|e| e == "safetensors" || e == "optimizer");
            let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            if is_checkpoint && !keep.contains(&stem) {
                let _ = fs::remove_file(&path);
            }
        }
        Ok(())
    }

    fn publish(&self, figures: &Figures) -> Result<(), TrainError> {
        let (weights, mut metadata) = self.task.publish();
        let path = &self.recipe.weights;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
        }
        metadata.push(("format".into(), "pt".into()));
        fmr_nn::weights::write(path, &weights, true, &metadata).map_err(|e| TrainError::Other(e.to_string()))?;
        let parameters: usize = weights.values().map(|t| t.values.len()).sum();
        let report = serde_json::json!({
            "name": self.recipe.name,
            "seed": self.recipe.seed,
            "epochs": self.recipe.epochs,
            "steps": self.progress.step,
            "training_seconds": self.progress.seconds.round(),
            "parameters": parameters,
            "quality": figures.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "recipe": self.recipe.task,
        });
        let text = serde_json::to_string_pretty(&report).map_err(|e| TrainError::Other(e.to_string()))?;
        replace(&path.with_extension("json"), text.as_bytes())?;
        Ok(())
    }
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".part");
    let temporary = PathBuf::from(temporary);
    fs::write(&temporary, bytes).map_err(TrainError::io(&temporary))?;
    fs::rename(&temporary, path).map_err(TrainError::io(path))
}

fn show(figures: &Figures) -> String {
    figures.iter().map(|(k, v)| format!("{k} {v:.4}")).collect::<Vec<_>>().join("  ")
}

/// Runs the recipe in that file, from its last checkpoint if there is one.
pub fn train(recipe: &Path) -> Result<Figures, TrainError> {
    Session::open(Recipe::read(recipe)?)?.run()
}
