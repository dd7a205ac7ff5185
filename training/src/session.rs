//! Running a recipe: steps, checkpoints, resume, learning curve, final weights and report.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use fmr_nn::weights::StateDict;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::curve::Curve;
use crate::recipe::{Precision, Recipe, TaskRecipe, TrainError};
use crate::trainee::Saved;

/// Named figures of a step or an evaluation.
pub type Figures = Vec<(String, f64)>;

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
    fn publish(&self) -> (StateDict, BTreeMap<String, String>);
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Progress {
    step: usize,
    seconds: f64,
}

/// Takes the work folder, which the system gives back when the process ends, however it ends.
fn lock(work: &Path) -> Result<File, TrainError> {
    let path = work.join("train.lock");
    let open = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = open.map_err(TrainError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(TrainError::InUse { folder: work.to_owned() }),
        Err(TryLockError::Error(error)) => Err(TrainError::io(&path)(error)),
    }
}

/// A run of a recipe.
pub struct Session {
    recipe: Recipe,
    task: Box<dyn Task>,
    progress: Progress,
    curve: Curve,
    /// Held as long as the work folder is in use.
    _lock: File,
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
        let lock = lock(&recipe.work)?;
        let mut task: Box<dyn Task> = match &recipe.task {
            TaskRecipe::Classifier(c) => Box::new(crate::classifier::Classification::new(&recipe, c, &device)?),
            TaskRecipe::Contrastive(c) => Box::new(crate::contrastive::Contrastive::new(&recipe, c, &device)?),
            TaskRecipe::Diffusion(c) => Box::new(crate::diffusion::Denoising::new(&recipe, c, &device)?),
            TaskRecipe::Autoencoder(c) => Box::new(crate::autoencoder::Reconstruction::new(&recipe, c, &device)?),
            TaskRecipe::Stylegan(c) => Box::new(crate::style::Inverted::new(&recipe, c, &device)?),
            TaskRecipe::Vdvae(c) => Box::new(crate::hierarchical::Hierarchical::new(&recipe, c, &device)?),
        };
        let state = recipe.work.join("state.json");
        let mut progress = Progress::default();
        if state.exists() {
            let text = fs::read_to_string(&state).map_err(TrainError::io(&state))?;
            progress = serde_json::from_str(&text).map_err(|e| TrainError::state(&state, e))?;
            for (name, network) in task.networks() {
                network.restore(&recipe.work.join(format!("{name}-{}", progress.step)), &device)?;
            }
        } else if let Some(init) = &recipe.init {
            // The networks come with the one that is published first.
            if let Some((_, network)) = task.networks().into_iter().next() {
                network.load(&recipe.base.join(init), &device)?;
            }
        }
        let curve = Curve::open(&recipe.work, progress.step)?;
        Ok(Self { recipe, task, progress, curve, _lock: lock })
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
                return Err(TrainError::Loss { name: self.recipe.name.clone(), loss, step: global });
            }
            mean = if global == 0 || mean == 0.0 { loss } else { 0.98 * mean + 0.02 * loss };
            bar.set_message(format!("loss {mean:.4}"));
            bar.inc(1);
            if global.is_multiple_of(20) {
                self.curve.add(&at, rate, &figures)?;
            }
            let ends_epoch = at.step + 1 == per_epoch;
            if ends_epoch && self.progress.step < total {
                let figures = self.task.evaluate(false)?;
                bar.suspend(|| {
                    eprintln!("{} epoch {}: loss {mean:.4} {}", self.recipe.name, at.epoch + 1, show(&figures))
                });
                self.curve.add(&at, rate, &figures)?;
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
        let state = work.join("state.json");
        let text = serde_json::to_string(&self.progress).map_err(|e| TrainError::state(&state, e))?;
        replace(&state, text.as_bytes())?;
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
        metadata.insert("format".into(), "pt".into());
        fmr_nn::weights::write(path, &weights, true, &metadata)?;
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
        let text = serde_json::to_string_pretty(&report).map_err(|e| TrainError::state(path, e))?;
        replace(&path.with_extension("json"), text.as_bytes())?;
        Ok(())
    }
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    fmr_files::replace(path, bytes).map_err(TrainError::io(path))
}

fn show(figures: &Figures) -> String {
    figures.iter().map(|(k, v)| format!("{k} {v:.4}")).collect::<Vec<_>>().join("  ")
}

/// Runs the recipe in that file, from its last checkpoint if there is one.
pub fn train(recipe: &Path) -> Result<Figures, TrainError> {
    Session::open(Recipe::read(recipe)?)?.run()
}
